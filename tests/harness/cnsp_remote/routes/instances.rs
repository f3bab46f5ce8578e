//! Instances and their usage.

use super::super::answer::Answer;
use super::offers::catalog;
use super::{Ask, NOT_AUTHORIZED_TO, lay};
use serde_json::{Value, json};

impl Ask<'_> {
    pub(super) fn create_resource(&mut self) -> Answer {
        let sku = self.text("/parameters/sku").unwrap_or_default();
        let Some(account) = self.requestors_account() else {
            return Answer::error(403, "errorMessage", NOT_AUTHORIZED_TO, NOT_AUTHORIZED_TO);
        };
        if !catalog().iter().any(|offering| offering["parameters"]["sku"] == sku.as_str()) {
            return Answer::error(
                400,
                "errorMessage",
                "There is no such sku.",
                "Resource creation failed",
            );
        }
        let id = self.state.mint("i");
        let subscription = id.replace("i-", "s-");
        let pending = self.switches.pending > 0;
        let status = if pending { "pending" } else { "active" };
        let mut resource = json!({
            "resource": self.body["resource"],
            "parameters": {
                "providerinstanceid": id, "instancename": format!("{sku} {id}"), "sku": sku,
                "license": self.body["parameters"]["licenseQuantity"], "status": status,
                "startdate": "2016-08-01T00:00:00+00:00", "subscriptionid": subscription,
            },
            "additionalparameters": self.open("/parameters/additionalparameters"),
            "provideraccountid": self.state.accounts[account]["provideraccountid"],
        });
        if let Some(option) = self.body["parameters"]["customoption1"].get("value") {
            resource["parameters"]["customparm1"] = option.clone();
        }
        self.state.resources.push(resource);
        let mut made = json!({
            "providerinstanceid": id, "subscriptionid": subscription, "username": format!("admin@{id}"),
            "respparam1": { "label": "Console", "value": format!("https://{id}.example/"), "order": 1.50 },
            "status": status,
        });
        match pending {
            true => drop(self.state.pending.insert(id, self.switches.pending)),
            false => made["password"] = json!("instance-password"),
        }
        Answer::success(made, "Resource created successfully")
    }

    pub(super) fn change_resource(&mut self) -> Answer {
        let action = self.text("/action").unwrap_or_default();
        let id = self.body["instanceinfo"]["providerinstanceid"].clone();
        let done = json!({ "providerinstanceid": id });
        let Some(at) = self.instance() else {
            let (code, text, message) = match action.as_str() {
                "update" => {
                    (500, "The user is not authorized.", "Resource details updation failed")
                }
                _ => (404, "Resource not found", "Suspension of resource failed"),
            };
            return Answer::error(code, "errorMessage", text, message)
                .and("providerinstanceid", id);
        };
        let additional = self.open("/additionalparameters");
        let parameters = self.body["parameters"].clone();
        let resource = &mut self.state.resources[at];
        lay(&mut resource["additionalparameters"], &additional, &[]);
        let wanted = match action.as_str() {
            "update" => {
                lay(&mut resource["parameters"], &parameters, &[]);
                return Answer::success(done, "Resource details updated successfully");
            }
            "update.rename" => {
                resource["parameters"]["instancename"] = parameters["instancename"].clone();
                return Answer::success(done, "Renamed");
            }
            "update.suspend" => "suspended",
            _ => "active",
        };
        if resource["parameters"]["status"] == wanted {
            let text = format!("The resource is {wanted} already.");
            return Answer::error(409, "errorMessage", &text, "Suspension of resource failed");
        }
        resource["parameters"]["status"] = json!(wanted);
        let message = match wanted {
            "suspended" => "Resource suspended successfully",
            _ => "Resource reactivated successfully",
        };
        Answer::with(204, done, message)
    }

    pub(super) fn delete_resource(&mut self) -> Answer {
        let Some(at) = self.instance() else {
            return Answer::error(
                500,
                "errorMessage",
                "The user is not authorized.",
                "Resource deletion failed",
            );
        };
        let resource = self.state.resources.remove(at);
        let id = resource["parameters"]["providerinstanceid"].clone();
        self.state.pending.remove(id.as_str().unwrap_or_default());
        Answer::success(json!({ "providerinstanceid": id }), "Resource deleted successfully")
    }

    pub(super) fn get_resource(&mut self, id: &str) -> Answer {
        let shown = |resource: &Value| {
            let mut resource = resource.clone();
            resource.as_object_mut().and_then(|members| members.remove("provideraccountid"));
            resource
        };
        if let Some(at) = self.resource(id) {
            let answer = shown(&self.state.resources[at]);
            // The next one who asks may find it ready.
            if let Some(left) = self.state.pending.get_mut(id) {
                *left -= 1;
                if *left == 0 {
                    self.state.pending.remove(id);
                    self.state.resources[at]["parameters"]["status"] = json!("active");
                }
            }
            let response = json!({ "resourceinfo": answer });
            return Answer::success(response, "Resource details retrieved successfully").nested();
        }
        let Some(at) = self.account(id) else {
            return Answer::error(404, "errorMessage", "Resource not found", "Resource not found");
        };
        let account = &self.state.accounts[at]["provideraccountid"];
        let resources =
            self.state.resources.iter().filter(|of| of["provideraccountid"] == *account);
        let resources = resources.map(shown).collect();
        self.listed("resources", resources, "Resources retrieved successfully")
    }

    /// A record of each instance, for the window that is asked for.
    pub(super) fn usage(&mut self, id: &str) -> Answer {
        let of = |name: &str, otherwise: &str| {
            let found = self.query.iter().find(|(key, _)| key == name);
            found.map_or(otherwise.to_owned(), |(_, value)| value.clone())
        };
        let start = of("usage_start_time", "2016-08-01T00:00:00+00:00");
        let end = of("usage_end_time", "2016-09-01T00:00:00+00:00");
        let account =
            self.account(id).map(|at| self.state.accounts[at]["provideraccountid"].clone());
        let by_instance = self.resource(id).is_some();
        let wanted = |resource: &&Value| {
            resource["parameters"]["providerinstanceid"] == id
                || resource["parameters"]["subscriptionid"] == id
                || account.as_ref() == Some(&resource["provideraccountid"])
        };
        let record = |resource: &Value| {
            let mut record = json!({
                "instanceid": resource["parameters"]["providerinstanceid"], "chargeid": "mail-users",
                "usage_start_time": start, "usage_end_time": end, "object_type": "UsageRecord",
                "meter_name": "Users", "meter_region": "eu", "meter_category": "licences", "unit": "/mo",
                "info_fields": { "rate": 4.50 }, "quantity": resource["parameters"]["license"],
            });
            if !by_instance {
                record["subscriptionid"] = resource["parameters"]["subscriptionid"].clone();
            }
            record
        };
        let records: Vec<Value> = self.state.resources.iter().filter(wanted).map(record).collect();
        if records.is_empty() && account.is_none() {
            return Answer::error(
                403,
                "errormessage",
                "The user is not authorized.",
                "The user is not authorized.",
            )
            .and("errorcode", json!("BZSSS1452E"));
        }
        let accountid = account
            .and_then(|_| self.account(id))
            .map(|at| self.state.accounts[at]["accountid"].clone());
        let mut feed =
            json!({ "usage_start_time": start, "usage_end_time": end, "usagefeed": records });
        if let Some(accountid) = accountid {
            feed["accountid"] = accountid;
        }
        Answer::success(feed, "Usage data retrieved successfully")
    }
}
