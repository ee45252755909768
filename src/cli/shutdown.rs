//! The end of `serve`: what was begun is finished, all of it by one deadline.

use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Ended;
use super::port::Door;
use super::sandbox_vendor::SandboxVendor;
use crate::http::Shared;
use crate::jobs::Jobs;
use crate::service::Services;
use crate::service::unstored::Journal;

/// Seconds for finishing what was begun, once the port is closed.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// After so long credentials that the database does not take go to the journal: `deploy/` and Kubernetes leave a process 30 s
/// or more.
const JOURNAL_AFTER: Duration = Duration::from_secs(20);

/// For giving leases back, when the database does not answer any more.
const GIVING_BACK: Duration = Duration::from_millis(500);

/// A supervisor and a shell may both say the same; who means it says it again later.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// For those who had begun to connect when the port closed to newcomers: their request is on the way.
const LAST_ARRIVALS: Duration = Duration::from_millis(300);

/// SIGTERM, SIGINT and SIGHUP: the first asks to finish what was begun, a second one to leave it.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    /// None where the process was told to survive it, as by `nohup`.
    hangup: Option<Signal>,
}

impl StopSignals {
    pub fn listen() -> std::io::Result<Self> {
        let hangup = if ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, hangup })
    }

    pub async fn asked(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = hangup => {}
        }
    }

    /// Waits for a signal that is not the first one once more.
    async fn asked_again(&mut self, first: Instant) {
        loop {
            self.asked().await;
            if first.elapsed() > SAME_SIGNAL {
                return;
            }
        }
    }
}

/// Whether the process was started with SIGHUP ignored. Linux tells in the first bit of a mask; elsewhere nobody is asked.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

/// What a ready server consists of.
pub struct Running {
    pub server: ServerHandle,
    pub shared: web::Data<Shared>,
    pub doors: Vec<Door>,
    /// How long the ports stay open for who has not noticed yet.
    pub drain: Duration,
    pub jobs: Jobs,
    pub services: Services,
    pub vendor: Option<SandboxVendor>,
    /// Where credentials go that the database does not take until the end.
    pub journal: Option<Journal>,
}

impl Running {
    /// Stops accepting and finishes what was begun. Fails with what had to be dropped, and why.
    pub async fn finish(self, signals: &mut StopSignals) -> Ended {
        let first = Instant::now();
        self.shared.lifetime.stop();
        tracing::info!(
            drain_s = self.drain.as_secs(),
            "stopping: what was begun is finished first, a second signal ends it at once"
        );
        let Self { server, shared, doors, drain, jobs, services, vendor, journal } = self;
        let rest = Rest { server, jobs, services, vendor };
        let finished = async {
            drain_ports(doors, drain).await;
            tokio::select! {
                () = rest.finish_all() => None,
                () = rest.unstored() => Some("the database does not take what was got from vendors".to_owned()),
                () = tokio::time::sleep(DEADLINE) => Some(format!("{} s were over", DEADLINE.as_secs())),
            }
        };
        let why = tokio::select! {
            why = finished => why,
            () = signals.asked_again(first) => Some("a second signal came".to_owned()),
        };
        // The last act, also after a forced end: what is dropped dies with the process, and nobody need find that out.
        let given_back = tokio::time::timeout(GIVING_BACK, rest.services.end_process()).await;
        if !matches!(given_back, Ok(Ok(_))) {
            tracing::warn!("leases were not given back: others find out that nobody holds them");
        }
        // The very last: a reply that came until now is in it.
        rest.services.leave_unstored(journal.as_ref()).await;
        let Some(why) = why else { return Ok(()) };
        let dropped = rest.unfinished(shared.lifetime.open());
        if dropped.is_empty() {
            tracing::warn!("stopped early, because {why}; nothing was under way");
            return Ok(());
        }
        Err(format!("stopped before everything was finished, because {why}; dropped: {}", dropped.join(", ")))
    }
}

/// Lets proxies find out. Their connections end with the next answer on each.
async fn drain_ports(doors: Vec<Door>, drain: Duration) {
    if drain.is_zero() {
        return;
    }
    tokio::time::sleep(drain).await;
    for door in doors {
        if let Err(error) = door.close_to_newcomers() {
            tracing::warn!(%error, "who connects in this moment may be cut off");
        }
    }
    tokio::time::sleep(LAST_ARRIVALS).await;
}

struct Rest {
    server: ServerHandle,
    jobs: Jobs,
    services: Services,
    vendor: Option<SandboxVendor>,
}

impl Rest {
    /// Ends when there is little time left and still something that the database did not take.
    async fn unstored(&self) {
        tokio::time::sleep(JOURNAL_AFTER).await;
        let mut before = None;
        loop {
            let oldest = self.services.unstored.oldest();
            // An ordinary commit is over by the next look.
            if oldest.is_some() && oldest == before {
                return;
            }
            before = oldest;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn finish_all(&self) {
        let jobs = async {
            self.jobs.stop().await;
            // Nobody reads the feed any more: the last requests ask the database.
            self.services.feed_trust.end();
        };
        tokio::join!(jobs, self.server.stop(true));
        if let Some(vendor) = &self.vendor {
            vendor.state.release();
        }
        // Requests may have started some until now.
        self.services.detached.drain().await;
        if let Err(error) = self.services.write_all_usage().await {
            tracing::warn!(?error, "the last uses of instances were not written");
        }
        if let Some(vendor) = &self.vendor {
            vendor.handle.stop(false).await;
        }
    }

    /// `requests`: those that were begun and not answered to their end.
    fn unfinished(&self, requests: usize) -> Vec<String> {
        let tasks = self.services.detached.running();
        let counts = [("requests", requests), ("tasks", tasks), ("background jobs", self.jobs.running())];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        counts.map(|(what, count)| format!("{what} ({count})")).collect()
    }
}
