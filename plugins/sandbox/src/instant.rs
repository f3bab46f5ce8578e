//! Points in time: whole seconds since 1970 inside, RFC 3339 outside.

use cnsp_sdk::{Failure, clock};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

pub(crate) const DAY: i64 = 24 * 60 * 60;

/// Now, without the fraction of its second.
pub(crate) fn now() -> i64 {
    i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX)
}

/// As the contract writes it: `2016-08-01T00:00:00+00:00`.
pub(crate) fn to_text(seconds: i64) -> String {
    timestamp(seconds).display_with_offset(Offset::UTC).to_string()
}

/// Rounded up to a whole second, so that a half-open window keeps every second that begins in it.
pub(crate) fn parse(field: &str, text: &str) -> Result<i64, Failure> {
    let time: Timestamp = text.parse().map_err(|error| {
        Failure::invalid(format!("`{field}` is not an RFC 3339 time: {error}."))
    })?;
    Ok(time.as_second() + i64::from(time.subsec_nanosecond() > 0))
}

/// The calendar month in UTC that holds this second: its first second, and the next month's.
pub(crate) fn month(seconds: i64) -> (i64, i64) {
    let first = Offset::UTC.to_datetime(timestamp(seconds)).date().first_of_month();
    let next = first.checked_add(1.month()).unwrap_or(Date::MAX);
    (start_of(first), start_of(next))
}

fn start_of(date: Date) -> i64 {
    Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MAX).as_second()
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_contract_samples_them() {
        assert_eq!(to_text(1_470_009_600), "2016-08-01T00:00:00+00:00");
        assert_eq!(parse("start", "2016-08-01T00:00:00+00:00").unwrap(), 1_470_009_600);
        assert_eq!(parse("start", "2016-08-01T02:00:00+02:00").unwrap(), 1_470_009_600);
        assert_eq!(parse("start", "2016-08-01T00:00:00.5Z").unwrap(), 1_470_009_601);
        assert_eq!(parse("start", "yesterday").unwrap_err().respcode, 400);
    }

    #[test]
    fn months_have_their_own_length() {
        let february = parse("start", "2024-02-29T23:59:59Z").unwrap();
        let (first, next) = month(february);
        assert_eq!(to_text(first), "2024-02-01T00:00:00+00:00");
        assert_eq!(next - first, 29 * DAY);
        assert_eq!(month(next).0, next);
    }
}
