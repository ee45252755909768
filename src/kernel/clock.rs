//! Time is injected, so that expiry is tested without sleeping.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, TimeZone, Utc};

/// Where the time comes from. Values are truncated to microseconds, which both databases keep.
pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;

    /// For durations: nobody sets it, and it never goes back.
    fn steady(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place where real time enters")]
        truncate(Utc::now())
    }

    fn steady(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    micros: AtomicI64,
    began: Instant,
    /// How far it was moved ahead, in microseconds.
    ahead: AtomicU64,
}

impl ManualClock {
    pub fn at(time: DateTime<Utc>) -> Self {
        Self { micros: AtomicI64::new(time.timestamp_micros()), began: Instant::now(), ahead: AtomicU64::new(0) }
    }

    /// Back, too: then it is as if somebody had set it.
    pub fn advance(&self, by: TimeDelta) {
        let micros = by.num_microseconds().unwrap_or(i64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
        self.ahead.fetch_add(u64::try_from(micros).unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        from_micros(self.micros.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Instant {
        let ahead = Duration::from_micros(self.ahead.load(Ordering::SeqCst));
        self.began.checked_add(ahead).unwrap_or(self.began)
    }
}

fn truncate(time: DateTime<Utc>) -> DateTime<Utc> {
    from_micros(time.timestamp_micros())
}

fn from_micros(micros: i64) -> DateTime<Utc> {
    Utc.timestamp_micros(micros).single().unwrap_or_default()
}

/// `2017-08-01T16:12:43Z`: whole seconds and `Z`, as the API writes every date (docs/api.md, Requests and replies).
pub fn api_date(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
