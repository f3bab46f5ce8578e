//! What is only read: what CSA sells, who buys it, and how it is.

use super::{Scene, apply, patient, snapshot};
use crate::check;
use cnsp_tests::bodies::{self, Resource, User, seat};
use cnsp_tests::certificates::Identity;
use cnsp_tests::hp_csa::{LOGIN, Op};
use serde_json::json;

#[test]
fn organizations_persons_and_offerings_are_read_as_they_are() {
    let scene = Scene::start(patient(), "");
    everything_has_its_place(&scene);
    what_ldap_manages_is_refused(&scene);
    pages_have_everything_once(&scene);
    names_are_told_to_csa_as_they_are(&scene);
    a_certificate_or_a_password_of_somebody_else_is_told(&scene);
}

fn everything_has_its_place(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    check("hp_csa.get_discovery", &client.get("/discovery").succeeded());
    check("hp_csa.get_health", &client.get("/health").succeeded());
    check("hp_csa.get_catalog", &client.get("/catalog").succeeded());
    check("hp_csa.get_account", &client.get("/account").succeeded());
    let id = &customer.account.id;
    check("hp_csa.get_account_id", &client.get(&format!("/account/{id}")).succeeded());
    check("hp_csa.get_account_user", &client.get(&format!("/account/user/{id}")).succeeded());
    let user = client.get(&format!("/account/user/{}", customer.bob)).succeeded();
    check("hp_csa.get_account_user_id", &user);
    // Nothing that was asked has made or changed anything.
    assert!(csa.state().requests.iter().all(|(_, request)| request.method == "GET"));
    // CSA's own organization is nobody's account, and neither is what is not there.
    let own =
        csa.state().organizations.iter().find(|(_, one)| one.role == "PROVIDER").unwrap().0.clone();
    for id in [own.as_str(), "90d96588360da0c70000000000009999", "%2e%2e"] {
        assert_eq!(client.get(&format!("/account/{id}")).status, 404, "{id}");
        assert_eq!(client.get(&format!("/resource/{id}?kind=account")).status, 404, "{id}");
        assert_eq!(client.get(&format!("/billing/{id}?kind=account")).status, 404, "{id}");
    }
}

fn what_ldap_manages_is_refused(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let account = &customer.account;
    let refused = client.post("/account", &bodies::account("a-1", "a@example.com"));
    check("hp_csa.post_account.error", &refused);
    let mut user = bodies::user(account, "b@example.com");
    let requestor =
        json!({ "accountid": account.id, "provideraccountid": account.id, "userid": customer.ada });
    let answers = [
        refused,
        client.put("/account", &json!({ "accountname": "x", "requestor": requestor })),
        client.delete("/account", &json!({ "requestor": requestor })),
        client.post("/account/user", &user),
        {
            user["requestor"] = requestor.clone();
            client.put("/account/user", &json!({ "firstname": "x", "requestor": requestor }))
        },
        client.delete("/account/user", &json!({ "requestor": requestor })),
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (400, "MANAGED_IN_LDAP"), "{}", answer.text);
    }
    let of = Resource { id: "x".to_owned(), subscription: String::new() };
    let user = User { id: customer.ada.clone(), email: String::new() };
    let seat = client.put("/account/user/resource", &seat(account, "assign", &user, &of));
    assert_eq!(seat.status, 501, "{}", seat.text);
    assert_eq!(csa.asked(), []);
}

fn pages_have_everything_once(scene: &Scene) {
    let (_, client, customer) = scene.fresh();
    for path in ["/catalog", &format!("/account/user/{}", customer.account.id), "/account"] {
        let all = client.get(path).succeeded().body().clone();
        let list = all.as_object().unwrap().values().find_map(|value| value.as_array()).unwrap();
        let mut found = Vec::new();
        let mut query = "?limit=1".to_owned();
        loop {
            let page = client.get(&format!("{path}{query}")).succeeded();
            let items =
                page.body().as_object().unwrap().values().find_map(|value| value.as_array());
            found.extend(items.unwrap().clone());
            let Some(link) = page.header("link") else { break };
            query = format!("?{}", link.split_once('?').unwrap().1.split('>').next().unwrap());
        }
        assert!(found == *list && found.len() >= 2, "{path}: {found:?}");
    }
    let wrong = client.get("/account?limit=1&after=%2F");
    assert!(wrong.status == 400 && wrong.error().contains("`after`"), "{}", wrong.text);
}

fn names_are_told_to_csa_as_they_are(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    // A slash in a name needs another path, and everything after a full stop is cut without a slash at the end.
    for name in ["emea/carol", "emea\\dave", "erin.o'neil & co"] {
        csa.state().ldap.push((customer.account.id.clone(), name.to_owned()));
        let before = csa.state().persons.len();
        let mut body = super::order(&customer);
        body["requestor"]["userid"] = json!(name);
        client.post("/resource", &body).succeeded();
        // The first login has made a person of the user.
        assert_eq!(csa.state().persons.len(), before + 1, "{name}");
    }
    let logins: Vec<String> = {
        let state = csa.state();
        state
            .requests
            .iter()
            .filter(|(op, _)| *op == Op::Login)
            .map(|(_, got)| got.path.clone())
            .collect()
    };
    assert!(
        logins.iter().any(|path| path.ends_with("/userLookup?userName=emea%2Fcarol")),
        "{logins:?}"
    );
    assert!(logins.iter().any(|path| path.ends_with("/erin.o%27neil%20%26%20co/")), "{logins:?}");
    assert!(
        logins.iter().all(|path| path.ends_with('/') || path.contains("userLookup?")),
        "{logins:?}"
    );
}

fn a_certificate_or_a_password_of_somebody_else_is_told(scene: &Scene) {
    let (csa, client, customer) = scene.fresh();
    let down = |pem: &str, login: &str, config: &str, text: &str| {
        apply(&scene.host, csa, pem, login, &format!("{}, {config}", super::QUICK));
        let health = client.get("/health").succeeded();
        assert_eq!(health.body()["status"], "down", "{}", health.text);
        assert!(health.text.contains(text), "{text}: {}", health.text);
        assert!(!health.text.contains("canary"), "{}", health.text);
    };
    let (own, other) = (csa.identity().pem().to_owned(), Identity::self_signed(&["127.0.0.1"]));
    down(other.pem(), LOGIN, "", "cannot be reached");
    down(&own, "csaTransportUser:wrong-canary", "", "own credentials");
    down(&own, LOGIN, "price_adjustment = \"maybe\"", "`price_adjustment`");
    apply(&scene.host, csa, &own, LOGIN, &format!("{}, proration = \"maybe\"", super::QUICK));
    let bill = client.get(&format!("/billing/{}", customer.account.id));
    assert!(bill.status == 500 && bill.error().contains("`proration`"), "{}", bill.text);
    apply(&scene.host, csa, &own, LOGIN, super::QUICK);
    snapshot(client, &customer).succeeded();
}
