//! Whose usage it is: the ids of a usage document, in one of the two forms that Abacus's providers use.

use crate::check;
use cnsp_sdk::types::OpenMap;
use cnsp_sdk::{Failure, OpenMapExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a multi-tenant application writes where it has no id. Abacus's word: it goes nowhere else.
const NOT_APPLICABLE: &str = "na";
/// Before the guid of an application, where a consumer is one.
const APPLICATION: &str = "app:";

/// The consumer of a service, or the tenant of an application.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Consumer {
    /// A service instance that is consumed in a space of Cloud Foundry.
    Service { space: String, user: User, instance: String },
    /// A customer of a multi-tenant application, who need not have a space.
    Tenant,
}

/// What uses a service instance.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum User {
    /// An application, by its guid.
    Application(String),
    /// A service binding, by its guid, where there is no application: a service key.
    Binding(String),
}

/// What Abacus meters: two documents about the same target are about the same thing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Target {
    pub(crate) organization: String,
    /// Of the resource provider, as Abacus's service broker has made it.
    pub(crate) resource: String,
    /// The metering plan of the resource, not the plan of the service.
    pub(crate) plan: String,
    pub(crate) consumer: Consumer,
}

impl Consumer {
    /// Takes it out of what an order says. `own` is the instance's id where the order names no service instance.
    pub(crate) fn take(map: &mut OpenMap, own: &str) -> Result<Self, Failure> {
        let space = take(map, "spaceid")?;
        let application = take(map, "appid")?;
        let binding = take(map, "bindingid")?;
        let instance = take(map, "serviceinstanceid")?;
        let user = match (application, binding) {
            (None, None) => None,
            (Some(application), None) => Some(User::Application(application)),
            (None, Some(binding)) => Some(User::Binding(binding)),
            (Some(_), Some(_)) => {
                let text = "`appid` and `bindingid` are both there: a consumer is an application, or the service binding of a key where there is none. Send one.";
                return Err(Failure::invalid(text));
            }
        };
        match (space, user, instance) {
            (None, None, None) => Ok(Self::Tenant),
            (Some(space), Some(user), instance) => {
                let instance = instance.unwrap_or_else(|| own.to_owned());
                Ok(Self::Service { space, user, instance })
            }
            _ => {
                let text = "The consumer is mixed: either there are `spaceid` and one of `appid` and `bindingid` (and `serviceinstanceid`, if it is not the order's own), for a service instance in a space, or none of them, for a customer of a multi-tenant application.";
                Err(Failure::invalid(text))
            }
        }
    }

    pub(crate) fn space_id(&self) -> &str {
        match self {
            Self::Service { space, .. } => space,
            Self::Tenant => NOT_APPLICABLE,
        }
    }

    pub(crate) fn consumer_id(&self) -> String {
        match self {
            Self::Service { user: User::Application(guid), .. } => format!("{APPLICATION}{guid}"),
            Self::Service { user: User::Binding(guid), .. } => guid.clone(),
            Self::Tenant => NOT_APPLICABLE.to_owned(),
        }
    }

    fn resource_instance_id(&self) -> &str {
        match self {
            Self::Service { instance, .. } => instance,
            Self::Tenant => NOT_APPLICABLE,
        }
    }

    /// As the order said it, for whoever reads the instance.
    pub(crate) fn show(&self, map: &mut OpenMap) {
        let Self::Service { space, user, instance } = self else { return };
        map.put("spaceid", space);
        match user {
            User::Application(guid) => map.put("appid", guid),
            User::Binding(guid) => map.put("bindingid", guid),
        }
        map.put("serviceinstanceid", instance);
    }
}

impl Target {
    /// The members of a document or an event that say whose it is.
    pub(crate) fn members(&self) -> Map<String, Value> {
        let consumer = &self.consumer;
        let members = [
            ("organization_id", self.organization.clone()),
            ("space_id", consumer.space_id().to_owned()),
            ("consumer_id", consumer.consumer_id()),
            ("resource_id", self.resource.clone()),
            ("plan_id", self.plan.clone()),
            ("resource_instance_id", consumer.resource_instance_id().to_owned()),
        ];
        members.into_iter().map(|(key, id)| (key.to_owned(), Value::String(id))).collect()
    }
}

/// Takes an id out of a map. It is opaque, but for what would make the other form of it.
fn take(map: &mut OpenMap, key: &str) -> Result<Option<String>, Failure> {
    let Some(position) = map.iter().position(|(name, _)| name == key) else { return Ok(None) };
    let (_, json) = map.remove(position);
    let id: String = serde_json::from_str(&json)
        .map_err(|_| Failure::invalid(format!("`{key}` has to be a text.")))?;
    check::id(key, &id)?;
    if id.eq_ignore_ascii_case(NOT_APPLICABLE) {
        let text = format!(
            "`{key}` cannot be `{id}`: leave it out, with all that belongs to a space, for a customer of a multi-tenant application."
        );
        return Err(Failure::invalid(text));
    }
    if id.starts_with(APPLICATION) {
        let text = format!(
            "`{key}` begins with `{APPLICATION}`: send the guid alone, as `appid` where it is an application's."
        );
        return Err(Failure::invalid(text));
    }
    Ok(Some(id))
}

/// Whether an id of a report stands for none.
pub(crate) fn is_none(id: &str) -> bool {
    id == NOT_APPLICABLE
}
