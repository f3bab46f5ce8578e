//! Times and months. Abacus counts milliseconds since 1970, and its days and months are those of UTC.

use cnsp_sdk::clock;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    i64::try_from(clock::now().as_millis()).unwrap_or(i64::MAX)
}

/// The first moment of the day after this one's.
pub(crate) fn next_day(at: i64) -> i64 {
    at.div_euclid(DAY_MS).saturating_add(1).saturating_mul(DAY_MS)
}

/// As the contract writes it.
pub(crate) fn instant(at: i64) -> String {
    let timestamp = Timestamp::from_millisecond(at).unwrap_or_default();
    timestamp.strftime("%FT%T+00:00").to_string()
}

/// What the contract has written.
pub(crate) fn parse(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// A month of UTC, counted from the year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(i32);

impl Month {
    /// The month of a moment. None for what no calendar has.
    pub(crate) fn of(at: i64) -> Option<Self> {
        let timestamp = Timestamp::from_millisecond(at).ok()?;
        let date = TimeZone::UTC.to_datetime(timestamp).date();
        Some(Self(i32::from(date.year()) * 12 + i32::from(date.month()) - 1))
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How many months this is after the other.
    pub(crate) fn since(self, other: Self) -> i32 {
        self.0.saturating_sub(other.0)
    }

    /// Its first moment.
    pub(crate) fn start(self) -> i64 {
        let year = i16::try_from(self.0.div_euclid(12));
        let month = i8::try_from(self.0.rem_euclid(12) + 1);
        let (Ok(year), Ok(month)) = (year, month) else { return i64::MAX };
        let date =
            civil::Date::new(year, month, 1).map(|date| date.to_datetime(civil::Time::midnight()));
        let timestamp = date.and_then(|date| TimeZone::UTC.to_timestamp(date));
        timestamp.map_or(i64::MAX, Timestamp::as_millisecond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_and_follow_one_another() {
        // 2024-12-31T23:59:59.999Z
        let december = Month::of(1_735_689_599_999).unwrap();
        let january = Month::of(1_735_689_600_000).unwrap();
        assert_eq!(december.next(), january);
        assert_eq!(january.since(december), 1);
        assert_eq!(january.start(), 1_735_689_600_000);
        assert_eq!(instant(december.start()), "2024-12-01T00:00:00+00:00");
        assert_eq!(Month::of(i64::MAX), None);
        assert_eq!(parse("2024-12-01T01:00:00+01:00"), Some(december.start()));
    }

    #[test]
    fn a_day_ends_at_midnight() {
        assert_eq!(next_day(1_735_689_599_999), 1_735_689_600_000);
        assert_eq!(next_day(1_735_689_600_000), 1_735_689_600_000 + DAY_MS);
    }
}
