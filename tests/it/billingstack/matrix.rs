//! What goes wrong at each of the twelve calls on the way to a subscription, one row after the other: what the caller is
//! told, and what the services have in the end.

use super::{Scene, order, sign_up};
use cnsp_tests::billingstack::{Fault, Paths, Services, Step};
use cnsp_tests::bodies::unique;
use cnsp_tests::eventually;
use serde_json::json;
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flow {
    /// Calls 1 to 8.
    Account,
    /// Calls 9 to 12, for an account that is there.
    Order,
}
use Flow::{Account, Order};

struct Row {
    name: &'static str,
    flow: Flow,
    /// From the first so many (0: every one) of these calls go wrong.
    faults: &'static [(Step, u32, Fault)],
    prepare: fn(&Services),
    /// What the caller is told, and a part of it.
    status: u16,
    says: &'static str,
    /// Users, customers, tenants and subscriptions in the end, an account that was there not counted.
    left: [usize; 4],
    /// How often these were called.
    calls: &'static [(Step, usize)],
}

const NOTHING: [usize; 4] = [0, 0, 0, 0];
const AN_ACCOUNT: [usize; 4] = [1, 1, 1, 0];
const AN_INSTANCE: [usize; 4] = [0, 0, 1, 1];
const UNDONE: &str = "was taken back";

/// A row that succeeds in the end.
const fn passes(
    name: &'static str,
    flow: Flow,
    faults: &'static [(Step, u32, Fault)],
    calls: &'static [(Step, usize)],
) -> Row {
    let left = match flow {
        Account => AN_ACCOUNT,
        Order => AN_INSTANCE,
    };
    Row { name, flow, faults, prepare: |_| {}, status: 200, says: "", left, calls }
}

/// A row that is refused in the end, with nothing left.
const fn refused(
    name: &'static str,
    flow: Flow,
    faults: &'static [(Step, u32, Fault)],
    status: u16,
    says: &'static str,
) -> Row {
    Row { name, flow, faults, prepare: |_| {}, status, says, left: NOTHING, calls: &[] }
}

/// The tenant of the customer that will be made next has its name already.
fn occupy(services: &Services, enabled: bool) {
    let mut state = services.state();
    let name = format!("bs-customer-{}", state.will_mint("c", 1));
    let tenant = json!({ "id": "tc-there", "name": name, "enabled": enabled });
    state.tenants.insert("tc-there".to_owned(), tenant);
}

fn rows() -> Vec<Row> {
    use Fault::*;
    use Step::*;
    vec![
        passes("nothing goes wrong", Account, &[], &[(CreateUser, 1), (SignIn, 1)]),
        passes(
            "1 user: made, answer lost",
            Account,
            &[(CreateUser, 1, DropAfter)],
            &[(CreateUser, 1)],
        ),
        passes(
            "1 user: made, then 500",
            Account,
            &[(CreateUser, 1, FailedAfter)],
            &[(CreateUser, 1)],
        ),
        passes("1 user: made, no JSON", Account, &[(CreateUser, 1, Garbage)], &[(CreateUser, 1)]),
        passes("1 user: made, no id", Account, &[(CreateUser, 1, WildId)], &[(CreateUser, 1)]),
        passes("1 user: not made", Account, &[(CreateUser, 1, DropBefore)], &[(CreateUser, 2)]),
        refused("1 user: forbidden", Account, &[(CreateUser, 1, Status(403))], 403, "vendor"),
        passes("2 token: lost", Account, &[(SignIn, 1, DropAfter)], &[(SignIn, 2)]),
        refused("2 token: 401", Account, &[(SignIn, 1, Status(401))], 500, UNDONE),
        passes(
            "4 customer: made, answer lost",
            Account,
            &[(CreateCustomer, 1, DropAfter)],
            &[(CreateCustomer, 1)],
        ),
        passes(
            "4 customer: made, then 500",
            Account,
            &[(CreateCustomer, 1, FailedAfter)],
            &[(CreateCustomer, 1)],
        ),
        passes(
            "4 customer: made, no JSON",
            Account,
            &[(CreateCustomer, 1, Garbage)],
            &[(CreateCustomer, 1)],
        ),
        passes(
            "4 customer: not made",
            Account,
            &[(CreateCustomer, 2, DropBefore)],
            &[(CreateCustomer, 3)],
        ),
        refused("4 customer: 400", Account, &[(CreateCustomer, 1, Status(400))], 400, UNDONE),
        refused(
            "4 customer: forbidden with 500",
            Account,
            &[(CreateCustomer, 1, Forbidden)],
            403,
            UNDONE,
        ),
        refused(
            "4 customer: 500 for ever",
            Account,
            &[(CreateCustomer, 0, Status(500))],
            500,
            UNDONE,
        ),
        Row {
            prepare: |services| occupy(services, true),
            ..passes("5 tenant: ours is there", Account, &[], &[(CreateCustomerTenant, 1)])
        },
        Row {
            prepare: |services| occupy(services, false),
            left: [0, 0, 1, 0],
            ..refused("5 tenant: a disabled one is there", Account, &[], 400, UNDONE)
        },
        passes(
            "5 tenant: made, answer lost",
            Account,
            &[(CreateCustomerTenant, 1, DropAfter)],
            &[(CreateCustomerTenant, 1)],
        ),
        refused(
            "6 role: 404",
            Account,
            &[(GrantAdmin, 1, Status(404))],
            500,
            "openstack_admin_role",
        ),
        Row {
            prepare: |services| services.state().roles.retain(|role| role != "role-bs-admin"),
            ..refused("7 role: there is none", Account, &[], 500, "billingstack_admin_role")
        },
        passes(
            "7 role: given, answer lost",
            Account,
            &[(GrantBillingAdmin, 1, DropAfter)],
            &[(GrantBillingAdmin, 2)],
        ),
        Row {
            prepare: |services| services.state().role_lag = 1,
            ..passes("8 token: 401 once", Account, &[], &[(SignInToTenant, 2)])
        },
        Row {
            prepare: |services| services.state().role_lag = 2,
            ..refused("8 token: 401 twice", Account, &[], 500, UNDONE)
        },
        passes("nothing goes wrong", Order, &[], &[(CreateSubscription, 1)]),
        passes(
            "9 subscription: made, answer lost",
            Order,
            &[(CreateSubscription, 1, DropAfter)],
            &[(CreateSubscription, 1)],
        ),
        passes(
            "9 subscription: made, then 500",
            Order,
            &[(CreateSubscription, 1, FailedAfter)],
            &[(CreateSubscription, 1)],
        ),
        passes(
            "9 subscription: made, no id",
            Order,
            &[(CreateSubscription, 1, WildId)],
            &[(CreateSubscription, 1)],
        ),
        passes(
            "9 subscription: not made",
            Order,
            &[(CreateSubscription, 1, DropBefore)],
            &[(CreateSubscription, 2)],
        ),
        refused(
            "9 subscription: 422",
            Order,
            &[(CreateSubscription, 1, Status(422))],
            400,
            "does not take",
        ),
        passes(
            "10 tenant: made, answer lost",
            Order,
            &[(CreateSubscriptionTenant, 1, DropAfter)],
            &[(CreateSubscriptionTenant, 1)],
        ),
        passes(
            "10 tenant: 500 twice",
            Order,
            &[(CreateSubscriptionTenant, 2, Status(500))],
            &[(CreateSubscriptionTenant, 3)],
        ),
        refused(
            "10 tenant: 500 three times",
            Order,
            &[(CreateSubscriptionTenant, 3, Status(500))],
            500,
            UNDONE,
        ),
        passes(
            "11 role: given, answer lost",
            Order,
            &[(GrantSubscriptionAdmin, 1, DropAfter)],
            &[(GrantSubscriptionAdmin, 2)],
        ),
        refused("11 role: 404", Order, &[(GrantSubscriptionAdmin, 1, Status(404))], 500, UNDONE),
        passes(
            "12 resource: set, answer lost",
            Order,
            &[(SetResource, 1, DropAfter)],
            &[(SetResource, 2)],
        ),
        refused(
            "12 resource: the subscription has gone",
            Order,
            &[(SetResource, 1, Status(404))],
            500,
            UNDONE,
        ),
        passes(
            "12 resource: 500 twice",
            Order,
            &[(SetResource, 2, Status(500))],
            &[(SetResource, 3)],
        ),
        // Each of these is asked for three times in a run, and then in another.
        refused(
            "10 tenant, and the undo: BillingStack is away for a while",
            Order,
            &[(CreateSubscriptionTenant, 0, Status(500)), (DeleteSubscription, 3, DropBefore)],
            500,
            UNDONE,
        ),
        refused(
            "8 token, and the undo: both are away for a while",
            Account,
            &[
                (SignInToTenant, 0, Status(401)),
                (DeleteCustomer, 3, Status(500)),
                (DeleteUser, 3, DropBefore),
            ],
            500,
            UNDONE,
        ),
        Row {
            left: [0, 0, 0, 1],
            ..refused(
                "10 tenant, and the undo: BillingStack lets nobody delete",
                Order,
                &[(CreateSubscriptionTenant, 0, Status(500)), (DeleteSubscription, 0, Status(403))],
                500,
                "Left behind",
            )
        },
        Row {
            left: [1, 1, 0, 0],
            ..refused(
                "8 token, and the undo: all but the tenant stays",
                Account,
                &[
                    (SignInToTenant, 0, Status(401)),
                    (DeleteCustomer, 0, Status(403)),
                    (DeleteUser, 0, Status(403)),
                ],
                500,
                "Left behind",
            )
        },
    ]
}

#[test]
fn every_row_ends_as_it_has_to() {
    for paths in [Paths::Document, Paths::Services] {
        let scene = Scene::start(paths);
        for row in rows() {
            check(&scene, &row);
        }
        an_e_mail_address_of_somebody_else_is_refused_and_nothing_is_made(&scene);
        let log = scene.host.log();
        for secret in ["password-canary", "secret-canary", "keystone-admin-canary", "token-canary"]
        {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    }
}

fn check(scene: &Scene, row: &Row) {
    let (path, body, before) = match row.flow {
        Account => {
            scene.fresh();
            ("/account", sign_up(), NOTHING)
        }
        Order => {
            let (_, _, account) = scene.furnished();
            ("/resource", order(&account, 3), AN_ACCOUNT)
        }
    };
    let services = &scene.services;
    (row.prepare)(services);
    for (step, count, fault) in row.faults {
        services.fail_at(*step, 1, *count, *fault);
    }
    let client = match row.flow {
        Account => scene.client.with("Idempotency-Key", &unique("key")),
        Order => scene.client.clone(),
    };
    // Where what was made cannot be deleted yet, the host goes on with that.
    let answer = eventually("the end", Duration::from_secs(30), || {
        let answer = client.post(path, &body);
        (!answer.text.contains("It is being undone")).then_some(answer)
    });
    let shown = format!("{:?}, {}: {}", row.flow, row.name, answer.text);
    assert_eq!(answer.status, row.status, "{shown}");
    assert!(answer.error().contains(row.says), "{shown}");
    let counts = services.state().counts();
    let left: Vec<usize> = counts.iter().zip(before).map(|(now, before)| now - before).collect();
    assert_eq!(left, row.left, "{shown}");
    for (step, count) in row.calls {
        assert_eq!(services.count(*step), *count, "{step:?} of {shown}");
    }
    if row.status == 200 {
        check_made(services, row.flow, &shown);
    } else {
        check_told(services, &answer, &shown);
    }
    // The same again does nothing, and answers the same.
    services.calm();
    let again = client.post(path, &body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{shown}");
    assert_eq!((again.status, &again.json), (answer.status, &answer.json), "{shown}");
    assert!(services.steps().is_empty(), "{shown}");
}

/// Each thing once, with its name, its roles and its resource.
fn check_made(services: &Services, flow: Flow, shown: &str) {
    let state = services.state();
    let (customer, _) = state.customers.iter().find(|(id, _)| *id != "c-stranger").unwrap();
    let (user, _) = state.users.iter().find(|(id, _)| *id != "u-nobody").unwrap();
    let named = |name: &str| {
        let mut all = state.tenants.iter();
        all.find(|(_, tenant)| tenant["name"] == name).map(|(id, _)| id.clone())
    };
    let tenant = named(&format!("bs-customer-{customer}")).expect(shown);
    let has = |tenant: &str, role: &str| {
        state.granted.contains(&(tenant.to_owned(), user.clone(), role.to_owned()))
    };
    assert!(has(&tenant, "role-admin") && has(&tenant, "role-bs-admin"), "{shown}");
    if flow == Order {
        let (id, subscription) = state.subscriptions.iter().next().unwrap();
        let tenant = named(&format!("bs-subscription-{id}")).expect(shown);
        assert!(has(&tenant, "role-admin"), "{shown}");
        assert_eq!(subscription["resource_id"], tenant.as_str(), "{shown}");
        assert_eq!(subscription["customer_id"], customer.as_str(), "{shown}");
    }
}

/// What is left is named, and nothing else.
fn check_told(services: &Services, answer: &cnsp_tests::client::Answer, shown: &str) {
    let orphans = answer.body()["orphans"].as_array().cloned().unwrap_or_default();
    let state = services.state();
    let all = [&state.users, &state.customers, &state.subscriptions, &state.tenants];
    let ids: Vec<&String> = all.iter().flat_map(|things| things.keys()).collect();
    for orphan in &orphans {
        let what = orphan.as_str().expect(shown);
        let named = ids.iter().any(|id| what.contains(id.as_str()));
        assert!(named && answer.error().contains(what), "{what} of {shown}");
    }
    let says = answer.error().contains("Left behind");
    assert_eq!(says, !orphans.is_empty(), "{shown}");
    assert!(!answer.text.contains("canary"), "{shown}");
}

fn an_e_mail_address_of_somebody_else_is_refused_and_nothing_is_made(scene: &Scene) {
    let (services, client) = scene.fresh();
    let mut body = sign_up();
    body["userinfo"]["email"] = json!("taken@example.com");
    let refused = client.post("/account", &body);
    assert_eq!(
        (refused.status, refused.error(), refused.message()),
        (400, "User with email address already exists.", "Account creation failed")
    );
    // Also when nobody knows whether it was ours that was made.
    services.fail(Step::CreateUser, Fault::DropBefore);
    let refused = client.post("/account", &body);
    assert_eq!((refused.status, services.state().counts()), (400, NOTHING));
    let account = client.new_account();
    let user = cnsp_tests::bodies::user(&account, "taken@example.com");
    let refused = client.post("/account/user", &user);
    assert_eq!((refused.status, refused.error()), (400, "The email address already exists"));
    assert!(services.state().users.contains_key("u-nobody"));
    assert_eq!(services.state().counts(), AN_ACCOUNT);
}
