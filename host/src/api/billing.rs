//! `/billing`. (CNSP 1.0, Billing.)

use super::call::{Call, Stop};
use super::openapi::{params, schemas};
use super::read::{PAGES_BYTES_MAX, ask, in_time, json_bytes};
use crate::endpoints::{Begun, Endpoint};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::fixed;
use crate::model::{
    Answer, BillingScope, OperationKind, Page, UsageFeed, UsageRecord, Window, json, nonsense,
    shown,
};
use crate::store::customer::IdRecord;
use axum::body::Body;
use futures_util::FutureExt;
use http::Response;
use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::time::Instant;

const PAGE_COUNT_MAX: usize = fixed::PAGE_COUNT.max;
const RECORD_COUNT_MAX: usize = fixed::BILL_RECORDS.max;

/// Usage feed of an account, a subscription or an instance
///
/// CNSP has one path for the three: what the id stands for decides, never how it looks. An id that the host
/// does not know is asked for as an instance, a subscription, then an account. One that is more than one of
/// them is 400 `AMBIGUOUS`; `kind` decides then. The records of an instance have no `subscriptionid`.
///
/// The window is half open: its start belongs to it, its end does not. Without one it is the current calendar
/// month in UTC. `partial` is true while the provider has more to come for the window: do not close the books.
#[utoipa::path(
    get,
    path = "/billing/{id}",
    tag = "billing",
    params(
        ("id" = String, Path, description = "Of an account, a subscription or an instance.", example = "acc-5f0c2a"),
        params::OfBillingKind,
        params::UsageWindow,
        params::Common,
        params::Paging
    ),
    responses((status = 200, description = "What was used.", body = schemas::UsageFound))
)]
pub(super) async fn get_usage(call: Call) -> Response<Body> {
    let kind = OperationKind::Usage;
    let mut next = None;
    let mut asked = None;
    let answer: Result<Answer, Stop> = async {
        let id = call.id()?;
        let wanted = call.kind(&["instance", "subscription", "account"])?;
        let window = asked.insert(window(&call)?);
        let page = call.page()?;
        let endpoint = call.endpoint(None, &[&id]).await?;
        let scopes = scopes(&call.known(&endpoint, &id).await?, &id, wanted)?;
        let mut refused = None;
        for scope in scopes {
            match usage(&endpoint, &scope, window, &page).await {
                Err(Stop::Refused(failure)) if matches!(failure.respcode, 404 | 501) => {
                    refused.get_or_insert(failure);
                }
                feed => {
                    let mut feed = feed?;
                    next = feed.next.take().filter(|_| page.limit.is_some());
                    return Ok(Answer::done(kind, &feed)?);
                }
            }
        }
        Err(refused.map_or_else(|| Stop::Failed(not_found(&id)), Stop::Refused))
    }
    .await;
    let mut response = call.finish(kind, answer);
    if let Some(window) = asked {
        // The next page is of the same window, also after the end of the month.
        let window = [("usage_start_time", &*window.start), ("usage_end_time", &*window.end)];
        call.link_with(&mut response, next.as_deref(), &window);
    }
    response
}

fn not_found(id: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("`{id}` is no account, subscription or instance."))
}

/// What an id may stand for, in the order in which the plugin is asked.
fn scopes(known: &IdRecord, id: &str, wanted: Option<&str>) -> Result<Vec<BillingScope>> {
    let instance = BillingScope::Instance(known.instance.clone().unwrap_or_else(|| id.to_owned()));
    let subscription =
        BillingScope::Subscription(known.subscription.clone().unwrap_or_else(|| id.to_owned()));
    let account = BillingScope::Account(known.account.clone().unwrap_or_else(|| id.to_owned()));
    let of = [
        ("instance", known.instance.is_some(), instance),
        ("subscription", known.subscription.is_some(), subscription),
        ("account", known.account.is_some(), account),
    ];
    if let Some(wanted) = wanted {
        return Ok(of
            .into_iter()
            .filter(|(name, ..)| *name == wanted)
            .map(|(.., scope)| scope)
            .collect());
    }
    let names: Vec<&str> =
        of.iter().filter(|(_, known, _)| *known).map(|(name, ..)| *name).collect();
    if names.len() > 1 {
        let text = format!(
            "`{id}` is more than one thing ({}): say which with `?kind=`.",
            names.join(", ")
        );
        return Err(Error::new(ErrorCode::Ambiguous, text));
    }
    let any = names.is_empty();
    Ok(of.into_iter().filter(|(_, known, _)| any || *known).map(|(.., scope)| scope).collect())
}

/// `?usage_start_time=` and `?usage_end_time=`, or the current month.
fn window(call: &Call) -> Result<Window> {
    let parse = |name: &str| -> Result<Option<Timestamp>> {
        let Some(text) = call.query.get(name) else { return Ok(None) };
        // A `+` that was not encoded arrives as a space.
        text.replace(' ', "+").parse().map(Some).map_err(|_| {
            Error::invalid(format!("`{name}` is a time with an offset, for example 2016-08-01T00:00:00+00:00 (RFC 3339)."))
        })
    };
    let (start, end) = match (parse("usage_start_time")?, parse("usage_end_time")?) {
        (Some(start), Some(end)) => (start, end),
        (None, None) => this_month().map_err(Error::internal)?,
        _ => {
            return Err(Error::invalid(
                "Send both `usage_start_time` and `usage_end_time`, or neither.",
            ));
        }
    };
    if start >= end {
        return Err(Error::invalid("`usage_start_time` has to be before `usage_end_time`."));
    }
    Ok(Window { start: instant(start), end: instant(end) })
}

fn this_month() -> std::result::Result<(Timestamp, Timestamp), jiff::Error> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let first = date(today.year(), today.month(), 1);
    let start = first.to_zoned(TimeZone::UTC)?;
    let end = first.checked_add(1.month())?.to_zoned(TimeZone::UTC)?;
    Ok((start.timestamp(), end.timestamp()))
}

/// As CNSP samples times: UTC, with a numeric offset.
fn instant(at: Timestamp) -> String {
    at.to_string().replace('Z', "+00:00")
}

/// Records are of what was asked for and begin in the window: else a customer would pay for another, or twice.
fn check_records(scope: &BillingScope, window: &Window, records: &[UsageRecord]) -> Result<()> {
    let wrong = |what: String| nonsense(OperationKind::Usage, &what);
    let parse = |text: &str| json::instant(text).map_err(wrong);
    let asked = parse(&window.start)?..parse(&window.end)?;
    for record in records {
        let other = match scope {
            BillingScope::Instance(id) => Some(&record.instanceid).filter(|of| *of != id),
            BillingScope::Subscription(id) => record.subscriptionid.as_ref().filter(|of| *of != id),
            BillingScope::Account(_) => None,
        };
        if let Some(other) = other {
            let shown = shown(other);
            return Err(wrong(format!("a record is of `{shown}`, which was not asked for")));
        }
        let (start, end) = (parse(&record.usage_start_time)?, parse(&record.usage_end_time)?);
        if !asked.contains(&start) || end < start {
            let text = format!(
                "a record of {start} to {end} does not belong to the window of {} to {}",
                asked.start, asked.end
            );
            return Err(wrong(text));
        }
    }
    Ok(())
}

/// The feed of one window: a page when `page` has a limit, else all of it.
async fn usage(
    endpoint: &Endpoint,
    scope: &BillingScope,
    window: &Window,
    page: &Page,
) -> Result<UsageFeed, Stop> {
    let mut page = page.clone();
    let mut all: Option<UsageFeed> = None;
    let mut bytes = 0;
    let began = Instant::now();
    let mut begun = Begun::new(OperationKind::Usage, &page);
    for _ in 0..PAGE_COUNT_MAX {
        let (asked, of, part) = (scope.clone(), window.clone(), page.clone());
        let feed = ask(endpoint, OperationKind::Usage, |adapter, store| {
            async move { adapter.billing(&mut *store)?.call_usage(store, &asked, &of, &part).await }
                .boxed()
        })
        .await?;
        begun.next(feed.next.as_deref())?;
        check_records(scope, window, &feed.usagefeed)?;
        let next = feed.next.clone();
        let complete = next.is_none() || page.limit.is_some();
        if !complete {
            bytes += json_bytes(OperationKind::Usage, &feed.usagefeed)?;
        }
        let feed = match all.take() {
            None => feed,
            Some(mut before) => {
                before.usagefeed.extend(feed.usagefeed);
                before.partial |= feed.partial;
                before.next = feed.next;
                before
            }
        };
        if complete {
            let mut feed = feed;
            if matches!(scope, BillingScope::Instance(_)) {
                feed.usagefeed.iter_mut().for_each(|record| record.subscriptionid = None);
            }
            return Ok(feed);
        }
        if feed.usagefeed.len() > RECORD_COUNT_MAX || bytes > PAGES_BYTES_MAX {
            break;
        }
        in_time(endpoint, began)?;
        all = Some(feed);
        page.after = next;
    }
    let text = format!(
        "The usage has more than {RECORD_COUNT_MAX} records, or too large ones: ask for a shorter window, or for pages with `?limit=`."
    );
    Err(Error::new(ErrorCode::TooLarge, text).into())
}
