//! Addresses of links that do not exist, counted by who asks: whoever guesses is not answered for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use governor::{Quota, RateLimiter};

use crate::kernel::clock::Clock;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::sign_in_limits::{InjectedClock, Limiter, network};

/// In a minute, and at once: more than mistyped addresses of a whole office.
const MISSES: NonZeroU32 = NonZeroU32::new(30).unwrap();
const SILENCE: TimeDelta = TimeDelta::minutes(1);

pub struct LinkGuesses {
    clock: Arc<dyn Clock>,
    misses: Limiter<IpAddr>,
    /// Who is not answered, and until when.
    silenced: Mutex<HashMap<IpAddr, DateTime<Utc>>>,
}

impl LinkGuesses {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let misses = RateLimiter::dashmap_with_clock(Quota::per_minute(MISSES), InjectedClock(Arc::clone(&clock)));
        Self { clock, misses, silenced: Mutex::default() }
    }

    /// Before a look-up. A good address is refused too: the answer would tell it from a bad one.
    pub fn check(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        let Some(network) = address.map(network) else { return Ok(()) };
        let now = self.clock.now();
        let until = self.silenced.lock().unwrap_or_else(PoisonError::into_inner).get(&network).copied();
        let Some(until) = until.filter(|until| *until > now) else { return Ok(()) };
        let seconds = u64::try_from(until.signed_duration_since(now).num_seconds()).unwrap_or(0).saturating_add(1);
        let message = format!("Too many addresses that do not exist were tried: try again in {seconds} s.");
        Err(ApiError::new(Code::TooManyRequests, message).with_retry_after(seconds))
    }

    /// After a look-up that found nothing.
    pub fn note_miss(&self, address: Option<IpAddr>) {
        let Some(network) = address.map(network) else { return };
        if self.misses.check_key(&network).is_err() {
            let now = self.clock.now();
            let until = now.checked_add_signed(SILENCE).unwrap_or(now);
            self.silenced.lock().unwrap_or_else(PoisonError::into_inner).insert(network, until);
        }
    }

    /// Forgets who has not guessed for a while.
    pub fn sweep(&self) {
        self.misses.retain_recent();
        let now = self.clock.now();
        self.silenced.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
    }
}
