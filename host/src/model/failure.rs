//! Failures, long-running work and pages.

use super::json::OpenMap;
use wasmtime::component::{ComponentType, Lift, Lower};

/// Why an operation was refused or did not succeed. Codes are numbers, so that a new one breaks no
/// plugin. (CNSP 1.0, each "Error Response".)
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Failure {
    /// The CNSP `respcode`, 400 to 599. 501 says that the provider cannot do this at all.
    pub respcode: u16,
    /// The envelope's `message`, for example "Account creation failed". None: the operation's usual one.
    pub message: Option<String>,
    /// What happened, why and what to do, in words for the caller. No secrets.
    pub errormessage: String,
    /// A stable code of the provider, for example `BZSSS1452E`.
    pub errorcode: Option<String>,
    /// Whether the same request may succeed later, unchanged. A failure that is not retryable is
    /// remembered with its request id and is the answer to every replay.
    pub retryable: bool,
    /// How long to wait before a retry, in milliseconds. Only read when `retryable`.
    #[component(name = "retry-after-ms")]
    pub retry_after_ms: Option<u32>,
    /// Further keys of `providerresponse`, for example `providerinstanceid`.
    pub other: OpenMap,
}

/// The provider has accepted the work and has not finished it. The host calls the same function
/// again with the same request, `operation.token` set to `token`, until it answers done or a failure.
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Pending {
    /// The adapter's own note of where the work stands; 1 to 1,024 bytes. It may change at each call.
    pub token: String,
    /// How long to wait before the next call, in milliseconds; the host keeps it between 100 ms and 1 h.
    #[component(name = "poll-after-ms")]
    pub poll_after_ms: u32,
}

/// As `pending`, for an instance that exists at the provider and is not usable yet.
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub struct PendingResource {
    /// The id under which the instance is addressed from now on. It must be the one that `done` has later.
    pub providerinstanceid: String,
    /// As in `pending`.
    pub token: String,
    /// As in `pending`, in milliseconds.
    #[component(name = "poll-after-ms")]
    pub poll_after_ms: u32,
}

/// Which part of a list is wanted.
#[derive(Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Page {
    /// The most items to return, 1 to 1,000. None: as many as the adapter likes.
    pub limit: Option<u32>,
    /// The `next` of the page before. None: from the start.
    pub after: Option<String>,
}
