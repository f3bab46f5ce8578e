//! Parameters that several operations share, for the document alone: `call.rs` and `read.rs` read them.
//!
//! They are optional and have no examples: Swagger UI would fill those in and send them.

use utoipa::{IntoParams, ToSchema};

/// Of every operation below `/apiv1`.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct Common {
    /// Which endpoint the call is for, unless the address names it. Without it the host goes by the sku, then
    /// by whose ids the call names; if you may use only one endpoint, it is that one. What cannot be told is
    /// refused with 400 and the candidates.
    #[param(rename = "CNSP-Endpoint", value_type = String, required = false)]
    endpoint: Option<String>,
    /// `true`: the HTTP status is 200 whatever happens, and `respcode` alone says what did.
    #[param(rename = "CNSP-Always-200", value_type = bool, required = false)]
    always_200: Option<bool>,
    /// Your own id for this call: 1 to 64 letters, digits, `-`, `_` and `.`. It comes back in the answer and is
    /// in the host's log. Without one the host makes one.
    #[param(rename = "X-Request-Id", value_type = String, required = false)]
    request_id: Option<String>,
}

/// Of every change.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct Repeatable {
    /// Makes the request safe to repeat: with the same key and the same body, the answer is that of the first
    /// time, and nothing runs again. 1 to 200 bytes. Without a key the request runs once and cannot be
    /// repeated safely. Where the body has a `requestid`, that is the key; sending both is fine if they are
    /// equal.
    #[param(rename = "Idempotency-Key", value_type = String, required = false)]
    key: Option<String>,
}

/// Of every list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct Paging {
    /// The most items to answer, 1 to 1000. Without it all are answered. Where more follow, the header `Link`
    /// has the address of the next page; the body is the same with and without pages.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Where the page begins. Take it from the `Link` of the page before; it means nothing by itself.
    #[param(value_type = String, required = false)]
    after: Option<String>,
}

/// A requestor in the query, for a DELETE whose body a proxy drops.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct RequestorInQuery {
    /// As `requestor.accountid`. Only read when there is no body.
    #[param(value_type = String, required = false)]
    accountid: Option<String>,
    /// As `requestor.provideraccountid`. Only read when there is no body.
    #[param(value_type = String, required = false)]
    provideraccountid: Option<String>,
    /// As `requestor.userid`. Only read when there is no body.
    #[param(value_type = String, required = false)]
    userid: Option<String>,
    /// As `requestor.provideruserid`. Only read when there is no body.
    #[param(value_type = String, required = false)]
    provideruserid: Option<String>,
}

/// An instance in the query, for a DELETE whose body a proxy drops.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct InstanceInQuery {
    /// As `requestId` of the body. Only read when there is no body.
    #[param(rename = "requestId", value_type = String, required = false)]
    request_id: Option<String>,
    /// As `instanceinfo.providerinstanceid`. Only read when there is no body.
    #[param(value_type = String, required = false)]
    providerinstanceid: Option<String>,
}

/// The window of a usage feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct UsageWindow {
    /// The first instant of the window, RFC 3339 with an offset, for example `2016-08-01T00:00:00+00:00`. Send both
    /// ends or neither.
    #[param(value_type = String, required = false)]
    usage_start_time: Option<String>,
    /// The instant at which the window ends, itself not part of it. Without both ends, the window is the
    /// current calendar month in UTC.
    #[param(value_type = String, required = false)]
    usage_end_time: Option<String>,
}

/// What an id in `/account/user/{id}` can stand for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum UserKind {
    User,
    Account,
}

/// `kind` of `/account/user/{id}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct OfUserKind {
    /// What the id stands for, where it may stand for several things.
    #[param(inline)]
    kind: Option<UserKind>,
}

/// What an id in `/resource/{id}` can stand for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum ResourceKind {
    Instance,
    Account,
}

/// `kind` of `/resource/{id}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct OfResourceKind {
    /// What the id stands for, where it may stand for several things.
    #[param(inline)]
    kind: Option<ResourceKind>,
}

/// What an id in `/billing/{id}` can stand for.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum BillingKind {
    Instance,
    Subscription,
    Account,
}

/// `kind` of `/billing/{id}`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct OfBillingKind {
    /// What the id stands for, where it may stand for several things.
    #[param(inline)]
    kind: Option<BillingKind>,
}
