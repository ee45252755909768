//! When a credential is renewed.

use chrono::{DateTime, TimeDelta, Utc};

use crate::catalog::oauth2::Refresh;

pub(in crate::service) fn lease_name(instance: i64) -> String {
    format!("refresh/{instance}")
}

/// When the background job looks at a credential: somewhat before a use would, spread out; or before its refresh token
/// dies unused.
pub(in crate::service) fn due_at(
    rules: &Refresh,
    id: i64,
    expires_at: Option<DateTime<Utc>>,
    refreshed_at: Option<DateTime<Utc>>,
) -> Option<DateTime<Utc>> {
    let by_expiry = expires_at.and_then(|end| {
        let ahead = ahead(end, refreshed_at);
        // Multiplicative hashing: neighbouring ids are not due together.
        let spread = ahead.checked_mul(i32::try_from(id.wrapping_mul(0x9E37_79B1).rem_euclid(1000)).ok()?)? / 1000;
        end.checked_sub_signed(ahead)?.checked_sub_signed(spread)
    });
    by_expiry.into_iter().chain(idle_at(rules, refreshed_at)).min()
}

/// When four fifths of the time have gone that an unused refresh token lives.
pub(in crate::service) fn idle_at(rules: &Refresh, refreshed_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    let limit = TimeDelta::try_seconds(i64::try_from(rules.idle_limit?).ok()?)?;
    refreshed_at?.checked_add_signed(limit / 5 * 4)
}

/// When somebody is told that a refresh token ends: a week before, and of one that lives less than two weeks after half of its
/// time. One that lives for less than a day is a session, which nobody can plan with.
pub(in crate::service) fn tell_end_at(ends_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let lifetime = ends_at.signed_duration_since(now);
    let ahead = (lifetime / 2).min(TimeDelta::weeks(1));
    if lifetime < TimeDelta::days(1) { None } else { ends_at.checked_sub_signed(ahead) }
}

/// The end of the refresh token behind a refresh, and when it is to be told. `before`: as both were; `told`: as the reply says.
/// `kept`: it is the same token.
pub(in crate::service) fn renewed_end(
    before: (Option<DateTime<Utc>>, Option<DateTime<Utc>>),
    told: Option<DateTime<Utc>>,
    kept: bool,
    now: DateTime<Utc>,
) -> (Option<DateTime<Utc>>, Option<DateTime<Utc>>) {
    // The vendor counts down to the same end, and its seconds are rounded.
    let same = |end: DateTime<Utc>| before.0.is_some_and(|known| (end - known).abs() <= TimeDelta::minutes(2));
    match told {
        Some(end) if same(end) => before,
        Some(end) => (Some(end), tell_end_at(end, now)),
        None if kept => before,
        None => (None, None),
    }
}

/// A tenth of the lifetime before its end, but at most five minutes.
pub(in crate::service) fn ageing_from(expires_at: DateTime<Utc>, since: Option<DateTime<Utc>>) -> DateTime<Utc> {
    expires_at.checked_sub_signed(ahead(expires_at, since)).unwrap_or(expires_at)
}

pub(in crate::service) fn ahead(expires_at: DateTime<Utc>, since: Option<DateTime<Utc>>) -> TimeDelta {
    let lifetime = since.map_or(TimeDelta::hours(1), |since| expires_at.signed_duration_since(since));
    (lifetime / 10).clamp(TimeDelta::zero(), TimeDelta::minutes(5))
}
