//! What happens to an instance after it was ordered: licences, suspension, its end.

use crate::billingstack::BillingStack;
use crate::check;
use crate::keystone::{Keystone, Purpose};
use crate::record::{self, Instance};
use crate::resource::check_type;
use crate::settings::Settings;
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done};

pub(crate) const SUSPEND: &str = "update.suspend";
pub(crate) const REACTIVATE: &str = "update.reactivate";

/// More seats than this have to be revoked before the end, so that no operation grows without bound.
const SEATS_DELETED_MAX: u32 = 150;

/// BillingStack has no licences, so the adapter counts.
pub(crate) fn update(request: UpdateResource) -> Result<UpdateResourceOutcome, Failure> {
    let settings = Settings::read()?;
    check_type(request.resource.as_ref())?;
    let id = &request.instanceinfo.providerinstanceid;
    let mut instance = Instance::of_requestor(id, &request.requestor)?;
    let subscription = BillingStack { settings: &settings }.subscription(&instance.subscription)?;
    subscription.ok_or_else(|| Instance::missing(id))?;
    let parameters = request.parameters.unwrap_or_default();
    if parameters.other.json("sku").is_some() {
        let text = "`parameters.sku`: the plan of a subscription cannot be changed here. Order the other plan, and delete this.";
        return Err(Failure::invalid(text));
    }
    if let Some(licence) = parameters.license {
        if licence == 0 {
            return Err(Failure::invalid("`license` is 0: delete the subscription instead."));
        }
        let taken = record::seats_taken(&instance.tenant, instance.licence)?;
        if licence < taken {
            let text = format!(
                "{taken} seats are assigned: revoke {} of them before going down to {licence}.",
                taken - licence
            );
            return Err(Failure::refused(400, text).with("providerinstanceid", id));
        }
        instance.licence = licence;
    }
    check::merge(&mut instance.params, parameters.other);
    check::merge(&mut instance.extra, request.additionalparameters);
    check::record("The subscription", &instance)?;
    instance.save()?;
    done(instance.ids())
}

/// A tenant that is disabled lets nobody in, and keeps everybody's roles.
pub(crate) fn act(request: ActOnResource) -> Result<ActOnResourceOutcome, Failure> {
    let settings = Settings::read()?;
    check_type(request.resource.as_ref())?;
    let enabled = match request.action.as_str() {
        SUSPEND => false,
        REACTIVATE => true,
        other => {
            let text = format!(
                "`action`: there is no `{}` here, but `{SUSPEND}` and `{REACTIVATE}`.",
                check::said(other)
            );
            return Err(Failure::invalid(text));
        }
    };
    let id = &request.instanceinfo.providerinstanceid;
    let mut instance = Instance::of_requestor(id, &request.requestor)?;
    let keystone = Keystone { settings: &settings };
    let tenant = keystone.tenant(&instance.tenant)?.ok_or_else(|| Instance::missing(id))?;
    if tenant.enabled != enabled {
        keystone
            .enable_tenant(&tenant, enabled)
            .map_err(|refusal| refusal.or_missing(|| Instance::missing(id)))?;
    }
    check::merge(&mut instance.extra, request.additionalparameters);
    check::record("The subscription", &instance)?;
    instance.save()?;
    done(instance.ids())
}

/// Each step can be repeated, so that an end that was interrupted is gone on with by asking again.
pub(crate) fn delete(request: DeleteResource) -> Result<DeleteResourceOutcome, Failure> {
    let settings = Settings::read()?;
    let id = &request.instanceinfo.providerinstanceid;
    let mut instance = Instance::of_requestor(id, &request.requestor)?;
    let prefix = record::seats_of_instance(&instance.tenant);
    let seats = record::ids_below(&prefix, SEATS_DELETED_MAX + 1)?;
    if seats.len() > SEATS_DELETED_MAX as usize {
        let text = format!(
            "The subscription has more than {SEATS_DELETED_MAX} seats: revoke some of them first."
        );
        return Err(Failure::refused(409, text).with("providerinstanceid", id));
    }
    let keystone = Keystone { settings: &settings };
    let purpose = Purpose::Subscription(instance.subscription.clone());
    let role = &settings.roles.openstack_admin;
    keystone.take_role(&purpose, &instance.tenant, &instance.owner, role)?;
    // Everybody else's roles go with it.
    keystone.delete_tenant(&instance.tenant)?;
    BillingStack { settings: &settings }.delete_subscription(&instance.subscription)?;
    for user in seats {
        record::forget_seat(&instance.tenant, &user)?;
    }
    let ended = check::now()?;
    instance.ended = Some(ended.to_string());
    instance.save()?;
    done(instance.ids())
}
