//! What a vendor says of when to come again.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

use crate::catalog::calls::{Wait, WaitUnit};

/// Seconds, or a date (RFC 9110 section 10.2.3). A date is measured from the reply's own `Date`, so that no two clocks are compared,
/// and from `now`, when it came, where it has none (section 6.6.1). None of what cannot be read.
pub fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(asked)?;
    let now = text(DATE).and_then(http_date).unwrap_or(now);
    // What is over already asks for no pause. A part of a second is a second, or who comes then comes too early.
    let rest = until.signed_duration_since(now).to_std().unwrap_or_default();
    Some(Duration::from_secs(rest.as_secs().saturating_add(u64::from(rest.subsec_nanos() > 0))))
}

/// What `Retry-After` asks for, or else the first of these headers that says something.
pub fn wait_asked(waits: &[Wait], headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    retry_after(headers, now).or_else(|| waits.iter().find_map(|wait| wait_of(wait, headers, now)))
}

/// Numbers, also with a fraction (SpaceTradersAPI/api-docs 24). A part of a second is a second.
fn wait_of(wait: &Wait, headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let said: f64 = headers.get(&wait.header)?.to_str().ok()?.trim().parse().ok()?;
    let point = Duration::try_from_secs_f64(match wait.unit {
        WaitUnit::Seconds | WaitUnit::EpochSeconds => said,
        WaitUnit::Milliseconds | WaitUnit::EpochMilliseconds => said / 1_000.0,
    });
    let now = Duration::from_millis(u64::try_from(now.timestamp_millis()).ok()?);
    let rest = match wait.unit {
        WaitUnit::Seconds | WaitUnit::Milliseconds => point.ok()?,
        WaitUnit::EpochSeconds | WaitUnit::EpochMilliseconds => point.ok()?.saturating_sub(now),
    };
    Some(Duration::from_secs(rest.as_secs().saturating_add(u64::from(rest.subsec_nanos() > 0))))
}

/// In each of the three forms that a recipient must accept (RFC 9110 section 5.6.7).
fn http_date(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = DateTime::parse_from_rfc2822(text) {
        return Some(date.to_utc());
    }
    let obsolete = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = obsolete.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
    Some(date.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_headers_say_it_too() {
        let now = http_date("Sun, 01 Mar 2026 12:00:30 GMT").unwrap();
        let read = |unit, said: &str, asked: Option<&str>| {
            let waits = [Wait { header: "X-RateLimit-Reset".to_owned(), unit }];
            let mut headers: HeaderMap =
                [(HeaderName::from_static("x-ratelimit-reset"), said.parse().unwrap())].into_iter().collect();
            asked.map(|asked| headers.insert(RETRY_AFTER, asked.parse().unwrap()));
            wait_asked(&waits, &headers, now).map(|pause| pause.as_secs())
        };
        for (unit, said, seconds) in [
            // GitHub REST API, "Rate limits": UTC epoch seconds; Linear's `X-RateLimit-Requests-Reset`: milliseconds; the others count.
            (WaitUnit::EpochSeconds, "1772366490", Some(60)),
            (WaitUnit::EpochSeconds, "1", Some(0)),
            (WaitUnit::EpochMilliseconds, "1772366490000", Some(60)),
            (WaitUnit::Seconds, " 5 ", Some(5)),
            (WaitUnit::Seconds, "0.493", Some(1)),
            (WaitUnit::Milliseconds, "1500", Some(2)),
            (WaitUnit::Seconds, "soon", None),
            (WaitUnit::Seconds, "-5", None),
            (WaitUnit::Seconds, "NaN", None),
            (WaitUnit::EpochSeconds, "1e300", None),
        ] {
            assert_eq!(read(unit, said, None), seconds, "{said}");
        }
        assert_eq!(read(WaitUnit::Seconds, "60", Some("7")), Some(7));
    }

    #[test]
    fn seconds_and_dates_are_read() {
        let came = http_date("Sun, 01 Mar 2026 12:00:30 GMT").unwrap();
        let read = |pairs: &[(HeaderName, &str)]| {
            let headers: HeaderMap = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            retry_after(&headers, came).map(|pause| pause.as_secs())
        };
        let (now, later) = ("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:02:00 GMT");
        assert_eq!(read(&[(RETRY_AFTER, " 7 ")]), Some(7));
        assert_eq!(read(&[(RETRY_AFTER, later), (DATE, now)]), Some(120));
        assert_eq!(read(&[(RETRY_AFTER, now), (DATE, later)]), Some(0));
        // Small servers, and stubs, send no `Date`.
        assert_eq!(read(&[(RETRY_AFTER, later)]), Some(90));
        assert_eq!(read(&[(RETRY_AFTER, "Sunday, 01-Mar-26 12:02:00 GMT")]), Some(90));
        assert_eq!(read(&[(RETRY_AFTER, "Sun Mar  1 12:02:00 2026")]), Some(90));
        for unread in ["soon", "-1", "Sun, 99 Mar 2026 12:02:00 GMT"] {
            assert_eq!(read(&[(RETRY_AFTER, unread)]), None, "{unread}");
        }
        assert_eq!(read(&[]), None);
    }
}
