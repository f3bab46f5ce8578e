//! What the host knows about a provider's customers: accounts, users, resources, seats, and the index that
//! tells what an id stands for. The provider stays the authority; these records say whom an id belongs to.

use super::{Key, Partition, Space};
use serde::{Deserialize, Serialize};

/// The longest id that a caller or a plugin may use, in bytes. Two of them and an endpoint fit in a key.
pub(crate) const ID_BYTES_MAX: usize = 200;

/// An account, by provideraccountid.
#[derive(Serialize, Deserialize)]
pub(crate) struct AccountRecord {
    pub(crate) accountid: String,
    pub(crate) accountname: String,
}

/// A user, by provideruserid.
#[derive(Serialize, Deserialize)]
pub(crate) struct UserRecord {
    pub(crate) userid: String,
    pub(crate) account: Option<String>,
}

/// A resource, by providerinstanceid.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ResourceRecord {
    pub(crate) sku: String,
    pub(crate) account: Option<String>,
    pub(crate) subscriptionid: Option<String>,
    pub(crate) license: Option<u64>,
    /// `pending`, `active`, `suspended` or `cancel`, as the last change left it.
    pub(crate) status: String,
}

/// A seat, by providerinstanceid and user.
#[derive(Serialize, Deserialize)]
pub(crate) struct SeatRecord {
    pub(crate) account: Option<String>,
}

/// What an id of an endpoint stands for: for each kind, the provider's own id. (Contract A1-A3.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IdRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subscription: Option<String>,
}

impl IdRecord {
    pub(crate) fn is_empty(&self) -> bool {
        *self == IdRecord::default()
    }
}

fn key(space: Space, endpoint: &str, id: &[&str]) -> Key {
    let parts: Vec<&str> = std::iter::once(endpoint).chain(id.iter().copied()).collect();
    Key::new(space, Partition::of(endpoint), &parts)
}

pub(crate) fn account_key(endpoint: &str, provideraccountid: &str) -> Key {
    key(Space::Account, endpoint, &[provideraccountid])
}

pub(crate) fn user_key(endpoint: &str, provideruserid: &str) -> Key {
    key(Space::User, endpoint, &[provideruserid])
}

pub(crate) fn resource_key(endpoint: &str, providerinstanceid: &str) -> Key {
    key(Space::Resource, endpoint, &[providerinstanceid])
}

pub(crate) fn seat_key(endpoint: &str, providerinstanceid: &str, user: &str) -> Key {
    key(Space::Seat, endpoint, &[providerinstanceid, user])
}

pub(crate) fn id_key(endpoint: &str, id: &str) -> Key {
    key(Space::Id, endpoint, &[id])
}

pub(crate) fn offering_key(endpoint: &str, sku: &str) -> Key {
    key(Space::Offering, endpoint, &[sku])
}
