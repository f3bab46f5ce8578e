//! An order: steps 9 to 12 of the way to a subscription. BillingStack wants a resource before there is one, so a
//! placeholder that names the operation stands for the tenant until it is made.

use crate::billingstack::{BillingStack, placeholder};
use crate::id::Id;
use crate::keystone::{Keystone, Purpose};
use crate::record::{Account, Instance, User};
use crate::resource::check_type;
use crate::settings::Settings;
use crate::undo::Undo;
use crate::upstream::Trouble;
use crate::{catalog, check};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt, done, operation};
use jiff::tz::Offset;
use serde_json::json;

/// Every month has this day.
const BILLING_DAY_MAX: i8 = 28;
const RESOURCE_TYPE: &str = "tenant";

pub(crate) fn create(request: CreateResource) -> Result<CreateResourceOutcome, Failure> {
    let settings = Settings::read()?;
    let operation = operation::require_id()?;
    check_type(Some(&request.resource))?;
    let account = Account::of_requestor(&request.requestor)?;
    let owner = owner(&account, &request.requestor)?;
    let licence = request.parameters.license_quantity.unwrap_or(1);
    if licence == 0 {
        return Err(Failure::invalid("`licenseQuantity` is 0: an order has at least one licence."));
    }
    let mut params = request.parameters.other;
    for (key, option) in request.parameters.custom_options {
        let value: serde_json::Value = serde_json::from_str(&option.value).unwrap_or_default();
        params.put(key, json!({ "title": option.title, "value": value }));
    }
    let extra = request.parameters.additionalparameters;
    let named = extra.text("instancename");
    check::texts(&[("additionalparameters.instancename", &named)])?;
    let payment_method = extra.text("paymentmethodid");
    check::record("The order", &(&params, &extra))?;
    let billingstack = BillingStack { settings: &settings };
    let plan = match Id::parse(&request.parameters.sku) {
        Some(plan) => billingstack.plan(&plan)?,
        None => None,
    };
    let plan = plan.ok_or_else(|| {
        let text = format!(
            "There is no plan with the sku `{}`: see /catalog.",
            check::said(&request.parameters.sku)
        );
        Failure::refused(400, text)
    })?;
    catalog::check_sellable(&plan, &catalog::products(&billingstack)?, &settings.currency)?;

    let started = check::now()?;
    let mut body = json!({
        "plan_id": plan.id,
        "customer_id": account.customer,
        "resource_type": RESOURCE_TYPE,
        "resource_id": placeholder(&operation),
        "billing_day": Offset::UTC.to_datetime(started).day().min(BILLING_DAY_MAX),
    });
    if let (Some(body), Some(method)) = (body.as_object_mut(), payment_method) {
        body.insert("payment_method_id".to_owned(), method.into());
    }
    let mut undo = Undo::new(&settings);
    let made = provision(&settings, &owner, &operation, &body, &mut undo);
    let (subscription, tenant) = match made {
        Ok(made) => made,
        Err(trouble) => return Err(undo.run(trouble)),
    };
    let instance = Instance {
        tenant,
        subscription,
        customer: account.customer,
        owner,
        name: named.or(plan.title).or(plan.name).unwrap_or_else(|| plan.id.to_string()),
        plan: plan.id,
        licence,
        started: started.to_string(),
        ended: None,
        params,
        extra,
    };
    instance.save()?;
    done(CreatedResource {
        providerinstanceid: instance.tenant.to_string(),
        subscriptionid: Some(instance.subscription.to_string()),
        status: "active".to_owned(),
        ..CreatedResource::default()
    })
}

/// Who gets step 11's role: the user who asks, else the account's first.
fn owner(account: &Account, requestor: &Requestor) -> Result<Id, Failure> {
    match requestor.provideruserid.is_some() || requestor.userid.is_some() {
        false => Ok(account.owner.clone()),
        true => Ok(User::of_requestor(requestor)?.1.id),
    }
}

/// The subscription and its tenant.
fn provision(
    settings: &Settings,
    owner: &Id,
    operation: &str,
    body: &serde_json::Value,
    undo: &mut Undo<'_>,
) -> Result<(Id, Id), Trouble> {
    let (billingstack, keystone) = (BillingStack { settings }, Keystone { settings });
    let placeholder = placeholder(operation);
    let id = billingstack.create_subscription(body, &placeholder)?.id;
    undo.subscription(&id, &placeholder);
    let purpose = Purpose::Subscription(id.clone());
    let tenant = keystone.create_tenant(&purpose, operation)?.id;
    undo.tenant(&tenant, &purpose.to_string());
    let role = &settings.roles.openstack_admin;
    keystone.grant(&purpose, &tenant, owner, role, "openstack_admin_role")?;
    billingstack.set_resource(&id, &tenant).map_err(|refusal| {
        refusal.or_missing(|| {
            let text = format!(
                "BillingStack no longer knows the subscription {id} that it has just made: somebody has deleted it. Order again."
            );
            Failure::refused(500, text)
        })
    })?;
    Ok((id, tenant))
}
