//! Attempts to sign in, counted before the password is looked at.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use crate::kernel::clock::Clock;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// In a minute, and at once.
const PER_ADDRESS: NonZeroU32 = NonZeroU32::new(60).unwrap();
const PER_NAME: NonZeroU32 = NonZeroU32::new(10).unwrap();
/// Characters of an e-mail address (RFC 5321 section 4.5.3.1).
const LONGEST_ADDRESS: usize = 320;

pub struct SignInLimits {
    clock: InjectedClock,
    per_address: Limiter<IpAddr>,
    per_name: Limiter<String>,
}

pub(super) type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, InjectedClock, NoOpMiddleware<Duration>>;

/// The limiter's own default asks the machine.
#[derive(Clone)]
pub(super) struct InjectedClock(pub Arc<dyn Clock>);

impl governor::clock::Clock for InjectedClock {
    /// Since 1970.
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().timestamp_micros()).unwrap_or(0))
    }
}

impl SignInLimits {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let clock = InjectedClock(clock);
        Self {
            per_address: RateLimiter::dashmap_with_clock(Quota::per_minute(PER_ADDRESS), clock.clone()),
            per_name: RateLimiter::dashmap_with_clock(Quota::per_minute(PER_NAME), clock.clone()),
            clock,
        }
    }

    pub fn check(&self, address: Option<IpAddr>, name: &str) -> Result<(), ApiError> {
        // As the database looks it up, or padding would make a new name; no longer than an address can be.
        let name = name.trim().chars().take(LONGEST_ADDRESS).collect::<String>().to_lowercase();
        let by_address = address.map_or(Ok(()), |address| self.per_address.check_key(&network(address)));
        by_address.and_then(|()| self.per_name.check_key(&name)).map_err(|wait| {
            let seconds = wait.wait_time_from(self.clock.now()).as_secs().saturating_add(1);
            let message = format!("Too many attempts to sign in: try again in {seconds} s.");
            ApiError::new(Code::TooManyRequests, message).with_retry_after(seconds)
        })
    }

    /// Forgets who has not tried for a while.
    pub fn sweep(&self) {
        self.per_address.retain_recent();
        self.per_name.retain_recent();
    }
}

/// Who has one IPv6 address has a network of them (RFC 6177): the network counts.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}
