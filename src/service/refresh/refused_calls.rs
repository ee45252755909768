//! What refused calls say of a token whose assumed time is over and that nothing renews. A vendor also says 401 where one path alone is not
//! for this token, so one refusal is no end: the element's own call decides where it has one, or else many refusals with nothing else
//! between them.

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::warm_instances::LiveInstance;
use crate::protocol::VendorFault;
use crate::protocol::api_key::verification_call;
use crate::protocol::oauth2::expired::means_expired;
use crate::protocol::verification::{self, Meaning};
use crate::service::Services;
use crate::service::credentials::follow_up::PATIENCE;
use crate::service::process::traffic::Purpose;

/// So many refusals of calls, with no success between them …
const REFUSALS: u32 = 3;
/// … and at least so long after the first of them are an end.
const OVER: TimeDelta = TimeDelta::hours(1);
/// The vendor is asked about a token once in this time.
const BETWEEN_QUESTIONS: TimeDelta = TimeDelta::minutes(1);

/// Refusals of an instance's calls since one went through. In memory: what forgets the instance counts anew.
#[derive(Debug, Default)]
pub struct RefusedCalls {
    count: AtomicU32,
    /// Seconds since 1970.
    since: AtomicI64,
    asked_at: AtomicI64,
}

impl RefusedCalls {
    /// Of a credential that was read anew.
    pub fn carried(&self) -> Self {
        let of = |number: &AtomicI64| AtomicI64::new(number.load(Ordering::Relaxed));
        let count = AtomicU32::new(self.count.load(Ordering::Relaxed));
        Self { count, since: of(&self.since), asked_at: of(&self.asked_at) }
    }

    /// The vendor took the token. A load first: the line is shared by all cores, and a store would take it from them.
    pub fn end(&self) {
        if self.count.load(Ordering::Relaxed) != 0 {
            self.count.store(0, Ordering::Relaxed);
        }
    }

    /// One more. Whether they are an end.
    fn note(&self, now: DateTime<Utc>) -> bool {
        let count = self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if count == 1 {
            self.since.store(now.timestamp(), Ordering::Relaxed);
        }
        let since = self.since.load(Ordering::Relaxed);
        count >= REFUSALS && now.timestamp().saturating_sub(since) >= OVER.num_seconds()
    }

    /// Whether the vendor may be asked once more.
    fn may_ask(&self, now: DateTime<Utc>) -> bool {
        let before = self.asked_at.load(Ordering::Relaxed);
        let rested = now.timestamp().saturating_sub(before).saturating_abs() >= BETWEEN_QUESTIONS.num_seconds();
        rested && self.asked_at.compare_exchange(before, now.timestamp(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Services {
    /// Whether a token is over, after the vendor refused a call with it in the words of an expired one.
    pub(super) async fn is_over(&self, live: &LiveInstance) -> bool {
        let now = self.now();
        match &live.element.verification {
            None => live.refused_calls.note(now),
            Some(_) if !live.refused_calls.may_ask(now) => false,
            Some(_) => match self.says_expired(live).await {
                Ok(expired) => expired,
                Err(fault) => {
                    tracing::warn!(instance = live.id, %fault, "whether a token is over is not known");
                    false
                }
            },
        }
    }

    /// What the element's call says, which succeeds with every good token.
    async fn says_expired(&self, live: &LiveInstance) -> Result<bool, VendorFault> {
        let (Some(call), Some(oauth2)) = (&live.element.verification, &live.element.authentication.oauth2) else {
            return Ok(false);
        };
        let mut request = live.with_values(|values| verification_call(call, values))?;
        let Some((placement, secret)) = live.placed() else { return Ok(false) };
        request.place(placement, secret);
        request.timeout = request.timeout.min(PATIENCE);
        let reply = self.metrics.traffic.observe(&live.element, Purpose::Check, self.sender.send(&request)).await?;
        let body = reply.json();
        let refused = verification::meaning(call, &reply, body.as_ref()) == Meaning::Refused;
        Ok(refused && means_expired(oauth2, reply.status, body.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_an_end_after_an_hour_without_a_success() {
        let at = |minutes: i64| DateTime::from_timestamp(1_772_366_400 + minutes * 60, 0).unwrap();
        let refused = RefusedCalls::default();
        assert_eq!([0, 1, 59].map(|minute| refused.note(at(minute))), [false; 3]);
        assert!(refused.note(at(60)));
        refused.end();
        assert_eq!([61, 121, 122].map(|minute| refused.note(at(minute))), [false, false, true]);
        assert_eq!([0, 0, 1].map(|minute| refused.may_ask(at(minute))), [true, false, true]);
    }
}
