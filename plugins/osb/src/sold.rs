//! Plans that were sold. One that the broker no longer offers is still listed while an instance of it lives, and cannot
//! be bought.

use crate::ids;
use crate::instance::{Instance, Status};
use cnsp_sdk::{Failure, kv};
use serde::{Deserialize, Serialize};

/// How many plans that were ever sold are looked through.
const SOLD_MAX: u32 = 1000;

/// A plan that was sold.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Sold {
    pub(crate) plan_id: String,
    pub(crate) name: String,
}

/// Keeps whether the instance lives.
pub(crate) fn mark(instance: &Instance) -> Result<(), Failure> {
    let plan = ids::plan(&instance.plan_id);
    let live = live_key(&plan, &instance.id);
    if instance.status == Status::Cancel {
        return Ok(kv::delete(&live)?);
    }
    let key = format!("p/{plan}");
    let sold = Sold { plan_id: instance.plan_id.clone(), name: instance.plan_name.clone() };
    // Only once: every creation of the same plan would run into the others.
    if kv::get_json::<Sold>(&key)?.as_ref() != Some(&sold) {
        kv::set_json(&key, &sold)?;
    }
    Ok(kv::set(&live, b"{}")?)
}

/// The instance has another plan now.
pub(crate) fn unmark(instance: &Instance) -> Result<(), Failure> {
    Ok(kv::delete(&live_key(&ids::plan(&instance.plan_id), &instance.id))?)
}

fn live_key(plan: &str, instance: &str) -> String {
    format!("l/{plan}/{instance}")
}

/// The plans with live instances that are not among these.
pub(crate) fn gone(is_offered: impl Fn(&str) -> bool) -> Result<Vec<Sold>, Failure> {
    let mut found = Vec::new();
    for (key, sold) in kv::list_json::<Sold>("p/", None, SOLD_MAX)? {
        let plan = key.strip_prefix("p/").unwrap_or_default();
        if !is_offered(&sold.plan_id) && !kv::list(&format!("l/{plan}/"), None, 1)?.is_empty() {
            found.push(sold);
        }
    }
    Ok(found)
}
