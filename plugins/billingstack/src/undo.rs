//! What an operation has made, to be deleted again in reverse when it cannot go on.

use crate::billingstack::BillingStack;
use crate::id::Id;
use crate::keystone::Keystone;
use crate::settings::Settings;
use crate::upstream::Trouble;
use cnsp_sdk::{Failure, log};
use serde::Serialize;

/// Something that was made. Roles go with their tenant.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Thing {
    User {
        id: Id,
        name: String,
    },
    Customer {
        id: Id,
        name: String,
    },
    Tenant {
        id: Id,
        name: String,
    },
    Subscription {
        id: Id,
        name: String,
    },
    /// Of which nobody knows whether it is there: it has no id that is known.
    Perhaps {
        name: String,
    },
}

impl Thing {
    fn shown(&self) -> String {
        match self {
            Self::User { id, name } => format!("the user {name} ({id})"),
            Self::Customer { id, name } => format!("the customer {name} ({id})"),
            Self::Tenant { id, name } => format!("the tenant {name} ({id})"),
            Self::Subscription { id, name } => format!("the subscription {id} ({name})"),
            Self::Perhaps { name } => format!("perhaps {name}"),
        }
    }

    fn delete(&self, settings: &Settings) -> Result<(), Failure> {
        let (billingstack, keystone) = (BillingStack { settings }, Keystone { settings });
        match self {
            Self::User { id, .. } => keystone.delete_user(id),
            Self::Customer { id, .. } => billingstack.delete_customer(id),
            Self::Tenant { id, .. } => keystone.delete_tenant(id),
            Self::Subscription { id, .. } => billingstack.delete_subscription(id),
            Self::Perhaps { .. } => Err(Failure::refused(500, "It has no id that is known.")),
        }
    }
}

/// What was made so far.
pub(crate) struct Undo<'a> {
    settings: &'a Settings,
    made: Vec<Thing>,
}

impl<'a> Undo<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Undo<'a> {
        Undo { settings, made: Vec::new() }
    }

    /// This operation has made it.
    pub(crate) fn made(&mut self, thing: Thing) {
        self.made.push(thing);
    }

    /// Deletes all of it, and says in the failure what could not be; unless the failure may pass, since then the function
    /// is run again with the answers that it had.
    pub(crate) fn run(mut self, trouble: Trouble) -> Failure {
        let Trouble { failure, unsure, .. } = trouble;
        let mut failure = *failure;
        if failure.retryable {
            // The host goes on from here, with what was made.
            return failure;
        }
        self.made.extend(unsure.map(|name| Thing::Perhaps { name }));
        if self.made.is_empty() {
            return failure;
        }
        let mut left = Vec::new();
        for thing in self.made.into_iter().rev() {
            if let Err(why) = thing.delete(self.settings) {
                log::error(
                    "Something was left behind at the provider.",
                    &[("what", &thing.shown()), ("why", &why.errormessage)],
                );
                left.push(thing);
            }
        }
        if left.is_empty() {
            failure.errormessage += " What had been made before that was deleted again.";
            return failure;
        }
        let shown: Vec<String> = left.iter().map(Thing::shown).collect();
        failure.errormessage += &format!(
            " Left behind at the provider, and to be deleted there by its vendor: {}.",
            shown.join(", ")
        );
        failure.with("orphans", left)
    }
}
