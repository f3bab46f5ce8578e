use super::*;

#[test]
fn an_order_becomes_an_active_instance() {
    let account = account("a-1");
    let mut request = order(&account, "SANDBOX-CRM-PRO", 12);
    request.parameters.custom_options.push((
        "customoption1".to_owned(),
        CustomOption { title: text("Data region"), value: "\"us\"".to_owned(), other: vec![] },
    ));
    request.parameters.additionalparameters.put("instancename", "Sales");
    request.parameters.additionalparameters.put("project", "apollo");
    let created = change(|| Sandbox::create_resource(request.clone())).unwrap();
    assert_eq!(created.status, "active");
    assert!(created.password.is_some() && created.username.is_some());
    assert_eq!(created.respparams.len(), 2);
    let subscription = created.subscriptionid.unwrap();
    assert_eq!(subscription, created.providerinstanceid.replace("ins-", "sub-"));

    let info = Sandbox::get_resource(created.providerinstanceid.clone()).unwrap();
    assert_eq!(info.resource.type_, "saas");
    let parameters = info.parameters;
    assert_eq!(parameters.instancename.as_deref(), Some("Sales"));
    assert_eq!(parameters.sku.as_deref(), Some("SANDBOX-CRM-PRO"));
    assert_eq!(parameters.license, Some(12));
    assert_eq!(parameters.status.as_deref(), Some("active"));
    assert_eq!(parameters.startdate.as_deref(), Some("2025-01-01T00:00:00+00:00"));
    assert_eq!(parameters.enddate, None);
    assert_eq!(parameters.other.text("customparam1").as_deref(), Some("us"));
    assert_eq!(parameters.other.text("customparam2").as_deref(), Some("office hours"));
    assert_eq!(info.additionalparameters.text("project").as_deref(), Some("apollo"));

    for id in [account.as_str(), "a-1"] {
        let listed = Sandbox::list_resources(id.to_owned(), Page::default()).unwrap().resources;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].parameters.providerinstanceid, created.providerinstanceid);
    }
}

#[test]
fn what_is_not_sold_is_refused() {
    let account = account("a-1");
    let refused = |request: CreateResource, words: &str| {
        let failure = change(|| Sandbox::create_resource(request.clone())).unwrap_err();
        assert_eq!(failure.respcode, 400, "{}", failure.errormessage);
        assert!(failure.errormessage.contains(words), "{}", failure.errormessage);
    };
    refused(order(&account, "NOTHING", 1), "`NOTHING`");
    refused(order(&account, "SANDBOX-CRM-PRO", 4), "5 to 500");
    refused(order(&account, "SANDBOX-CRM-PRO", 501), "5 to 500");
    let mut request = order(&account, "SANDBOX-CRM-PRO", 5);
    request.resource.type_ = "iaas".to_owned();
    refused(request.clone(), "resource.type");
    request.resource.type_ = "saas".to_owned();
    let option = |key: &str, value: &str| {
        vec![(key.to_owned(), CustomOption { value: value.to_owned(), ..CustomOption::default() })]
    };
    request.parameters.custom_options = option("customoption1", "\"moon\"");
    refused(request.clone(), "eu, us, asia");
    request.parameters.custom_options = option("customoption9", "1");
    refused(request.clone(), "customoption9");
    request.parameters.custom_options = vec![];
    request.requestor = Requestor::default();
    refused(request.clone(), "requestor");
    request.requestor = of_account("acc-gone");
    assert_eq!(change(|| Sandbox::create_resource(request.clone())).unwrap_err().respcode, 404);
    let mut least = order(&account, "SANDBOX-CRM-PRO", 1);
    least.parameters.license_quantity = None;
    let id = change(|| Sandbox::create_resource(least.clone())).unwrap().providerinstanceid;
    assert_eq!(Sandbox::get_resource(id).unwrap().parameters.license, Some(5));
}

#[test]
fn licences_and_parameters_change() {
    let account = account("a-1");
    let id = instance(&account, "SANDBOX-CRM-PRO", 10);
    let mut request = update_request(&id, Some(20));
    request.parameters.as_mut().unwrap().other.put("customparam1", "asia");
    request.additionalparameters.put("note", "more");
    assert_eq!(
        change(|| Sandbox::update_resource(request.clone())).unwrap().providerinstanceid,
        id
    );
    let info = Sandbox::get_resource(id.clone()).unwrap();
    assert_eq!(info.parameters.license, Some(20));
    assert_eq!(info.parameters.other.text("customparam1").as_deref(), Some("asia"));
    assert_eq!(info.additionalparameters.text("note").as_deref(), Some("more"));
    assert_eq!(update(&id, 501).unwrap_err().respcode, 400);
    assert_eq!(update("ins-gone", 5).unwrap_err().respcode, 404);
}

#[test]
fn an_instance_is_suspended_reactivated_renamed_and_cancelled() {
    let account = account("a-1");
    let id = instance(&account, "SANDBOX-CRM-STARTER", 1);
    act(&id, "update.suspend").unwrap();
    assert_eq!(status(&id), "suspended");
    assert_eq!(act(&id, "update.suspend").unwrap_err().respcode, 409);
    act(&id, "update.reactivate").unwrap();
    assert_eq!(status(&id), "active");
    let again = act(&id, "update.reactivate").unwrap_err();
    assert_eq!(again.message.as_deref(), Some("Reactivation of resource failed"));
    let unknown = act(&id, "update.explode").unwrap_err();
    assert!(unknown.respcode == 400 && unknown.errormessage.contains("update.suspend"));
    let mut rename = ActOnResource {
        action: "update.rename".to_owned(),
        instanceinfo: instance_info(&id),
        ..ActOnResource::default()
    };
    assert_eq!(change(|| Sandbox::act_on_resource(rename.clone())).unwrap_err().respcode, 400);
    rename.parameters.put("instancename", "New");
    change(|| Sandbox::act_on_resource(rename.clone())).unwrap();

    cancel(&id).unwrap();
    assert_eq!(cancel(&id).unwrap().providerinstanceid, id, "twice is no error");
    let info = Sandbox::get_resource(id.clone()).unwrap().parameters;
    assert_eq!(info.status.as_deref(), Some("cancel"));
    assert_eq!(info.instancename.as_deref(), Some("New"));
    assert!(info.enddate.is_some());
    assert_eq!(update(&id, 2).unwrap_err().respcode, 409);
    assert_eq!(act(&id, "update.reactivate").unwrap_err().respcode, 409);
}

#[test]
fn another_accounts_instance_is_not_the_callers() {
    let (one, two) = (account("a-1"), account("a-2"));
    let id = instance(&one, "SANDBOX-CRM-STARTER", 1);
    let mut request = update_request(&id, Some(2));
    request.requestor = of_account(&two);
    assert_failure(
        change(|| Sandbox::update_resource(request.clone())),
        500,
        "The user is not authorized.",
        "Resource details updation failed",
    );
    let delete = DeleteResource {
        instanceinfo: instance_info(&id),
        requestor: of_account(&two),
        ..DeleteResource::default()
    };
    assert_failure(
        change(|| Sandbox::delete_resource(delete.clone())),
        500,
        "The user is not authorized.",
        "Resource deletion failed",
    );
}

#[test]
fn an_instance_remembers_so_many_changes_and_always_its_end() {
    let account = account("a-1");
    let id = instance(&account, "SANDBOX-MAIL", 10_000);
    let mut licences = 10_000;
    let refused = loop {
        licences = if licences == 10_000 { 9_999 } else { 10_000 };
        testing::advance_clock(std::time::Duration::from_secs(60));
        if let Err(failure) = update(&id, licences) {
            break failure;
        }
    };
    assert_eq!(refused.respcode, 400);
    cancel(&id).unwrap();
    assert_eq!(status(&id), "cancel");
}

#[test]
fn the_same_operation_once_more_finds_what_it_has_made() {
    let account = account("a-1");
    let request = order(&account, "SANDBOX-CRM-STARTER", 1);
    let buy = || testing::finish("op-x", || Sandbox::create_resource(request.clone())).unwrap();
    assert_eq!(buy().providerinstanceid, buy().providerinstanceid);
    let join =
        || testing::finish("op-u", || Sandbox::create_user(user_request(&account, "a@b"))).unwrap();
    assert_eq!(join(), join());
    assert_eq!(
        Sandbox::list_resources(account.clone(), Page::default()).unwrap().resources.len(),
        1
    );
}
