//! What limiters of rates and failures count by.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use governor::RateLimiter;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;

use crate::kernel::clock::Clock;

/// Who has one IPv6 address has a network of them (RFC 6177): the network counts.
pub(in crate::service) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}

pub(in crate::service) type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, InjectedClock, NoOpMiddleware<Duration>>;

/// The limiter's own default asks the machine.
#[derive(Clone)]
pub(in crate::service) struct InjectedClock(pub Arc<dyn Clock>);

impl governor::clock::Clock for InjectedClock {
    /// Since 1970.
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.now().timestamp_micros()).unwrap_or(0))
    }
}
