//! What a vendor says of when to come again.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

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
