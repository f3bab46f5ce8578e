//! Times: CSA's, which are those of its server's zone, and the calendar's periods there.

use crate::settings;
use cnsp_sdk::{Failure, clock};
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

const HOUR_MS: i64 = 3600 * 1000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(clock::now().as_millis()).unwrap_or(i64::MAX)
}

/// As the contract writes it.
pub(crate) fn instant(at: i64) -> String {
    timestamp(at).strftime("%FT%T+00:00").to_string()
}

/// What the contract, or a caller, has written, with its offset.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or_default()
}

/// The zone of CSA's server.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// By its name in the IANA's database, or by its offset.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if let Some(offset) = offset(name) {
            return Some(Self(offset.to_time_zone()));
        }
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// The one that the vendor has set.
    pub(crate) fn of_server() -> Result<Self, Failure> {
        settings::zone()
    }

    /// A time of CSA's: with an offset, or in its own zone. What a clock that is set back shows twice is the first.
    pub(crate) fn parse(&self, text: &str) -> Option<i64> {
        if let Some(at) = parse(text) {
            return Some(at);
        }
        let local: DateTime = text.parse().ok()?;
        self.at(local)
    }

    /// As CSA wants it in a query: no offset, no fraction.
    pub(crate) fn query(&self, at: i64) -> String {
        self.0.to_datetime(timestamp(at)).strftime("%FT%T").to_string()
    }

    /// With its offset, as CSA writes it.
    pub(crate) fn with_offset(&self, at: i64) -> String {
        timestamp(at).to_zoned(self.0.clone()).strftime("%FT%T%.3f%:z").to_string()
    }

    fn at(&self, local: DateTime) -> Option<i64> {
        self.0.to_timestamp(local).ok().map(Timestamp::as_millisecond)
    }

    fn midnight(&self, date: Date) -> Option<i64> {
        self.at(date.to_datetime(jiff::civil::Time::midnight()))
    }
}

/// `+01:00`, `-0700`, `Z` and the like.
fn offset(text: &str) -> Option<Offset> {
    if text == "Z" || text == "UTC" {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').or_else(|| digits.split_at_checked(2))?;
    let is_pair = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_pair(hours) || !is_pair(minutes) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if minutes > 59 {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// How often something is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Every {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

/// One period of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    pub(crate) start: i64,
    /// Exclusive.
    pub(crate) end: i64,
}

impl Every {
    /// As CSA names it.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "HOUR" | "HOURLY" => Self::Hour,
            "DAY" | "DAILY" => Self::Day,
            "WEEK" | "WEEKLY" => Self::Week,
            "MONTH" | "MONTHLY" => Self::Month,
            "YEAR" | "YEARLY" | "ANNUAL" => Self::Year,
            _ => return None,
        })
    }

    /// As CNSP's prices name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// As CNSP's prices and records are for one of them.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Hour => "/hr",
            Self::Day => "/day",
            Self::Week => "/wk",
            Self::Month => "/mo",
            Self::Year => "/yr",
        }
    }

    /// How long one is, where all are taken to be as long as each other.
    pub(crate) fn nominal_ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
            Self::Week => 7 * DAY_MS,
            Self::Month => 30 * DAY_MS,
            Self::Year => 365 * DAY_MS,
        }
    }

    /// The period that holds a moment. Days and what is longer begin at midnight of the server's zone, weeks on Mondays;
    /// hours are those of UTC. None for what no calendar has.
    pub(crate) fn around(self, at: i64, zone: &Zone) -> Option<Period> {
        if self == Self::Hour {
            let start = at.div_euclid(HOUR_MS).saturating_mul(HOUR_MS);
            return Some(Period { start, end: start.saturating_add(HOUR_MS) });
        }
        let date = zone.0.to_datetime(Timestamp::from_millisecond(at).ok()?).date();
        let (first, length) = match self {
            Self::Hour | Self::Day => (date, Span::new().days(1)),
            Self::Week => {
                let since_monday = i64::from(date.weekday().to_monday_zero_offset());
                (date.checked_sub(Span::new().days(since_monday)).ok()?, Span::new().weeks(1))
            }
            Self::Month => (date.first_of_month(), Span::new().months(1)),
            Self::Year => (date.first_of_year(), Span::new().years(1)),
        };
        let next = first.checked_add(length).ok()?;
        let period = Period { start: zone.midnight(first)?, end: zone.midnight(next)? };
        // Where midnight is shown twice or not at all, a moment may fall beside its own date.
        (period.start <= at && at < period.end).then_some(period).or(Some(Period {
            start: period.start.min(at),
            end: period.end.max(at.saturating_add(1)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> Zone {
        Zone::named(name).unwrap()
    }

    fn at(text: &str) -> i64 {
        parse(text).unwrap()
    }

    #[test]
    fn zones_have_names_or_offsets() {
        for name in ["Europe/Berlin", "America/Los_Angeles", "UTC", "Z", "+05:30", "-0700"] {
            assert!(Zone::named(name).is_some(), "{name}");
        }
        for name in ["", "Europe/Nowhere", "+5", "+05:99", "+0530:", "++0530", "+99:00", "ä"] {
            assert!(Zone::named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn csas_times_have_an_offset_or_are_its_servers() {
        let berlin = zone("Europe/Berlin");
        assert_eq!(
            berlin.parse("2012-10-24T12:27:10.070-07:00"),
            Some(at("2012-10-24T19:27:10.070Z"))
        );
        assert_eq!(berlin.parse("2026-07-01T00:00:00"), Some(at("2026-06-30T22:00:00Z")));
        // An hour that is not there, and one that is there twice.
        assert_eq!(berlin.parse("2026-03-29T02:30:00"), Some(at("2026-03-29T01:30:00Z")));
        assert_eq!(berlin.parse("2026-10-25T02:30:00"), Some(at("2026-10-25T00:30:00Z")));
        for text in ["", "yesterday", "2026-13-01T00:00:00", "2026-02-30T00:00:00Z"] {
            assert_eq!(berlin.parse(text), None, "{text}");
        }
        assert_eq!(berlin.query(at("2026-06-30T22:00:00.5Z")), "2026-07-01T00:00:00");
        assert_eq!(
            berlin.with_offset(at("2026-06-30T22:00:00.5Z")),
            "2026-07-01T00:00:00.500+02:00"
        );
    }

    #[test]
    fn periods_are_those_of_the_servers_calendar() {
        let berlin = zone("Europe/Berlin");
        let period = |every: Every, text: &str| every.around(at(text), &berlin).unwrap();
        let of = |start: &str, end: &str| Period { start: at(start), end: at(end) };
        assert_eq!(
            period(Every::Month, "2026-03-31T22:30:00Z"),
            of("2026-03-31T22:00:00Z", "2026-04-30T22:00:00Z")
        );
        // A month with one hour less, and a day with one more.
        let march = period(Every::Month, "2026-03-15T00:00:00Z");
        assert_eq!(march.end - march.start, 31 * DAY_MS - HOUR_MS);
        let day = period(Every::Day, "2026-10-25T12:00:00Z");
        assert_eq!(day.end - day.start, 25 * HOUR_MS);
        assert_eq!(
            period(Every::Week, "2026-11-22T12:00:00Z"),
            of("2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z")
        );
        assert_eq!(
            period(Every::Year, "2026-11-22T12:00:00Z"),
            of("2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z")
        );
        assert_eq!(
            period(Every::Hour, "2026-11-22T12:59:59Z"),
            of("2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z")
        );
        assert_eq!(Every::Month.around(i64::MAX, &berlin), None);
    }

    proptest! {
        #[test]
        fn periods_follow_one_another(
            at in 0..4_000_000_000_000_i64,
            name in prop::sample::select(vec!["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia", "Africa/Cairo", "UTC"]),
            every in prop::sample::select(vec![Every::Hour, Every::Day, Every::Week, Every::Month, Every::Year]),
        ) {
            let zone = zone(name);
            let period = every.around(at, &zone).unwrap();
            prop_assert!(period.start <= at && at < period.end);
            let next = every.around(period.end, &zone).unwrap();
            prop_assert_eq!(next.start, period.end);
            let last = every.around(period.end - 1, &zone).unwrap();
            prop_assert_eq!(last, period);
        }
    }
}
