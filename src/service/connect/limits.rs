//! Addresses of links that do not exist, counted by who asks: whoever guesses is told to wait. An address that exists is
//! always answered, because 256 bits cannot be guessed, and others may sit behind the same network.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{Quota, RateLimiter};

use crate::kernel::clock::Clock;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::process::limiter::{InjectedClock, Limiter, network};

/// In a minute, and at once: more than mistyped addresses of a whole office.
const MISSES: NonZeroU32 = NonZeroU32::new(30).unwrap();
/// Tries of one link in a minute, and at once: more than anybody's impatience.
const STARTS: NonZeroU32 = NonZeroU32::new(20).unwrap();

pub struct LinkLimits {
    misses: Limiter<IpAddr>,
    starts: Limiter<i64>,
}

impl LinkLimits {
    pub fn new(clock: &Arc<dyn Clock>) -> Self {
        let clock = || InjectedClock(Arc::clone(clock));
        Self {
            misses: RateLimiter::dashmap_with_clock(Quota::per_minute(MISSES), clock()),
            starts: RateLimiter::dashmap_with_clock(Quota::per_minute(STARTS), clock()),
        }
    }

    /// After a look-up that found nothing: fails for those who look up too much.
    pub fn note_miss(&self, address: Option<IpAddr>) -> Result<(), ApiError> {
        let Some(network) = address.map(network) else { return Ok(()) };
        let message = "Too many addresses that do not exist were tried: try again in a minute.";
        self.misses.check_key(&network).map_err(|_| too_many(message))
    }

    /// Before an attempt to connect: each writes, and may ask the vendor.
    pub fn note_start(&self, link: i64) -> Result<(), ApiError> {
        let message = "This link was tried too often: try again in a minute.";
        self.starts.check_key(&link).map_err(|_| too_many(message))
    }

    /// Forgets who has not guessed or tried for a while.
    pub fn sweep(&self) {
        self.misses.retain_recent();
        self.starts.retain_recent();
    }
}

fn too_many(message: &str) -> ApiError {
    ApiError::new(Code::TooManyRequests, message).with_retry_after(60)
}
