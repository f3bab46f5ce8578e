use super::*;

#[test]
fn a_user_is_created_read_changed_listed_and_deleted() {
    let account = account("a-1");
    let mut request = user_request(&account, "ada@example.com");
    request.firstname = text("Ada");
    request.password = text("secret");
    request.additionalattributes.put("floor", 3);
    let ids = change(|| Sandbox::create_user(request.clone())).unwrap();
    assert_eq!(ids.userid, ids.provideruserid);

    let mut update = UpdateUser { requestor: of_user(&ids.userid), ..UpdateUser::default() };
    update.lastname = text("Lovelace");
    change(|| Sandbox::update_user(update.clone())).unwrap();
    let info = Sandbox::get_user(ids.userid.clone()).unwrap();
    assert_eq!(info.provideruserid, ids.provideruserid);
    assert_eq!(info.firstname.as_deref(), Some("Ada"));
    assert_eq!(info.lastname.as_deref(), Some("Lovelace"));
    assert_eq!(info.username.as_deref(), Some("ada@example.com"));
    assert_eq!(info.additionalattributes.integer("floor"), Some(3));

    user(&account, "second@example.com");
    for id in [account.as_str(), "a-1"] {
        let users = Sandbox::list_users(id.to_owned(), Page::default()).unwrap().users;
        assert_eq!(users.len(), 2);
    }
    let delete = DeleteUser { requestor: of_user(&ids.userid), ..DeleteUser::default() };
    change(|| Sandbox::delete_user(delete.clone())).unwrap();
    assert_eq!(Sandbox::get_user(ids.userid).unwrap_err().respcode, 404);
    user(&account, "ada@example.com");
}

#[test]
fn an_address_belongs_to_one_user_of_all_accounts() {
    let (one, two) = (account("a-1"), account("a-2"));
    user(&one, "Ada@Example.com");
    let again = change(|| Sandbox::create_user(user_request(&two, "ada@example.COM")));
    assert_failure(again, 400, "The email address already exists", "User creation failed");
    user(&two, "a/d@example.com");
    user(&two, "a@d@example.com");
    let wrong = change(|| Sandbox::create_user(user_request(&two, "nobody"))).unwrap_err();
    assert_eq!(wrong.respcode, 400);
}

#[test]
fn a_user_of_another_account_is_not_there() {
    let (one, two) = (account("a-1"), account("a-2"));
    let userid = user(&one, "ada@example.com");
    let requestor = Requestor { userid: Some(userid.clone()), ..of_account(&two) };
    let delete = DeleteUser { requestor, ..DeleteUser::default() };
    assert_eq!(change(|| Sandbox::delete_user(delete.clone())).unwrap_err().respcode, 404);
    assert!(Sandbox::get_user(userid).is_ok());
}

#[test]
fn a_request_that_names_nobody_is_refused() {
    let nobody = UpdateUser::default();
    assert_eq!(change(|| Sandbox::update_user(nobody.clone())).unwrap_err().respcode, 400);
    let nowhere = CreateUser { email: "a@b".to_owned(), ..CreateUser::default() };
    assert_eq!(change(|| Sandbox::create_user(nowhere.clone())).unwrap_err().respcode, 400);
    let gone = user_request("acc-gone", "a@b");
    assert_eq!(change(|| Sandbox::create_user(gone.clone())).unwrap_err().respcode, 404);
}
