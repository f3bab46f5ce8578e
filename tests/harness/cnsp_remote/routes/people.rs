//! Accounts, users and seats.

use super::super::answer::Answer;
use super::{Ask, NOT_AUTHORIZED_TO, lay};
use serde_json::{Value, json};

impl Ask<'_> {
    pub(super) fn create_account(&mut self) -> Answer {
        let failed = |text| Answer::error(400, "errorMessage", text, "Account creation failed");
        let accountid = self.text("/accountid").unwrap_or_default();
        if self.account(&accountid).is_some() {
            return failed("The account exists already.");
        }
        let email = self.text("/userinfo/email");
        if email.is_some_and(|email| {
            self.state.users.iter().any(|user| user["email"] == email.as_str())
        }) {
            return failed("User with email address already exists.");
        }
        let id = self.state.mint("pa");
        let mut account = self.body.clone();
        account["provideraccountid"] = json!(id);
        account["additionalattributes"] = self.open("/additionalattributes");
        let user = account.as_object_mut().and_then(|members| members.remove("userinfo"));
        if let Some(mut user) = user {
            user.as_object_mut().and_then(|members| members.remove("password"));
            user["provideruserid"] = json!(self.state.mint("pu"));
            user["provideraccountid"] = json!(id);
            self.state.users.push(user);
        }
        self.state.accounts.push(account);
        Answer::success(
            json!({ "accountid": accountid, "provideraccountid": id }),
            "Account created successfully",
        )
    }

    pub(super) fn update_account(&mut self) -> Answer {
        let Some(at) = self.requestors_account() else {
            return Answer::error(
                404,
                "errormessage",
                "The account doesn't exist.",
                "Account updation failed",
            );
        };
        let attributes = self.open("/additionalattributes");
        let body = self.body.clone();
        let account = &mut self.state.accounts[at];
        lay(account, &body, &["requestor", "additionalattributes"]);
        lay(&mut account["additionalattributes"], &attributes, &[]);
        Answer::success(ids_of(account), "Account updated successfully")
    }

    pub(super) fn delete_account(&mut self) -> Answer {
        let Some(at) = self.requestors_account() else {
            return Answer::error(
                404,
                "errormessage",
                "The account doesn't exist.",
                "Account deletion failed",
            );
        };
        let account = self.state.accounts.remove(at);
        self.state.users.retain(|user| user["provideraccountid"] != account["provideraccountid"]);
        Answer::success(ids_of(&account), "Account deleted successfully")
    }

    pub(super) fn create_user(&mut self) -> Answer {
        let email = self.text("/email").unwrap_or_default();
        let failed = |code, text| Answer::error(code, "errormessage", text, "User creation failed");
        let Some(account) = self.requestors_account() else {
            return failed(404, "The account doesn't exist.");
        };
        if self.state.users.iter().any(|user| user["email"] == email.as_str()) {
            return failed(400, "The email address already exists");
        }
        let id = self.state.mint("pu");
        let mut user = self.body.clone();
        for key in ["password", "requestor"] {
            user.as_object_mut().and_then(|members| members.remove(key));
        }
        user["provideruserid"] = json!(id);
        user["provideraccountid"] = self.state.accounts[account]["provideraccountid"].clone();
        user["additionalattributes"] = self.open("/additionalattributes");
        self.state.users.push(user);
        Answer::with(
            201,
            json!({ "userid": id, "provideruserid": id }),
            "User created successfully",
        )
    }

    pub(super) fn update_user(&mut self) -> Answer {
        let Some(at) = self.requestors_user() else {
            return Answer::error(
                404,
                "errorMessage",
                "The user doesn't exist.",
                "User updation failed",
            );
        };
        let attributes = self.open("/additionalattributes");
        let body = self.body.clone();
        let user = &mut self.state.users[at];
        lay(user, &body, &["requestor", "additionalattributes"]);
        lay(&mut user["additionalattributes"], &attributes, &[]);
        let id = user["provideruserid"].clone();
        Answer::success(json!({ "userid": id, "provideruserid": id }), "User updated successfully")
    }

    pub(super) fn delete_user(&mut self) -> Answer {
        let Some(at) = self.requestors_user() else {
            return Answer::error(
                404,
                "errorMessage",
                "The user doesn't exist.",
                "User profile deletion failed",
            );
        };
        let user = self.state.users.remove(at);
        // As the sample has it: only this.
        Answer::success(
            json!({ "userid": user["provideruserid"] }),
            "User profile deleted successfully",
        )
    }

    pub(super) fn get_user(&mut self, id: &str) -> Answer {
        let shown = |user: &Value| {
            let mut user = user.clone();
            user.as_object_mut().and_then(|members| members.remove("provideraccountid"));
            user
        };
        if let Some(user) = self.state.users.iter().find(|user| user["provideruserid"] == id) {
            return Answer::success(
                json!({ "userinfo": shown(user) }),
                "User retrieved successfully",
            );
        }
        let Some(at) = self.account(id) else {
            return Answer::error(403, "errormessage", NOT_AUTHORIZED_TO, NOT_AUTHORIZED_TO);
        };
        let account = &self.state.accounts[at]["provideraccountid"];
        let users = self.state.users.iter().filter(|user| user["provideraccountid"] == *account);
        let users = users.map(shown).collect();
        self.listed("users", users, "Users retrieved successfully")
    }

    pub(super) fn change_seat(&mut self) -> Answer {
        let assign = self.text("/action").as_deref() == Some("assign");
        let failed = |code, text| {
            let message = match assign {
                true => "Entitling of subscription failed",
                false => "Revoking of the given subscription for the subscriber failed",
            };
            Answer::error(code, "errorMessage", text, message)
        };
        let (Some(user), Some(instance)) = (self.requestors_user(), self.instance()) else {
            return failed(403, NOT_AUTHORIZED_TO);
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let seat = (
            text(&self.state.resources[instance]["parameters"]["providerinstanceid"]),
            text(&self.state.users[user]["provideruserid"]),
        );
        let had = self.state.seats.contains(&seat);
        let done = json!({ "providerinstanceid": seat.0 });
        match (assign, had) {
            (true, true) => failed(404, "The subscriber already has a seat for the subscription."),
            (false, false) => failed(403, NOT_AUTHORIZED_TO),
            (true, false) => {
                self.state.seats.push(seat);
                Answer::success(done, "Subscription entitled successfully")
            }
            (false, true) => {
                self.state.seats.retain(|known| *known != seat);
                Answer::success(
                    done,
                    "The given subscription revoked successfully for the subscriber",
                )
            }
        }
    }
}

fn ids_of(account: &Value) -> Value {
    json!({ "accountid": account["accountid"], "provideraccountid": account["provideraccountid"] })
}
