//! Keystone v2.0: users, tenants, roles, and signing in. Tenants of customers and those of subscriptions may be reached
//! by different paths.

use crate::id::Id;
use crate::settings::{ADMIN_SECRET, Settings};
use crate::upstream::{Call, Refusal, Sent, Service, Trouble, encode};
use cnsp_sdk::Failure;
use cnsp_sdk::http::Request;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;

/// A user, as Keystone has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct KeystoneUser {
    pub(crate) id: Id,
    /// Which operation made it. Keystone keeps attributes that it does not know.
    #[serde(default)]
    cnspoperation: Option<String>,
}

/// A tenant.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) enabled: bool,
}

/// What a tenant is for, and so what it is called.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Customer(Id),
    Subscription(Id),
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "bs-customer-{id}"),
            Self::Subscription(id) => write!(f, "bs-subscription-{id}"),
        }
    }
}

/// Keystone, as an administrator.
pub(crate) struct Keystone<'a> {
    pub(crate) settings: &'a Settings,
}

/// Answers are wrapped: `{"user": {…}}`.
#[derive(Deserialize)]
struct UserAnswer {
    user: KeystoneUser,
}

#[derive(Deserialize)]
struct UsersAnswer {
    users: Vec<KeystoneUser>,
}

#[derive(Deserialize)]
struct TenantAnswer {
    tenant: Tenant,
}

#[derive(Deserialize)]
struct RolesAnswer {
    roles: Vec<Role>,
}

#[derive(Deserialize)]
struct Role {
    id: Id,
}

impl Keystone<'_> {
    fn call(&self, method: &str, url: String) -> Call {
        let request = Request::new(method, url)
            .header("Accept", "application/json")
            .header("X-Auth-Token", format!("{{{{secret:{ADMIN_SECRET}}}}}"));
        let request = match self.settings.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        };
        Call { service: Service::Keystone, request, secret: false }
    }

    fn with_body(&self, method: &str, url: String, body: &Value) -> Result<Call, Failure> {
        let mut call = self.call(method, url);
        call.request = call.request.json(body)?;
        Ok(call)
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.settings.keystone)
    }

    /// Step 1. A user is ours when this operation has made it, whatever its name.
    pub(crate) fn create_user(
        &self,
        email: &str,
        password: &str,
        operation: &str,
    ) -> Result<KeystoneUser, Trouble> {
        let mut user = json!({
            "name": email,
            "email": email,
            "enabled": true,
            "cnspoperation": operation,
        });
        if let Some(user) = user.as_object_mut() {
            user.insert(self.settings.password_key.clone(), password.into());
        }
        let mut call = self.with_body("POST", self.at("users"), &json!({ "user": user }))?;
        call.secret = true;
        let made: UserAnswer = call.make(&format!("the user {email}"), || {
            let found =
                self.call("GET", self.at(&format!("users?name={}", encode(email)))).find()?;
            let is_ours =
                |answer: &UserAnswer| answer.user.cnspoperation.as_deref() == Some(operation);
            Ok(found.filter(is_ours))
        })?;
        Ok(made.user)
    }

    /// Sets the password of a user that a run before has made with one that nobody knows any more.
    pub(crate) fn set_password(&self, user: &Id, password: &str) -> Result<(), Failure> {
        let body = json!({ "user": { "id": user, "password": password } });
        let url = self.at(&format!("users/{user}/OS-KSADM/password"));
        let mut call = self.with_body("PUT", url, &body)?;
        call.secret = true;
        call.set().map(drop).map_err(|refusal| refusal.failure)
    }

    pub(crate) fn user(&self, user: &Id) -> Result<Option<KeystoneUser>, Failure> {
        let found: Option<UserAnswer> =
            self.call("GET", self.at(&format!("users/{user}"))).find()?;
        Ok(found.map(|answer| answer.user))
    }

    pub(crate) fn delete_user(&self, user: &Id) -> Result<(), Failure> {
        self.call("DELETE", self.at(&format!("users/{user}"))).delete()
    }

    /// Steps 2 and 8: whether the user can sign in, to no tenant or to this one. The token is for nobody, so asking
    /// for it changes nothing.
    pub(crate) fn sign_in(
        &self,
        email: &str,
        password: &str,
        tenant: Option<&Id>,
    ) -> Result<(), Refusal> {
        let mut auth =
            json!({ "passwordCredentials": { "username": email, "password": password } });
        if let (Some(auth), Some(tenant)) = (auth.as_object_mut(), tenant) {
            auth.insert("tenantId".to_owned(), tenant.as_str().into());
        }
        let request = Request::post(self.at("tokens"))
            .header("Accept", "application/json")
            .effect(false)
            .json(&json!({ "auth": auth }));
        let request = request
            .map_err(|error| Refusal { status: None, failure: error.into() })
            .map(|request| match self.settings.timeout {
                Some(timeout) => request.timeout(timeout),
                None => request,
            })?;
        let call = Call { service: Service::Keystone, request, secret: true };
        let response = match call.ask() {
            Sent::Done(response) => response,
            Sent::Refused(refusal) => return Err(refusal),
            Sent::Unknown(failure) => return Err(Refusal { status: None, failure }),
        };
        let token = call.read::<Value>(&response);
        match token {
            Ok(body) if body.pointer("/access/token/id").is_some() => Ok(()),
            Ok(_) => {
                let text =
                    "Keystone answered a sign-in without a token. Its vendor has to look at it.";
                Err(Refusal { status: None, failure: Failure::refused(502, text) })
            }
            Err(failure) => Err(Refusal { status: None, failure }),
        }
    }

    fn tenants(&self, purpose: &Purpose) -> String {
        match purpose {
            Purpose::Customer(_) => self.at("tenants"),
            Purpose::Subscription(_) => format!("{}/tenants", self.settings.subscription_tenants),
        }
    }

    /// Steps 5 and 10. One of that name is ours, since nothing else has the customer's or subscription's id.
    pub(crate) fn create_tenant(
        &self,
        purpose: &Purpose,
        operation: &str,
    ) -> Result<Tenant, Trouble> {
        let name = purpose.to_string();
        let body = json!({ "tenant": {
            "name": name,
            "description": format!("cnsp {operation}"),
            "enabled": true,
        } });
        let made: TenantAnswer = self.with_body("POST", self.tenants(purpose), &body)?.make(
            &format!("the tenant {name}"),
            || {
                let url = self.at(&format!("tenants?name={}", encode(&name)));
                let found: Option<TenantAnswer> = self.call("GET", url).find()?;
                // A disabled one was suspended, or shut by somebody: nothing to build on.
                Ok(found.filter(|answer| answer.tenant.name == name && answer.tenant.enabled))
            },
        )?;
        Ok(made.tenant)
    }

    pub(crate) fn tenant(&self, tenant: &Id) -> Result<Option<Tenant>, Failure> {
        let url = self.at(&format!("tenants/{tenant}"));
        let found: Option<TenantAnswer> = self.call("GET", url).find()?;
        Ok(found.map(|answer| answer.tenant))
    }

    /// Lets users in, or keeps them out.
    pub(crate) fn enable_tenant(&self, tenant: &Tenant, enabled: bool) -> Result<(), Refusal> {
        let body = json!({ "tenant": {
            "id": tenant.id,
            "name": tenant.name,
            "enabled": enabled,
        } });
        let url = self.at(&format!("tenants/{}", tenant.id));
        let call = self.with_body("POST", url, &body);
        call.map_err(|failure| Refusal { status: None, failure })?.set().map(drop)
    }

    pub(crate) fn delete_tenant(&self, tenant: &Id) -> Result<(), Failure> {
        self.call("DELETE", self.at(&format!("tenants/{tenant}"))).delete()
    }

    fn role(&self, method: &str, purpose: &Purpose, tenant: &Id, user: &Id, role: &Id) -> Call {
        let path = match purpose {
            Purpose::Customer(_) => &self.settings.account_role_path,
            Purpose::Subscription(_) => &self.settings.subscription_role_path,
        };
        let tenants = self.tenants(purpose);
        self.call(method, format!("{tenants}/{tenant}/users/{user}/{path}/{role}"))
    }

    /// Steps 6, 7 and 11. The same again changes nothing. `setting` names the role for whoever has to make it.
    pub(crate) fn grant(
        &self,
        purpose: &Purpose,
        tenant: &Id,
        user: &Id,
        role: &Id,
        setting: &str,
    ) -> Result<(), Failure> {
        match self.role("PUT", purpose, tenant, user, role).set() {
            Ok(_) => Ok(()),
            Err(Refusal { status: Some(404), .. }) => {
                let text = format!(
                    "Keystone does not know the role {role} of the setting `{setting}`, or no longer the user or the \
                     tenant that it is for. The role is a prerequisite: its vendor has to create it, and to set its id."
                );
                Err(Failure::refused(500, text))
            }
            Err(refusal) => Err(refusal.failure),
        }
    }

    pub(crate) fn take_role(
        &self,
        purpose: &Purpose,
        tenant: &Id,
        user: &Id,
        role: &Id,
    ) -> Result<(), Failure> {
        self.role("DELETE", purpose, tenant, user, role).delete()
    }

    /// Whether the user has the role there.
    pub(crate) fn has_role(&self, tenant: &Id, user: &Id, role: &Id) -> Result<bool, Failure> {
        let url = self.at(&format!("tenants/{tenant}/users/{user}/roles"));
        let found: Option<RolesAnswer> = self.call("GET", url).find()?;
        Ok(found.is_some_and(|answer| answer.roles.iter().any(|known| known.id == *role)))
    }

    /// The users who have any role there.
    pub(crate) fn users_of(&self, tenant: &Id) -> Result<Vec<Id>, Failure> {
        let url = self.at(&format!("tenants/{tenant}/users"));
        let found: Option<UsersAnswer> = self.call("GET", url).find()?;
        let users = found.map_or_else(Vec::new, |answer| answer.users);
        Ok(users.into_iter().map(|user| user.id).collect())
    }

    /// Every role there is. A failure tells how Keystone is.
    pub(crate) fn roles(&self) -> Result<Vec<Id>, Failure> {
        let found: RolesAnswer = self.call("GET", self.at("OS-KSADM/roles")).get()?;
        Ok(found.roles.into_iter().map(|role| role.id).collect())
    }
}

/// The first time that a role counts may be a moment after it was given.
pub(crate) fn is_too_early(sent: &Result<(), Refusal>) -> bool {
    matches!(sent, Err(Refusal { status: Some(401), .. }))
}

/// A first sign-in that is refused is about a user that we have made, and not about our own credentials.
pub(crate) fn not_let_in(refusal: Refusal, where_to: &str) -> Failure {
    match refusal.status {
        Some(401) => {
            let text = format!(
                "Keystone does not let the user that it has just made sign in{where_to}. Its vendor has to look at it."
            );
            Failure::refused(500, text)
        }
        _ => refusal.failure,
    }
}
