//! What a vendor says of when to come again.

use std::time::Duration;

use chrono::DateTime;
use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// Seconds, or a date (RFC 9110 section 10.2.3). A date is measured from the reply's own `Date`, so that no two clocks are compared;
/// none without one, and none of what cannot be read.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(seconds) = asked.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (until, now) = (DateTime::parse_from_rfc2822(asked).ok()?, DateTime::parse_from_rfc2822(text(DATE)?).ok()?);
    // What is over already asks for no pause.
    Some(until.signed_duration_since(now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let read = |pairs: &[(HeaderName, &str)]| {
            let headers: HeaderMap = pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            retry_after(&headers).map(|pause| pause.as_secs())
        };
        let (now, later) = ("Sun, 01 Mar 2026 12:00:00 GMT", "Sun, 01 Mar 2026 12:02:00 GMT");
        assert_eq!(read(&[(RETRY_AFTER, " 7 ")]), Some(7));
        assert_eq!(read(&[(RETRY_AFTER, later), (DATE, now)]), Some(120));
        assert_eq!(read(&[(RETRY_AFTER, now), (DATE, later)]), Some(0));
        for unread in ["soon", "-1", later] {
            assert_eq!(read(&[(RETRY_AFTER, unread)]), None, "{unread}");
        }
        assert_eq!(read(&[]), None);
    }
}
