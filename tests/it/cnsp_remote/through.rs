//! Host → this adapter → another real host → sandbox: what the first answers is what the second would.

use super::declare;
use cnsp_tests::bodies::{
    Account, Resource, User, account, action, deletion, requestor, resource, seat, user,
};
use cnsp_tests::client::{Answer, Client};
use cnsp_tests::host::Host;
use cnsp_tests::redact::shown;
use cnsp_tests::setup::SetupFolder;
use serde_json::{Value, json};

/// What a marketplace does in a customer's life, each call with its name.
fn life(client: &Client) -> Vec<(&'static str, Answer)> {
    let mut told = Vec::new();
    let mut tell = |name: &'static str, answer: Answer| {
        told.push((name, answer.clone()));
        answer
    };
    tell("discovery", client.get("/discovery"));
    tell("health", client.get("/health"));
    tell("catalogue", client.get("/catalog"));
    let made = tell("create account", client.post("/account", &account("C-1", "ada@example.com")));
    let owner = Account { accountid: "C-1".into(), id: made.text_of("provideraccountid") };
    tell("create it twice", client.post("/account", &account("C-1", "b@example.com")));
    tell("take an address twice", client.post("/account", &account("C-2", "ada@example.com")));
    tell("get account", client.get(&format!("/account/{}", owner.id)));
    tell("get account by our id", client.get("/account/C-1"));
    tell("get no account", client.get("/account/nobody"));
    tell("list accounts", client.get("/account"));
    let mut update = requestor(&owner);
    update["additionalattributes"] =
        json!({ "segment": "enterprise", "deep": { "list": [1, null] } });
    tell("update account", client.put("/account", &update));
    tell("get account after", client.get(&format!("/account/{}", owner.id)));

    let made =
        tell("create user", client.post("/account/user", &user(&owner, "grace@example.com")));
    let grace = User { id: made.text_of("provideruserid"), email: "grace@example.com".into() };
    tell("create user twice", client.post("/account/user", &user(&owner, "grace@example.com")));
    let mut update = requestor(&owner);
    update["requestor"]["userid"] = json!(grace.id);
    update["phone"] = json!("+1 206 555 0199");
    tell("update user", client.put("/account/user", &update));
    tell("get user", client.get(&format!("/account/user/{}", grace.id)));
    tell("list users", client.get(&format!("/account/user/{}", owner.id)));

    let mut order = resource(&owner, "order-1", "SANDBOX-CRM-PRO", 10);
    order["parameters"]["customoption1"] = json!({ "title": "Data region", "value": "us" });
    let made = tell("create resource", client.post("/resource", &order));
    tell("create resource again", client.post("/resource", &order));
    let crm = Resource {
        id: made.text_of("providerinstanceid"),
        subscription: made.text_of("subscriptionid"),
    };
    tell(
        "refused order",
        client.post("/resource", &resource(&owner, "order-2", "SANDBOX-REFUSED", 1)),
    );
    tell(
        "order too few",
        client.post("/resource", &resource(&owner, "order-3", "SANDBOX-CRM-PRO", 1)),
    );
    tell(
        "pending order",
        client.post("/resource", &resource(&owner, "order-4", "SANDBOX-PENDING", 1)),
    );
    tell("order nothing", client.post("/resource", &resource(&owner, "order-5", "NOTHING", 1)));
    tell("get resource", client.get(&format!("/resource/{}", crm.id)));
    tell("get no resource", client.get("/resource/nothing"));
    tell("list resources", client.get(&format!("/resource/{}", owner.id)));
    tell("health of it", client.get(&format!("/health/{}", crm.id)));
    let put = |body: &Value| client.put("/resource", body);
    let act = |name: &str, what: &str| action(&owner, name, &crm, what);
    let mut more = act("more-1", "update");
    more["parameters"] = json!({ "license": 12 });
    tell("update resource", put(&more));
    tell("suspend", put(&act("suspend-1", "update.suspend")));
    tell("suspend twice", put(&act("suspend-2", "update.suspend")));
    tell("reactivate", put(&act("reactivate-1", "update.reactivate")));
    let mut rename = act("rename-1", "update.rename");
    rename["parameters"] = json!({ "instancename": "Customers" });
    tell("rename", put(&rename));
    tell("dance", put(&act("dance-1", "update.dance")));
    tell("get resource after", client.get(&format!("/resource/{}", crm.id)));
    let seat = |what| client.put("/account/user/resource", &seat(&owner, what, &grace, &crm));
    tell("assign", seat("assign"));
    tell("assign twice", seat("assign"));
    tell("usage of the account", client.get(&format!("/billing/{}", owner.id)));
    tell("usage of the subscription", client.get(&format!("/billing/{}", crm.subscription)));
    tell("usage of the instance", client.get(&format!("/billing/{}", crm.id)));
    tell("revoke", seat("revoke"));
    tell("revoke twice", seat("revoke"));
    let of_user = json!({ "requestor": { "userid": grace.id } });
    tell("delete user", client.delete("/account/user", &of_user));
    tell("delete user twice", client.delete("/account/user", &of_user));
    tell("delete account too early", client.delete("/account", &requestor(&owner)));
    tell("delete resource", client.delete("/resource", &deletion(&owner, "end-1", &crm.id)));
    tell("get it after", client.get(&format!("/resource/{}", crm.id)));
    told
}

/// The sandbox lists by ids, which differ: by what they are of instead.
fn in_order(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    for (list, key) in
        [("users", "/email"), ("resources", "/parameters/sku"), ("usagefeed", "/chargeid")]
    {
        let items =
            answer.json["result"]["providerresponse"].get_mut(list).and_then(Value::as_array_mut);
        let key = |item: &Value| item.pointer(key).and_then(Value::as_str).map(str::to_owned);
        items.into_iter().for_each(|items| items.sort_by_key(key));
    }
    answer
}

#[test]
fn a_host_behind_a_host_answers_as_it_does_alone() {
    let (inner, outer) = (Host::start(), Host::start());
    // The same provider once more for each way to it, and once for those who come to the inner host themselves.
    let modes = ["all", "none"];
    let mut set_up = SetupFolder::default().endpoint("direct", "acme", &[], &[]);
    for mode in modes {
        set_up = set_up.endpoint(mode, "acme", &[], &[]);
    }
    inner.apply_right(set_up.path());
    let caller = inner.marketplace_credentials();
    let login = format!("{}:{}", caller.username, caller.password);
    let mut set_up = SetupFolder::default();
    for mode in modes {
        let url = format!("{}/endpoints/{mode}/apiv1", inner.url());
        set_up = declare(set_up, &outer, mode, &url, &login, &[("idempotency", mode)]);
    }
    outer.apply_right(set_up.path());

    let direct = life(&inner.marketplace().at("direct"));
    for mode in modes {
        let through = life(&outer.marketplace().at(mode));
        assert_eq!(through.len(), direct.len());
        for ((name, through), (_, direct)) in through.iter().zip(&direct) {
            assert_eq!(shown(&in_order(through)), shown(&in_order(direct)), "{mode}: {name}");
        }
    }
    // And the inner host has it all, as its own marketplace sees it.
    let account = inner.marketplace().at("all").get("/account/C-1").succeeded();
    let seen = outer.marketplace().at("all").get("/account/C-1").succeeded();
    assert_eq!(account.json, seen.json);
}
