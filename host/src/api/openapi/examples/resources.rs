//! Resources.

use super::{Examples, requestor};
use crate::error::ErrorCode;
use crate::model::OperationKind as K;
use serde_json::{Value, json};

const NOT_THIS: &str = "The user is not authorized to perform this operation.";
const NOT_AUTHORIZED: &str = "The user is not authorized.";

pub(super) fn all() -> Vec<Examples> {
    vec![create_resource(), update_resource(), delete_resource(), get_resource()]
}

fn ids() -> Value {
    json!({"providerinstanceid": "ins-77aa01"})
}

fn create_resource() -> Examples {
    let request = json!({
        "requestid": "req-2026-0001",
        "action": "create",
        "resource": {"type": "saas"},
        "parameters": {
            "sku": "docs-team",
            "licenseQuantity": 25,
            "customoption1": {"title": "Region", "value": "eu-west"},
            "customoption2": {"title": "Support", "value": "standard"},
            "additionalparameters": {"domain": "engines.example.com"},
        },
        "requestor": {
            "accountid": "C-1001",
            "userid": "usr-91b3",
            "provideraccountid": "acc-5f0c2a",
            "accountname": "Analytical Engines Ltd",
        },
    });
    let created = json!({
        "providerinstanceid": "ins-77aa01",
        "username": "ada@example.com",
        "password": "h4Rt-8xNc-1sBq",
        "respparam1": {"label": "Sign-in page", "value": "https://docs.example.com/engines"},
        "respparam2": {"label": "Support PIN", "value": "60417"},
        "status": "active",
    });
    Examples::of("create_resource", K::CreateResource)
        .request("create", K::CreateResource, "25 licences of a product", request)
        .done("created", K::CreateResource, "The resource can be used", created)
        .refused("not_authorized", K::CreateResource, 403, NOT_THIS)
}

fn update_resource() -> Examples {
    let update = json!({
        "requestId": "req-2026-0002",
        "action": "update",
        "resource": {"type": "saas"},
        "instanceinfo": {"providerinstanceid": "ins-77aa01"},
        "parameters": {"license": 40, "customparam1": "eu-west", "customparam2": "premium"},
        "additionalparameters": {"domain": "engines.example.com"},
        "requestor": requestor(),
    });
    let act = |request_id: &str, action: &str| {
        json!({
            "requestId": request_id,
            "action": action,
            "resource": {"type": "saas"},
            "instanceinfo": {"providerinstanceid": "ins-77aa01"},
            "additionalparameters": {"reason": "invoice overdue"},
            "requestor": requestor(),
        })
    };
    let suspend = act("req-2026-0003", "update.suspend");
    let reactivate = act("req-2026-0004", "update.reactivate");
    let unknown = "The action `explode` is not known. Known are: create, delete, update, update.reactivate, update.suspend.";
    Examples::of("update_resource", K::UpdateResource)
        .request("licences", K::UpdateResource, "Change the number of licences", update)
        .request("suspend", K::SuspendResource, "Suspend", suspend)
        .request("reactivate", K::ReactivateResource, "Reactivate", reactivate)
        .done("licences", K::UpdateResource, "The resource is changed", ids())
        .done(
            "suspended",
            K::SuspendResource,
            "Suspended; `respcode` is 204 and HTTP says 200",
            ids(),
        )
        .done(
            "reactivated",
            K::ReactivateResource,
            "Usable again; `respcode` is 204 and HTTP says 200",
            ids(),
        )
        .refused("not_authorized", K::UpdateResource, 500, NOT_AUTHORIZED)
        .refused_with("no_such_resource", K::SuspendResource, 404, "Resource not found", ids())
        .error("UNKNOWN_ACTION", K::ActOnResource, ErrorCode::InvalidRequest, unknown)
}

fn delete_resource() -> Examples {
    let request = json!({
        "requestId": "req-2026-0005",
        "action": "delete",
        "instanceinfo": {"providerinstanceid": "ins-77aa01"},
        "requestor": {"provideraccountid": "acc-5f0c2a", "provideruserid": "u-91b3"},
    });
    Examples::of("delete_resource", K::DeleteResource)
        .request("delete", K::DeleteResource, "One resource", request)
        .done("deleted", K::DeleteResource, "The resource is gone", ids())
        .refused("not_authorized", K::DeleteResource, 500, NOT_AUTHORIZED)
}

fn get_resource() -> Examples {
    let found = json!({
        "resource": {"type": "saas"},
        "parameters": {
            "providerinstanceid": "ins-77aa01",
            "instancename": "Docs for Analytical Engines",
            "license": 25,
            "customparam1": "eu-west",
            "customparam2": "standard",
            "status": "active",
            "startdate": "2016-08-01T00:00:00+00:00",
            "enddate": "2017-08-01T00:00:00+00:00",
        },
        "additionalparameters": {"domain": "engines.example.com"},
    });
    let listed = |id: &str, name: &str, license: u32| {
        json!({
            "resource": {"type": "saas"},
            "parameters": {"providerinstanceid": id, "instancename": name, "license": license},
            "additionalparameters": {"domain": "engines.example.com"},
        })
    };
    let resources = json!({"resources": [
        listed("ins-77aa01", "Docs for Analytical Engines", 25),
        listed("ins-77aa02", "Mail for Analytical Engines", 10),
    ]});
    let both = "`C-1001` is an instance and an account: say which with `?kind=instance` or `?kind=account`.";
    Examples::of("get_resource", K::GetResource)
        .done("resource", K::GetResource, "The id is an instance's", json!({"resourceinfo": found}))
        .done("resources", K::ListResources, "The id is an account's", resources)
        .refused("not_authorized", K::GetResource, 403, NOT_THIS)
        .error("AMBIGUOUS_KIND", K::GetResource, ErrorCode::Ambiguous, both)
}
