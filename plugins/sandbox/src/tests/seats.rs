use super::*;

#[test]
fn there_are_as_many_seats_as_licences() {
    let account = account("a-1");
    let instance = instance(&account, "SANDBOX-CRM-STARTER", 2);
    let users: Vec<String> =
        (0..3).map(|number| user(&account, &format!("u{number}@example.com"))).collect();
    assert_eq!(assign(&instance, &users[0]).unwrap().providerinstanceid, instance);
    assign(&instance, &users[1]).unwrap();
    let full = assign(&instance, &users[2]).unwrap_err();
    assert_eq!(full.respcode, 403);
    assert!(full.errormessage.contains("2 licences"), "{}", full.errormessage);

    let down = update(&instance, 1).unwrap_err();
    assert_eq!(down.respcode, 400);
    revoke(&instance, &users[0]).unwrap();
    assign(&instance, &users[2]).unwrap();
    update(&instance, 3).unwrap();
    assign(&instance, &users[0]).unwrap();
}

#[test]
fn a_seat_is_assigned_once_and_revoked_once() {
    let account = account("a-1");
    let instance = instance(&account, "SANDBOX-CRM-STARTER", 2);
    let user = user(&account, "ada@example.com");
    assign(&instance, &user).unwrap();
    assert_failure(
        assign(&instance, &user),
        404,
        "The subscriber already has a seat for the subscription.",
        "Entitling of subscription failed",
    );
    revoke(&instance, &user).unwrap();
    let again = revoke(&instance, &user).unwrap_err();
    assert_eq!(again.respcode, 404);
    assign(&instance, &user).unwrap();
}

#[test]
fn a_seat_is_for_a_user_of_the_same_account_of_an_active_instance() {
    let (one, two) = (account("a-1"), account("a-2"));
    let instance = instance(&one, "SANDBOX-CRM-STARTER", 2);
    let stranger = user(&two, "stranger@example.com");
    let own = user(&one, "own@example.com");
    let text = "The user is not authorized to perform this operation.";
    assert_failure(
        revoke(&instance, &stranger),
        403,
        text,
        "Revoking of the given subscription for the subscriber failed",
    );
    assert_failure(assign(&instance, &stranger), 403, text, "Entitling of subscription failed");
    act(&instance, "update.suspend").unwrap();
    assert_eq!(assign(&instance, &own).unwrap_err().respcode, 409);
    assert_eq!(assign("ins-unknown", &own).unwrap_err().respcode, 404);
}

#[test]
fn a_deleted_user_leaves_every_seat() {
    let account = account("a-1");
    let instances =
        [instance(&account, "SANDBOX-CRM-STARTER", 1), instance(&account, "SANDBOX-MAIL", 1)];
    let leaver = user(&account, "leaver@example.com");
    for instance in &instances {
        assign(instance, &leaver).unwrap();
    }
    let delete = DeleteUser { requestor: of_user(&leaver), ..DeleteUser::default() };
    change(|| Sandbox::delete_user(delete.clone())).unwrap();
    let next = user(&account, "next@example.com");
    for instance in &instances {
        assign(instance, &next).unwrap();
    }
    let seats =
        testing::keys().into_iter().filter(|key| key.starts_with("s/") || key.starts_with("t/"));
    assert_eq!(seats.count(), 4);
}
