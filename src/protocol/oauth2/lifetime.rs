//! How long a token lives, in the spellings of vendors: a lifetime (RFC 6749 section 5.1), or a point in time as seconds to
//! microseconds since 1970 or as a date; each as number or text.

use chrono::{DateTime, Datelike as _, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use serde_json::Value;

/// Seconds above it are no lifetime but a time since 1970: thirty-one years, or the year 2001.
const LONGEST: f64 = 1e9;
/// From here on they are milliseconds: the year 5138, or 1973.
const MILLISECONDS: f64 = 1e11;
/// The last millisecond of the calendar. What is above it means "never".
const END_OF_TIME: f64 = 253_402_300_799_999.0;

/// As microseconds these are the years 2001 to 2286; a lifetime of thirty million years nobody means.
const MICROSECONDS: std::ops::RangeInclusive<f64> = 1e15..=1e16;

/// What somebody writes of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelled {
    /// So many seconds, from when the token was got.
    Lifetime(i64),
    /// At this time, which may be over.
    At(DateTime<Utc>),
}

impl Spelled {
    /// None: for ever. `since`: when the token was got.
    pub fn end(self, since: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::Lifetime(seconds) => expiry(since, seconds),
            Self::At(end) => Some(end),
        }
    }
}

/// Seconds from now; nothing from zero, negatives, the past and nonsense.
pub fn read(value: &Value, now: DateTime<Utc>) -> Option<i64> {
    match spelled(value)? {
        Spelled::Lifetime(seconds) => Some(seconds),
        Spelled::At(end) => until(end, now),
    }
}

/// As it is written; nothing from zero, negatives and nonsense.
pub fn spelled(value: &Value) -> Option<Spelled> {
    match value {
        Value::Number(number) => of_number(number.as_f64()?),
        Value::String(text) => match text.trim().parse() {
            Ok(number) => of_number(number),
            Err(_) => date(text.trim()).map(Spelled::At),
        },
        _ => None,
    }
}

/// When it is over. A lifetime beyond four-digit years means "never" (1e18 seconds have been seen).
pub fn expiry(since: DateTime<Utc>, seconds: i64) -> Option<DateTime<Utc>> {
    let end = TimeDelta::try_seconds(seconds).and_then(|lifetime| since.checked_add_signed(lifetime));
    end.filter(|end| end.year() <= 9999)
}

fn of_number(number: f64) -> Option<Spelled> {
    #[expect(clippy::as_conversions, reason = "the cast saturates, which is what a lifetime of 1e300 seconds means")]
    let whole = number as i64;
    match number {
        1.0..=LONGEST => Some(Spelled::Lifetime(whole)),
        LONGEST..MILLISECONDS => DateTime::from_timestamp(whole, 0).map(Spelled::At),
        MILLISECONDS..=END_OF_TIME => DateTime::from_timestamp_millis(whole).map(Spelled::At),
        microseconds if MICROSECONDS.contains(&microseconds) => DateTime::from_timestamp_micros(whole).map(Spelled::At),
        END_OF_TIME.. => Some(Spelled::Lifetime(whole)),
        _ => None,
    }
}

fn until(end: DateTime<Utc>, now: DateTime<Utc>) -> Option<i64> {
    // Of a whole second nothing is lost by a clock that shows a part of one.
    let left = end.signed_duration_since(now).num_milliseconds().checked_add(999)? / 1000;
    (left >= 1).then_some(left)
}

/// A date of RFC 3339, one of ISO 8601 with `+0000`, `+00` or without a zone (then it is UTC), a day alone (its first moment),
/// Ruby's, PostgreSQL's, or one of RFC 9110 section 5.6.7.
fn date(text: &str) -> Option<DateTime<Utc>> {
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f %z"))
        .or_else(|_| DateTime::parse_from_rfc2822(text));
    if let Ok(zoned) = zoned {
        return Some(zoned.to_utc());
    }
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f UTC"];
    let local = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let day = || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN));
    local.or_else(day).map(|local| local.and_utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_366_400, 0).unwrap()
    }

    #[test]
    fn an_hour_is_an_hour_in_every_spelling() {
        for hour in [
            json!(3600),
            json!("3600"),
            json!(3600.7),
            // Strava's and Square's `expires_at` (lelylan/simple-oauth2 pull request 277), Azure AD 1.0's `expires_on`.
            json!(1_772_370_000),
            json!("1772370000"),
            json!(1_772_370_000_000_i64),
            json!(" 1772370000000 "),
            // Square's Connect API, RFC 3339.
            json!("2026-03-01T13:00:00Z"),
            json!("2026-03-01T14:00:00+01:00"),
            json!("2026-03-01T13:00:00.000Z"),
            // Facebook's Graph API.
            json!("2026-03-01T13:00:00+0000"),
            // Python's `datetime.isoformat()` without a zone, and SQL's spelling.
            json!("2026-03-01T13:00:00"),
            json!("2026-03-01 13:00:00.5"),
            // PostgreSQL's `timestamptz` (documentation, "Date/Time Output"), and Go's `UnixMicro`.
            json!("2026-03-01 13:00:00+00"),
            json!("2026-03-01 14:00:00.25+01"),
            json!(1_772_370_000_000_000_i64),
            // Ruby's `Time#to_s`, of a time in UTC and of another one.
            json!("2026-03-01 13:00:00 UTC"),
            json!("2026-03-01 13:00:00 +0000"),
            json!("2026-03-01 14:00:00 +0100"),
            // RFC 9110 section 5.6.7, as cookies have it.
            json!("Sun, 01 Mar 2026 13:00:00 GMT"),
        ] {
            let read = read(&hour, now()).unwrap_or_else(|| panic!("{hour}"));
            assert!((3600..=3601).contains(&read), "{hour}: {read}");
        }
    }

    #[test]
    fn a_time_that_is_over_is_one_all_the_same() {
        let over = DateTime::from_timestamp(1_772_366_399, 0).unwrap();
        for value in [json!(1_772_366_399), json!("1772366399000"), json!("2026-03-01T11:59:59Z")] {
            assert_eq!(spelled(&value), Some(Spelled::At(over)), "{value}");
        }
        assert_eq!(spelled(&json!("600")).and_then(|it| it.end(over)), DateTime::from_timestamp(1_772_366_999, 0));
        assert_eq!(spelled(&json!(1e18)).map(|it| it.end(over)), Some(None), "for ever");
    }

    #[test]
    fn a_day_is_its_first_moment() {
        let day = DateTime::from_timestamp(1_772_409_600, 0).unwrap();
        assert_eq!(spelled(&json!("2026-03-02")), Some(Spelled::At(day)));
        assert_eq!(spelled(&json!("2026-13-02")), None);
    }

    #[test]
    fn what_is_over_or_nonsense_is_no_lifetime() {
        let over =
            [json!(1_772_366_400), json!("2026-03-01T12:00:00Z"), json!(1_772_366_399_000_i64), json!(1_000_000_001)];
        let nonsense =
            [json!(0), json!(-5), json!("soon"), json!(""), json!(true), json!([1]), json!("NaN"), json!(null)];
        for value in over.iter().chain(&nonsense) {
            assert_eq!(read(value, now()), None, "{value}");
        }
        assert_eq!(read(&json!(1_000_000_000), now()), Some(1_000_000_000));
        for forever in [json!(1e18), json!(u64::MAX), json!("1e300"), json!("inf"), json!(253_402_300_800_000_i64)] {
            let lifetime = read(&forever, now()).expect("a lifetime");
            assert_eq!(expiry(now(), lifetime), None, "{forever}");
        }
    }
}
