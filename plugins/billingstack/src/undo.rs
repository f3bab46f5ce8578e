//! What an operation has made, and how each of it is deleted again where it cannot go on. Roles go with their tenant.

use crate::billingstack::BillingStack;
use crate::id::Id;
use crate::keystone::Keystone;
use crate::settings::Settings;
use crate::upstream::Trouble;
use cnsp_sdk::Failure;

/// What was made so far.
pub(crate) struct Undo<'a> {
    settings: &'a Settings,
    made: cnsp_sdk::undo::Undo<'a>,
}

impl<'a> Undo<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Undo<'a> {
        Undo { settings, made: cnsp_sdk::undo::Undo::new() }
    }

    pub(crate) fn user(&mut self, id: &Id, name: &str) {
        let (settings, id) = (self.settings, id.clone());
        let what = format!("the user {name} ({id})");
        self.made.made(what, move || Keystone { settings }.delete_user(&id));
    }

    pub(crate) fn customer(&mut self, id: &Id, name: &str) {
        let (settings, id) = (self.settings, id.clone());
        let what = format!("the customer {name} ({id})");
        self.made.made(what, move || BillingStack { settings }.delete_customer(&id));
    }

    pub(crate) fn tenant(&mut self, id: &Id, name: &str) {
        let (settings, id) = (self.settings, id.clone());
        let what = format!("the tenant {name} ({id})");
        self.made.made(what, move || Keystone { settings }.delete_tenant(&id));
    }

    pub(crate) fn subscription(&mut self, id: &Id, name: &str) {
        let (settings, id) = (self.settings, id.clone());
        let what = format!("the subscription {id} ({name})");
        self.made.made(what, move || BillingStack { settings }.delete_subscription(&id));
    }

    /// Deletes all of it; see [`cnsp_sdk::undo::Undo::run`].
    pub(crate) fn run(mut self, trouble: Trouble) -> Failure {
        let Trouble { failure, unsure, .. } = trouble;
        if let Some(name) = unsure {
            self.made.made(format!("perhaps {name}"), || {
                Err(Failure::refused(500, "It has no id that is known."))
            });
        }
        self.made.run(*failure)
    }
}
