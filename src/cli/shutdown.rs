//! The end of `serve`: what was begun is finished, all of it by one deadline.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Ended;
use super::sandbox_vendor::SandboxVendor;
use crate::jobs::Jobs;
use crate::service::Services;

/// Seconds from the first signal to the end, at the latest.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// After so long credentials that the database does not take go to the journal: whoever ends this process by force does so
/// after 30 s at the earliest.
const JOURNAL_AFTER: Duration = Duration::from_secs(20);

/// For giving leases back, when the database does not answer any more.
const GIVING_BACK: Duration = Duration::from_millis(500);

/// SIGTERM and SIGINT: the first asks to finish what was begun, the second to leave it.
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a ready server consists of.
pub struct Running {
    pub server: ServerHandle,
    pub jobs: Jobs,
    pub services: Services,
    pub vendor: Option<SandboxVendor>,
    /// Where credentials go that the database does not take until the end.
    pub journal: Option<PathBuf>,
}

impl Running {
    /// Stops accepting and finishes what was begun. Fails with what had to be dropped, and why.
    pub async fn finish(self, signals: &mut StopSignals) -> Ended {
        tracing::info!("stopping: what was begun is finished first, a second signal ends it at once");
        let answered = Cell::new(false);
        let why = tokio::select! {
            () = self.finish_all(&answered) => None,
            () = signals.asked() => Some("a second signal came".to_owned()),
            () = tokio::time::sleep(DEADLINE) => Some(format!("{} s were over", DEADLINE.as_secs())),
            () = self.unstored() => Some("the database does not take what was got from vendors".to_owned()),
        };
        self.services.leave_unstored(self.journal.as_deref()).await;
        // The last act, also after a forced end: what is dropped dies with the process, and nobody need find that out.
        let given_back = tokio::time::timeout(GIVING_BACK, self.services.end_process()).await;
        if !matches!(given_back, Ok(Ok(_))) {
            tracing::warn!("leases were not given back: others find out that nobody holds them");
        }
        let Some(why) = why else { return Ok(()) };
        let dropped = self.unfinished(answered.get()).join(", ");
        Err(format!("stopped before everything was finished, because {why}; dropped: {dropped}"))
    }

    /// Ends when there is little time left and still something that the database did not take.
    async fn unstored(&self) {
        tokio::time::sleep(JOURNAL_AFTER).await;
        while self.services.unstored.count() == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn finish_all(&self, answered: &Cell<bool>) {
        let jobs = async {
            self.jobs.stop().await;
            // Nobody reads the feed any more: the last requests ask the database.
            self.services.feed_trust.end();
        };
        tokio::join!(jobs, async {
            self.server.stop(true).await;
            answered.set(true);
        });
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

    fn unfinished(&self, answered: bool) -> Vec<String> {
        let requests = (!answered).then(|| "open requests".to_owned());
        let counts = [("tasks", self.services.detached.running()), ("background jobs", self.jobs.running())];
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        requests.into_iter().chain(counts.map(|(what, count)| format!("{what} ({count})"))).collect()
    }
}
