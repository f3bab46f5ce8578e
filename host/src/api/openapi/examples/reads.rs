//! What changes nothing: the catalog, usage, discovery and health.

use super::Examples;
use crate::error::ErrorCode;
use crate::model::OperationKind as K;
use serde_json::{Value, json};

const NOT_AUTHORIZED: &str = "The user is not authorized.";
const START: &str = "2016-08-01T00:00:00+00:00";
const END: &str = "2016-09-01T00:00:00+00:00";

pub(super) fn all() -> Vec<Examples> {
    vec![list_catalog(), get_usage(), describe(), check_health(), check_resource_health()]
}

fn from(endpoint: &str, mut item: Value) -> Value {
    if let Value::Object(members) = &mut item {
        members.insert("endpoint".to_owned(), Value::from(endpoint));
    }
    item
}

fn price(amount: &str) -> Value {
    json!({
        "billingperiodfrequency": 1,
        "billingperiodunit": "month",
        "chargetype": "recurring",
        "tierpricing": [{
            "sequencenumber": 1,
            "startingvalue": 0,
            "endingvalue": null,
            "chargeamount": amount,
            "chargeamountunit": "/mo",
            "currencycode": "usd",
            "isdefault": 1,
            "isenabled": 1,
        }],
    })
}

fn offering() -> Value {
    json!({
        "resource": {
            "type": "saas",
            "fulfillmenttype": "automatic",
            "vendor": "Acme Docs",
            "region": "eu-west",
            "isaccountrequired": true,
        },
        "parameters": {
            "sku": "docs-team",
            "name": "Acme Docs Team",
            "description": "<p>Documents for a <b>whole team</b>.</p>",
            "shortdescription": "Documents for a whole team",
            "category": "Productivity",
            "setproductasnew": {"fromdate": "2016-08-01", "todate": "2016-10-01"},
            "metatitle": "Acme Docs Team",
            "metakeywords": "documents, team",
            "metadescription": "Write together",
            "saasurl": "https://docs.example.com",
            "faqurl": "https://docs.example.com/faq",
            "minpurchasequantity": "1",
            "maxpurchasequantity": "500",
            "autorenew": true,
            "plantype": "monthly",
            "isenabled": true,
        },
        "additionalparameters": {"trialdays": "30"},
        "chargeattributes": [{
            "chargeid": "docs-team-users",
            "chargename": "Users",
            "description": "Per user charge details",
            "subscriptionserviceterm": {
                "costprice": price("6.00"),
                "sellprice": price("9.00"),
                "erpprice": price("10.00"),
            },
        }],
    })
}

fn list_catalog() -> Examples {
    let one = json!({"resources": [offering()]});
    let all = json!({
        "resources": [from("acme", offering())],
        "partial": [{
            "endpoint": "globex",
            "respcode": 403,
            "message": "The user is not authorized. Unable to retrieve catalogue",
            "errormessage": NOT_AUTHORIZED,
        }],
    });
    Examples::of("list_catalog", K::ListCatalog)
        .done("one_endpoint", K::ListCatalog, "What one endpoint sells", one)
        .done("all_endpoints", K::ListCatalog, "Of all endpoints, one of which failed", all)
        .refused("not_authorized", K::ListCatalog, 403, NOT_AUTHORIZED)
}

fn record(instance: &str, quantity: u32) -> Value {
    json!({
        "instanceid": instance,
        "chargeid": "docs-team-users",
        "usage_start_time": START,
        "usage_end_time": END,
        "object_type": "UsageRecord",
        "meter_name": "Users",
        "meter_region": "eu-west",
        "meter_category": "Productivity",
        "unit": "/mo",
        "info_fields": {"plan": "team"},
        "quantity": quantity,
    })
}

fn feed(records: &[Value]) -> Value {
    json!({
        "accountid": "C-1001",
        "usage_start_time": START,
        "usage_end_time": END,
        "usagefeed": records,
        "partial": false,
    })
}

fn get_usage() -> Examples {
    let of = |subscription: &str, mut record: Value| {
        if let Value::Object(members) = &mut record {
            members.insert("subscriptionid".to_owned(), Value::from(subscription));
        }
        record
    };
    let account =
        [of("sub-3001", record("ins-77aa01", 25)), of("sub-3002", record("ins-77aa02", 10))];
    let subscription =
        [of("sub-3001", record("ins-77aa01", 25)), of("sub-3001", record("ins-77aa03", 5))];
    let code = json!({"errorcode": "BZSSS1452E"});
    let both = "`C-1001` is more than one thing (subscription, account): say which with `?kind=`.";
    let many = "The usage has more than 50000 records, or too large ones: ask for a shorter window, or for pages with `?limit=`.";
    Examples::of("get_usage", K::Usage)
        .done("account", K::Usage, "The id is an account's", feed(&account))
        .done("subscription", K::Usage, "The id is a subscription's", feed(&subscription))
        .done("instance", K::Usage, "The id is an instance's", feed(&[record("ins-77aa01", 25)]))
        .refused("not_authorized", K::Usage, 403, NOT_AUTHORIZED)
        .refused_with("with_a_code", K::Usage, 403, NOT_AUTHORIZED, code)
        .error("AMBIGUOUS_KIND", K::Usage, ErrorCode::Ambiguous, both)
        .error("TOO_LARGE", K::Usage, ErrorCode::TooLarge, many)
}

fn artifact() -> Value {
    json!({
        "type": "saas",
        "states": ["pending", "active", "suspended", "cancel"],
        "actions": ["create", "update", "update.suspend", "update.reactivate", "delete", "assign", "revoke"],
    })
}

fn describe() -> Examples {
    let capabilities =
        json!(["account.create", "resource.create", "resource.suspend", "user.assign"]);
    let one = json!({"spversion": "2.4", "resources": [artifact()], "capabilities": capabilities});
    let all = json!({
        "resources": [from("acme", artifact())],
        "endpoints": [{"endpoint": "acme", "spversion": "2.4", "capabilities": capabilities}],
    });
    Examples::of("describe", K::Describe)
        .done("one_endpoint", K::Describe, "What one endpoint offers", one)
        .done("all_endpoints", K::Describe, "What all endpoints offer", all)
}

fn check(name: &str) -> Value {
    json!({"name": name, "healthy": true, "detail": "answered in 41 ms"})
}

fn check_health() -> Examples {
    let one = json!({"status": "ok", "checks": [check("api"), check("docs-team")]});
    let all = json!({
        "status": "degraded",
        "checks": [from("acme", check("api"))],
        "partial": [{
            "endpoint": "globex",
            "respcode": 504,
            "message": "Health retrieval failed",
            "errormessage": "The provider's adapter at endpoint `globex` did not answer health.check within 30s.",
        }],
    });
    Examples::of("check_health", K::CheckHealth)
        .done("one_endpoint", K::CheckHealth, "The health of one endpoint", one)
        .done("all_endpoints", K::CheckHealth, "Of all endpoints, one of which failed", all)
}

fn check_resource_health() -> Examples {
    let one = json!({"status": "ok", "checks": [check("ins-77aa01")]});
    Examples::of("check_resource_health", K::CheckHealth).done(
        "resource",
        K::CheckHealth,
        "The health of one resource",
        one,
    )
}
