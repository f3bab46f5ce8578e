//! What it says about itself, and sells.

use super::super::answer::Answer;
use serde_json::{Value, json};

const STATES: [&str; 4] = ["pending", "active", "suspended", "cancel"];
const ACTIONS: [&str; 8] = [
    "create",
    "update",
    "update.suspend",
    "update.reactivate",
    "update.rename",
    "delete",
    "assign",
    "revoke",
];

pub(super) fn discovery() -> Answer {
    let artifact = json!({ "type": "saas", "states": STATES, "actions": ACTIONS, "quota": 1.50 });
    Answer::success(json!({ "spversion": "4.2", "resources": [artifact] }), "Discovered")
}

/// Two offerings, each with a price.
pub(super) fn catalog() -> Vec<Value> {
    let offering = |sku: &str, name: &str, amount: &str| {
        let tier = json!({
            "sequencenumber": 1, "startingvalue": 1, "endingvalue": null, "chargeamount": amount,
            "chargeamountunit": "/mo", "currencycode": "usd", "isdefault": 1, "isenabled": 1,
        });
        let price = json!({
            "billingperiodfrequency": 1, "billingperiodunit": "month", "chargetype": "recurring",
            "tierpricing": [tier],
        });
        json!({
            "resource": {
                "type": "saas", "fulfillmenttype": "automatic", "vendor": "Remote Ltd", "region": "eu",
                "isaccountrequired": true,
            },
            "parameters": {
                "sku": sku, "name": name, "description": "<p>Mail, for everybody.</p>",
                "minpurchasequantity": "1", "maxpurchasequantity": "500", "autorenew": true,
                "plantype": "monthly", "isenabled": true, "colour": "blue",
            },
            "additionalparameters": { "limits": [1.50, { "gb": 50 }] },
            "chargeattributes": [{
                "chargeid": "mail-users", "chargename": "Users", "description": "Per user",
                "subscriptionserviceterm": { "costprice": price, "sellprice": price, "erpprice": price },
            }],
        })
    };
    vec![offering("MAIL-S", "Mail", "4.00"), offering("MAIL-L", "Mail, large", "7.50")]
}
