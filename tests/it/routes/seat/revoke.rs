use crate::check;
use cnsp_tests::bodies::seat;
use cnsp_tests::host::Host;

#[test]
fn revoke_answers_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let account = client.new_account();
    let user = client.new_user(&account);
    let resource = client.new_resource(&account, "SANDBOX-MAIL", 1);
    let path = "/account/user/resource";
    client.put(path, &seat(&account, "assign", &user, &resource)).succeeded();
    let answer = client.put(path, &seat(&account, "revoke", &user, &resource));
    assert_eq!(answer.message(), "The given subscription revoked successfully for the subscriber");
    assert_eq!(answer.text_of("providerinstanceid"), resource.id);
    check("put_account_user_resource.ok.revoke", &answer);
    // The seat is free again.
    client.put(path, &seat(&account, "assign", &client.new_user(&account), &resource)).succeeded();
}

#[test]
fn revoke_is_refused_as_cnsp_samples_it() {
    let host = Host::start();
    let client = host.marketplace();
    let (account, other) = (client.new_account(), client.new_account());
    let user = client.new_user(&account);
    let foreign = client.new_resource(&other, "SANDBOX-MAIL", 1);
    let refused = client.put("/account/user/resource", &seat(&account, "revoke", &user, &foreign));
    let message = "Revoking of the given subscription for the subscriber failed";
    assert_eq!((refused.status, refused.message()), (403, message));
    let text = "The user is not authorized to perform this operation.";
    assert_eq!(refused.body()["errorMessage"], text);
    check("put_account_user_resource.error.revoke_unauthorized", &refused);

    let own = client.new_resource(&account, "SANDBOX-MAIL", 1);
    let refused = client.put("/account/user/resource", &seat(&account, "revoke", &user, &own));
    check("put_account_user_resource.error.no_seat_to_revoke", &refused);
}
