//! Floor 5: what runs by itself.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::kernel::error::ApiError;
use crate::kernel::request_id::RequestId;
use crate::service::Services;
use crate::service::change_feed::FeedPosition;
use crate::service::credentials::revoke_grants;
use crate::service::ground::KEPT_FOR;
use crate::service::notices::sending;
use crate::service::refresh::due;
use crate::service::work::Kind;
use crate::service::work::dispatcher::Dispatcher;
use crate::store::{
    StoreFault, changes, grants, idempotency, notices, processes, revocations, sessions, spent_codes, work,
};

/// How often links are looked for whose time is over: it is told within a minute.
pub const LINKS_EVERY: Duration = Duration::from_secs(20);
/// How often refresh tokens are looked for that end soon.
const ENDS_EVERY: Duration = Duration::from_secs(600);
/// How often the log of each process says where the audit log ends.
const AUDIT_HEAD_EVERY: Duration = Duration::from_secs(3600);

/// Every kind of work that is due at times.
const KINDS: [&Kind; 3] = [&sending::KIND, &revoke_grants::KIND, &due::KIND];

/// The running jobs.
pub struct Jobs {
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Jobs that are in the middle of a round.
    at_work: Arc<AtomicUsize>,
    work: Arc<Dispatcher>,
}

impl Jobs {
    /// Starts them. `position`: how far the change feed was read.
    pub fn start(services: &Services, position: FeedPosition) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let work = Arc::new(Dispatcher::of(&KINDS));
        let jobs = Self { stop, tasks, at_work: Arc::default(), work };
        let position = Arc::new(Mutex::new(position));
        jobs.every(Duration::from_secs(1), services, move |services| {
            let position = Arc::clone(&position);
            async move {
                services.follow_changes(&mut *position.lock().await).await;
                Ok(())
            }
        });
        jobs.every(
            Duration::from_secs(1),
            services,
            |services| async move { services.chain_audit_log().await.map(drop) },
        );
        jobs.every(AUDIT_HEAD_EVERY, services, |services| async move { services.log_audit_head().await });
        jobs.every(Duration::from_secs(5), services, |services| async move { services.write_usage().await });
        jobs.every(LINKS_EVERY, services, |services| async move { services.expire_links().await.map(drop) });
        jobs.every(LINKS_EVERY, services, |services| async move { services.lapse_held().await.map(drop) });
        jobs.every(ENDS_EVERY, services, |services| async move { services.tell_token_ends().await.map(drop) });
        jobs.every(Duration::from_secs(600), services, |services| async move {
            services.sign_in_limits.sweep();
            services.link_limits.sweep();
            purge(&services).await?;
            services.forget_links().await?;
            services.lapse_audit_log().await?;
            services.retire_data_keys().await
        });
        if !services.standstill.is_clone() {
            jobs.call_out(services);
        }
        jobs
    }

    /// What sends something to somebody.
    fn call_out(&self, services: &Services) {
        let (work, looking) = (Arc::clone(&self.work), Arc::clone(&self.work));
        self.again_and_again(
            move || looking.pause(),
            services,
            move |services| {
                let work = Arc::clone(&work);
                async move { services.do_due_work(&work).await.map(drop) }
            },
        );
    }

    fn every<W, F>(&self, pause: Duration, services: &Services, work: W)
    where
        W: Fn(Services) -> F + Send + 'static,
        F: Future<Output = Result<(), ApiError>> + Send,
    {
        self.again_and_again(move || pause, services, work);
    }

    /// Runs `work` again and again until `stop`; a failure is logged and the next round comes.
    fn again_and_again<W, F>(&self, pause: impl Fn() -> Duration + Send + 'static, services: &Services, work: W)
    where
        W: Fn(Services) -> F + Send + 'static,
        F: Future<Output = Result<(), ApiError>> + Send,
    {
        let (stop, services, at_work) = (self.stop.clone(), services.clone(), Arc::clone(&self.at_work));
        self.tasks.spawn(async move {
            loop {
                at_work.fetch_add(1, Ordering::Relaxed);
                // What a round writes to the log is found together, as what a call does.
                let work = work(services.clone());
                let round = async {
                    if let Err(error) = work.await {
                        tracing::warn!(?error, "a background job failed");
                    }
                };
                RequestId::draw(services.entropy.as_ref()).scope(round).await;
                at_work.fetch_sub(1, Ordering::Relaxed);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause()) => {}
                }
            }
        });
    }

    /// How many are at something that they have begun.
    pub fn running(&self) -> usize {
        self.at_work.load(Ordering::Relaxed).saturating_add(self.work.running())
    }

    /// Lets every job finish its round.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.work.stop();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Removes what nobody will ask for again.
pub async fn purge(services: &Services) -> Result<(), StoreFault> {
    let now = services.now();
    let before = |age: TimeDelta| now.checked_sub_signed(age).unwrap_or(now);
    let (process, locks) = (services.process, services.store.has_sessions());
    let (answers, feed, told) = (before(KEPT_FOR), before(TimeDelta::minutes(10)), before(TimeDelta::days(30)));
    services
        .store
        .write(move |conn| {
            grants::purge(conn, now)?;
            idempotency::purge(conn, answers)?;
            spent_codes::purge(conn, answers)?;
            changes::purge(conn, feed)?;
            notices::purge(conn, told)?;
            revocations::purge(conn, now)?;
            sessions::purge(conn, now)?;
            work::purge(conn, now)?;
            processes::note(conn, process, locks, now)?;
            processes::purge(conn, answers)?;
            Ok(())
        })
        .await
}
