//! How long queries wait before they run, for an operator's monitoring.

use std::time::Instant;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::connection::Access;

/// Seconds. Who waits for five is told that the database is not available.
const BUCKETS: [f64; 7] = [0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 5.0];

/// By lane.
pub type Waits = Family<[(&'static str, &'static str); 1], Histogram, fn() -> Histogram>;

/// The two of them. Cheap to clone.
#[derive(Clone)]
pub(super) struct LaneWaits {
    pub all: Waits,
    read: Histogram,
    write: Histogram,
}

impl Default for LaneWaits {
    fn default() -> Self {
        let make: fn() -> Histogram = || Histogram::new(BUCKETS);
        let all = Waits::new_with_constructor(make);
        let of = |lane| all.get_or_create_owned(&[("lane", lane)]);
        let (read, write) = (of("read"), of("write"));
        Self { all, read, write }
    }
}

impl LaneWaits {
    pub fn observe(&self, access: Access, since: Instant) {
        let lane = match access {
            Access::Read => &self.read,
            Access::Write => &self.write,
        };
        lane.observe(since.elapsed().as_secs_f64());
    }
}
