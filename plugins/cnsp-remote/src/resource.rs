//! Instances: looked at.

use crate::mark;
use crate::object::{Object, Wrong};
use crate::page::Wanted;
use crate::remote::{Remote, segment};
use crate::settings::About;
use cnsp_sdk::Failure;
use cnsp_sdk::types::*;

pub(crate) const PATH: &str = "/resource";
/// As for users: one path for an instance and for the instances of an account.
const OF_INSTANCE: &str = "kind=instance";
pub(crate) const OF_ACCOUNT: (&str, &str) = ("kind", "account");

/// A status as CNSP 1.0 spells it. Its sample of "Get Resource" has a backslash before one of them.
pub(crate) fn known_status(status: String) -> String {
    let known = status.trim().trim_start_matches('\\').to_ascii_lowercase();
    match known.as_str() {
        "pending" | "active" | "suspended" | "cancel" => known,
        "cancelled" | "canceled" => "cancel".to_owned(),
        _ => status,
    }
}

pub(crate) fn get(id: &str) -> Result<ResourceInfo, Failure> {
    let remote = Remote::open()?;
    let mut answered = remote.get(&format!("{PATH}/{}", segment(id)?), OF_INSTANCE)?;
    match answered.response.object("resourceinfo")? {
        Some(resource) => Ok(read_info(&remote, resource)?),
        // The id is an account's: the remote has answered with its instances.
        None => {
            answered.response.required_list("resources")?;
            Err(Failure::refused(404, "Resource not found"))
        }
    }
}

pub(crate) fn list(account: &str, page: Page) -> Result<ResourcePage, Failure> {
    let remote = Remote::open()?;
    let wanted = Wanted::of(page)?;
    let path = format!("{PATH}/{}", segment(account)?);
    let mut answered = wanted.get(&remote, &path, &[OF_ACCOUNT])?;
    let Some(resources) = answered.response.list("resources")? else {
        // The id is an instance's: the remote has answered with that one.
        answered.response.required_object("resourceinfo")?;
        return Err(Failure::refused(404, "The account doesn't exist."));
    };
    let resources: Result<Vec<_>, _> =
        resources.into_iter().map(|resource| read_info(&remote, resource)).collect();
    let (resources, next) = wanted.cut(resources?, answered.next);
    Ok(ResourcePage { resources, next })
}

/// An instance as the caller is shown it, without our mark.
fn read_info(remote: &Remote, object: Object) -> Result<ResourceInfo, Wrong> {
    let mut info = info(object)?;
    if !remote.settings.does_once(About::Resource) {
        mark::take(&mut info.additionalparameters, None);
    }
    Ok(info)
}

pub(crate) fn info(mut object: Object) -> Result<ResourceInfo, Wrong> {
    let mut kind = object.required_object("resource")?;
    let mut parameters = object.required_object("parameters")?;
    Ok(ResourceInfo {
        resource: ResourceKind { type_: kind.required_text("type")?, other: kind.rest()? },
        parameters: ResourceParameters {
            providerinstanceid: parameters.required_text("providerinstanceid")?,
            instancename: parameters.text("instancename"),
            sku: parameters.text("sku"),
            license: parameters.whole("license").or_else(|| parameters.whole("licenseQuantity")),
            status: parameters.text("status").map(known_status),
            startdate: parameters.instant("startdate"),
            enddate: parameters.instant("enddate"),
            other: parameters.rest()?,
        },
        additionalparameters: object.map("additionalparameters")?,
        other: object.rest()?,
    })
}
