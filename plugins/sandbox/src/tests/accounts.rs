use super::*;

#[test]
fn an_account_is_read_by_either_id_with_everything_that_was_sent() {
    let mut request = account_request("a/1 with: odd%characters");
    request.phone = text("+1 555");
    request.address = Some(Address { city: text("Basel"), ..Address::default() });
    request.additionalattributes.put("tier", "gold");
    request.other.put("unheard-of", [1, 2]);
    let ids = change(|| Sandbox::create_account(request.clone())).unwrap();
    assert!(ids.provideraccountid.starts_with("acc-"));
    for id in [&ids.provideraccountid, &request.accountid] {
        let info = Sandbox::get_account(id.clone()).unwrap();
        assert_eq!(info.accountid, request.accountid);
        assert_eq!(info.provideraccountid, ids.provideraccountid);
        assert_eq!(info.accountname, request.accountname);
        assert_eq!(info.phone, request.phone);
        assert_eq!(info.address, request.address);
        assert_eq!(info.additionalattributes, request.additionalattributes);
        assert_eq!(info.other, request.other);
    }
}

#[test]
fn the_operation_names_the_account() {
    let create = |id: &str| testing::finish(id, || Sandbox::create_account(account_request("a-1")));
    let refused = testing::operation("op-x", || {
        Sandbox::create_account(account_request("a-1"))?;
        Err::<(), _>(Failure::refused(500, "the host was stopped here"))
    });
    assert!(refused.is_err());
    let first = create("op-x").unwrap().provideraccountid;
    assert_eq!(first, format!("acc-{}", crate::ids::mint("op-x")));
    assert_eq!(create("op-x").unwrap().provideraccountid, first, "the same operation, once more");
    assert_eq!(create("op-y").unwrap_err().respcode, 400, "the accountid is in use");
}

#[test]
fn the_first_user_comes_with_the_account() {
    let mut request = account_request("a-1");
    request.userinfo = Some(AccountUser {
        firstname: text("Ada"),
        email: text("ada@example.com"),
        password: text("secret"),
        ..AccountUser::default()
    });
    change(|| Sandbox::create_account(request.clone())).unwrap();
    let users = Sandbox::list_users("a-1".to_owned(), Page::default()).unwrap().users;
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].email, "ada@example.com");
    assert_eq!(users[0].role.as_deref(), Some("admin"));
    let kept = format!("{users:?}");
    assert!(!kept.contains("secret"), "a password is not kept");

    request.accountid = "a-2".to_owned();
    request.userinfo.as_mut().unwrap().email = text("ADA@example.com");
    let again = change(|| Sandbox::create_account(request.clone()));
    assert_failure(
        again,
        400,
        "User with email address already exists.",
        "Account creation failed",
    );
    assert!(Sandbox::get_account("a-2".to_owned()).is_err());
}

#[test]
fn an_update_changes_what_it_says_and_nothing_else() {
    let mut request = account_request("a-1");
    request.phone = text("1");
    request.address =
        Some(Address { city: text("Basel"), country: text("CH"), ..Address::default() });
    request.additionalattributes.put("a", 1);
    let id = change(|| Sandbox::create_account(request.clone())).unwrap().provideraccountid;
    let mut update = UpdateAccount { requestor: of_account(&id), ..UpdateAccount::default() };
    update.accountname = text("New name");
    update.address = Some(Address { city: text("Bern"), ..Address::default() });
    update.additionalattributes.put("b", 2);
    change(|| Sandbox::update_account(update.clone())).unwrap();
    let info = Sandbox::get_account(id).unwrap();
    assert_eq!(info.accountname, "New name");
    assert_eq!(info.phone.as_deref(), Some("1"));
    let address = info.address.unwrap();
    assert_eq!((address.city.as_deref(), address.country.as_deref()), (Some("Bern"), Some("CH")));
    assert_eq!(info.additionalattributes.len(), 2);
}

#[test]
fn a_deleted_account_is_gone_with_its_users_and_its_names_are_free() {
    let id = account("a-1");
    user(&id, "ada@example.com");
    let instance = instance(&id, "SANDBOX-CRM-STARTER", 1);
    let delete = DeleteAccount { requestor: of_account(&id), ..DeleteAccount::default() };
    let refused = change(|| Sandbox::delete_account(delete.clone())).unwrap_err();
    assert_eq!(refused.respcode, 409);
    assert!(refused.errormessage.contains(&instance));

    cancel(&instance).unwrap();
    change(|| Sandbox::delete_account(delete.clone())).unwrap();
    assert_eq!(Sandbox::get_account(id.clone()).unwrap_err().respcode, 404);
    assert_eq!(Sandbox::get_account("a-1".to_owned()).unwrap_err().respcode, 404);
    assert!(Sandbox::list_accounts(Page::default()).unwrap().accounts.is_empty());
    assert_eq!(status(&instance), "cancel", "what was bought stays known");
    let again = account("a-1");
    assert_ne!(again, id);
    user(&again, "ada@example.com");
}

#[test]
fn accounts_are_listed_page_by_page() {
    let ids: std::collections::BTreeSet<String> =
        (0..7).map(|number| account(&format!("a-{number}"))).collect();
    let mut listed = Vec::new();
    let mut page = Page { limit: Some(3), after: None };
    loop {
        let found = Sandbox::list_accounts(page.clone()).unwrap();
        assert!(found.accounts.len() <= 3);
        listed.extend(found.accounts.into_iter().map(|account| account.provideraccountid));
        match found.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(listed, ids.into_iter().collect::<Vec<_>>());
}

#[test]
fn what_is_too_long_or_empty_is_refused_by_name() {
    let refused = |request: CreateAccount, field: &str| {
        let failure = change(|| Sandbox::create_account(request.clone())).unwrap_err();
        assert_eq!(failure.respcode, 400);
        assert!(failure.errormessage.contains(field), "{}", failure.errormessage);
    };
    let good = account_request("a-1");
    refused(CreateAccount { accountid: String::new(), ..good.clone() }, "accountid");
    refused(CreateAccount { accountid: "a".repeat(201), ..good.clone() }, "accountid");
    refused(CreateAccount { accountname: "a\u{1}".to_owned(), ..good.clone() }, "accountname");
    refused(CreateAccount { phone: Some("1".repeat(257)), ..good.clone() }, "phone");
    let long = vec![("k".to_owned(), format!("\"{}\"", "x".repeat(9000)))];
    refused(CreateAccount { additionalattributes: long, ..good.clone() }, "additionalattributes");
    let city = Some(Address { city: Some("x".repeat(300)), ..Address::default() });
    refused(CreateAccount { address: city, ..good }, "address.city");
}

#[test]
fn the_largest_account_that_is_let_in_can_be_kept() {
    let full = |key: &str| vec![(key.repeat(1000), format!("\"{}\"", "\\\\".repeat(1700)))];
    let line = || Some("\"".repeat(256));
    let request = CreateAccount {
        accountid: "\"".repeat(200),
        accountname: "\"".repeat(256),
        phone: line(),
        address: Some(Address {
            addressline1: line(),
            addressline2: line(),
            city: line(),
            state: line(),
            postalcode: line(),
            country: line(),
            other: vec![("k".to_owned(), format!("\"{}\"", "x".repeat(1000)))],
        }),
        additionalattributes: full("a"),
        other: full("b"),
        ..CreateAccount::default()
    };
    change(|| Sandbox::create_account(request.clone())).unwrap();
}
