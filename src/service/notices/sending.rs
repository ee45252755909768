//! The job that sends: in one process at a time, as often as it takes. A receiver that is slow, or one subject that is
//! stuck, holds up nobody else.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::request_of;
use super::schedule::after_failure;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::{VendorFault, VendorReply, standard_webhooks};
use crate::service::Services;
use crate::service::process::leases::{Lead, Standing};
use crate::store::notices::{self, Attempt, Delivery, Fate, Full};

/// At once, to all receivers, to those of one organization, and to one.
const AT_ONCE: usize = 128;
const OF_ONE: usize = 32;
const TO_ONE: usize = 8;
const LOOK_FOR: i64 = 256;
/// Between two looks, while something is under way: the longest, and the shortest.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOKS_APART: Duration = Duration::from_millis(20);
const LEASE: &str = "job/notices";

/// The job's own state, in the process that leads.
#[derive(Default)]
pub struct Sending {
    under_way: Mutex<UnderWay>,
    lead: Lead,
    tasks: TaskTracker,
    /// Something came to its end.
    ended: Notify,
    stop: CancellationToken,
}

#[derive(Default)]
struct UnderWay {
    notices: HashSet<i64>,
    /// Since the last look began: a look that began before may still take them for due.
    ended: HashSet<i64>,
    by_receiver: HashMap<i64, usize>,
    by_organization: HashMap<i64, usize>,
}

impl UnderWay {
    /// False when it is under way already, or when enough is.
    fn begin(&mut self, notice: &Delivery) -> bool {
        let to_one = self.by_receiver.entry(notice.receiver()).or_default();
        let of_one = self.by_organization.entry(notice.organization_id).or_default();
        let enough = self.notices.len() >= AT_ONCE || *of_one >= OF_ONE || *to_one >= TO_ONE;
        if enough || self.ended.contains(&notice.id) || !self.notices.insert(notice.id) {
            return false;
        }
        *to_one = to_one.saturating_add(1);
        *of_one = of_one.saturating_add(1);
        true
    }

    fn end(&mut self, notice: &Delivery) {
        self.notices.remove(&notice.id);
        self.ended.insert(notice.id);
        let to_one = (&mut self.by_receiver, notice.receiver());
        for (counts, key) in [to_one, (&mut self.by_organization, notice.organization_id)] {
            if let Some(count) = counts.get_mut(&key) {
                *count = count.saturating_sub(1);
            }
            counts.retain(|_, count| *count > 0);
        }
    }

    /// Who has enough under way.
    fn full(&self) -> Full {
        let at = |counts: &HashMap<i64, usize>, most: usize| {
            counts.iter().filter(|(_, count)| **count >= most).map(|(key, _)| *key).collect()
        };
        Full { receivers: at(&self.by_receiver, TO_ONE), organizations: at(&self.by_organization, OF_ONE) }
    }
}

impl Sending {
    /// How many are being sent.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Until the next look, when there was nothing to do.
    pub fn pause(&self) -> Duration {
        self.lead.pause(LOOK_EVERY)
    }

    /// No further one is begun.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Waits for what is under way.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }

    fn locked<T>(&self, work: impl FnOnce(&mut UnderWay) -> T) -> T {
        work(&mut self.under_way.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Why an attempt failed.
struct Refusal {
    status: Option<u16>,
    /// Seconds that the receiver wants to be left alone.
    retry_after: Option<u64>,
    error: String,
    /// No further one would do better.
    last: bool,
}

impl Refusal {
    fn unanswered(error: &str) -> Self {
        Self { status: None, retry_after: None, error: error.to_owned(), last: false }
    }

    fn of(reply: &VendorReply) -> Self {
        let error = match reply.status {
            300..=399 => format!("The receiver answered {}: redirects are not followed.", reply.status),
            410 => "The receiver answered 410: it wants no more of these.".to_owned(),
            status => format!("The receiver answered {status}."),
        };
        Self { status: Some(reply.status), retry_after: reply.retry_after, error, last: reply.status == 410 }
    }
}

impl Services {
    /// Sends what is due, and what becomes due meanwhile, until nothing is left.
    pub async fn send_due_notices(&self, sending: &Arc<Sending>) -> Result<(), ApiError> {
        while !sending.stop.is_cancelled() && self.start_due_notices(sending).await?.is_continue() {
            tokio::select! {
                () = sending.stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                // Those that end together are one look.
                () = sending.ended.notified() => tokio::time::sleep(LOOKS_APART).await,
            }
        }
        Ok(())
    }

    /// Breaks off when nothing is left: by a look with nothing under way, since another passes over whoever had enough.
    async fn start_due_notices(&self, sending: &Arc<Sending>) -> Result<ControlFlow<()>, ApiError> {
        loop {
            let now = self.now();
            let (running, full) = sending.locked(|under_way| {
                under_way.ended.clear();
                (under_way.notices.len(), under_way.full())
            });
            // What is under way is due as well.
            let limit = LOOK_FOR.saturating_add(i64::try_from(running).unwrap_or(LOOK_FOR));
            let rows = self.store.read(move |conn| notices::due(conn, now, &full, limit)).await?;
            // An idle server writes nothing, not even a sign of life.
            if rows.is_empty() && running == 0 {
                sending.lead.waits_for_nobody();
                return Ok(ControlFlow::Break(()));
            }
            match self.leads(LEASE, &sending.lead).await? {
                Standing::Kept => {}
                // What was read before the lease was ours may have been sent meanwhile.
                Standing::New => continue,
                Standing::None if running == 0 => return Ok(ControlFlow::Break(())),
                Standing::None => return Ok(ControlFlow::Continue(())),
            }
            let all = i64::try_from(rows.len()).is_ok_and(|count| count < limit);
            let started = rows.into_iter().filter(|row| self.start_notice(sending, row)).count();
            // Behind a receiver that has enough by now others may be waiting.
            if all || started == 0 {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    fn start_notice(&self, sending: &Arc<Sending>, notice: &Delivery) -> bool {
        if !sending.locked(|under_way| under_way.begin(notice)) {
            return false;
        }
        let (services, state, notice) = (self.clone(), Arc::clone(sending), notice.clone());
        let request = request_of(&notice.message).unwrap_or_else(|| self.request_id());
        sending.tasks.spawn(request.scope(async move {
            services.send_notice(&notice).await;
            state.locked(|under_way| under_way.end(&notice));
            state.ended.notify_one();
        }));
        true
    }

    /// Once, and writes down what became of it. What cannot be written down is sent again.
    async fn send_notice(&self, notice: &Delivery) {
        let started = Instant::now();
        let attempt = match self.try_notice(notice).await {
            Ok(reply) => Attempt { status: Some(reply.status), error: None, fate: Fate::Delivered },
            Err(Refusal { status, retry_after, error, last }) => {
                let fate = if last { Fate::Failed } else { after_failure(notice, retry_after, self.now()) };
                Attempt { status, error: Some(error), fate }
            }
        };
        let (id, kind, tries) = (notice.id, notice.kind.as_str(), notice.attempts.saturating_add(1));
        let (status, elapsed_ms) = (attempt.status, started.elapsed().as_millis());
        match &attempt.fate {
            Fate::Delivered => tracing::info!(notice = id, kind, tries, status, elapsed_ms, "notice delivered"),
            Fate::Again { .. } => tracing::warn!(notice = id, kind, tries, status, elapsed_ms, "notice not delivered"),
            Fate::Failed => tracing::warn!(notice = id, kind, tries, status, elapsed_ms, "notice given up"),
        }
        let now = self.now();
        let settled = self.store.write(move |conn| notices::settle(conn, id, &attempt, now)).await;
        if let Err(fault) = settled {
            tracing::warn!(notice = id, %fault, "what became of a notice was not written: it is sent again");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn try_notice(&self, notice: &Delivery) -> Result<VendorReply, Refusal> {
        let (address, secrets) = self.receiver_of(notice).await.map_err(|error| {
            tracing::warn!(notice = notice.id, ?error, "a receiver cannot be read");
            Refusal::unanswered("The receiver's address and secrets could not be read: see the server's log.")
        })?;
        let url = address.and_then(|address| Url::parse(address.expose()).ok());
        let removed = || Refusal { last: true, ..Refusal::unanswered("The receiver's address was removed.") };
        let url = url.ok_or_else(removed)?;
        let request = standard_webhooks::request(url, &notice.message, &notice.payload, self.now(), &secrets);
        let reply = self.sender.tell(&request).await.map_err(|fault| {
            tracing::debug!(notice = notice.id, %fault, "a receiver did not answer");
            Refusal::unanswered(why(&fault))
        })?;
        if reply.is_success() { Ok(reply) } else { Err(Refusal::of(&reply)) }
    }

    /// Where the notice goes by now, and what it is signed with.
    async fn receiver_of(&self, notice: &Delivery) -> Result<(Option<Secret>, Vec<Secret>), ApiError> {
        let (address, secrets) = self.webhook_receiver(notice.organization_id).await?;
        match notice.link_id {
            None => Ok((address, secrets)),
            Some(link) => {
                let settings = self.link(notice.owner(), link).await?.settings;
                Ok((settings.notify_url.map(Secret::new), secrets))
            }
        }
    }
}

fn why(fault: &VendorFault) -> &'static str {
    match fault {
        VendorFault::Timeout => "The receiver did not answer within 15 s.",
        VendorFault::Address(_) => "The receiver's address may not be called from this server (LIGAND_OUTBOUND_ALLOW).",
        _ => "The receiver could not be reached.",
    }
}
