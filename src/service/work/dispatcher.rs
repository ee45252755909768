//! The loop that claims what is due and begins it. It looks once a second, and whenever something came to its end; while there is
//! nothing to do it writes nothing, not even a sign of life.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::fair::places;
use super::{Ended, Kind, Limits, Refusal};
use crate::kernel::error::ApiError;
use crate::kernel::request_id::{RequestId, carried};
use crate::service::Services;
use crate::service::process::leases::{Lead, while_beating};
use crate::service::process::liveness::Watch;
use crate::service::process::metrics::AttemptLabels;
use crate::store::claims::{self, Seen};
use crate::store::leases::{self, Lease, Seen as SeenLease};
use crate::store::work::{self, Attempt, Fate, Row, Share};
use crate::store::{AnyConn, StoreFault, processes};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// While other processes have something under way, whose death is to be noticed.
const LOOK_AT_OTHERS_EVERY: Duration = Duration::from_millis(500);
/// Attempts that end within this time are followed by one look.
const LOOKS_APART: Duration = Duration::from_millis(20);

/// Does the work of some kinds, in this process.
pub struct Dispatcher {
    /// With other limits than usual, where there are some.
    kinds: Vec<(&'static Kind, Option<Limits>)>,
    leads: HashMap<&'static str, Lead>,
    watches: Mutex<HashMap<i64, Option<Watch>>>,
    /// From where the next look at shares goes on.
    reached: Mutex<String>,
    /// Attempts that came to their end.
    made: AtomicUsize,
    tasks: TaskTracker,
    ended: Notify,
    stop: CancellationToken,
}

/// What is to be done next.
enum Next {
    /// Something was begun, or may be there to be begun.
    LookAgain,
    Wait,
    /// Nothing is due, and nothing under way.
    Rest,
}

impl Dispatcher {
    pub fn of(kinds: &[&'static Kind]) -> Self {
        Self::of_all(kinds.iter().map(|kind| (*kind, None)).collect())
    }

    /// With other limits than usual.
    pub fn limited(kind: &'static Kind, limits: Limits) -> Self {
        Self::of_all(vec![(kind, Some(limits))])
    }

    fn of_all(kinds: Vec<(&'static Kind, Option<Limits>)>) -> Self {
        Self {
            leads: kinds.iter().filter_map(|(kind, _)| Some((kind.led_before_by?, Lead::default()))).collect(),
            kinds,
            watches: Mutex::default(),
            reached: Mutex::default(),
            made: AtomicUsize::default(),
            tasks: TaskTracker::new(),
            ended: Notify::new(),
            stop: CancellationToken::new(),
        }
    }

    /// How many attempts are under way.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// No further attempt is begun; `do_due_work` comes back when those that were have ended.
    pub fn stop(&self) {
        self.stop.cancel();
        self.ended.notify_one();
    }

    /// Until the next look.
    pub fn pause(&self) -> Duration {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let usual = if watches.is_empty() { LOOK_EVERY } else { LOOK_AT_OTHERS_EVERY };
        let of_watches = watches.values().map(|watch| Watch::pause(watch.as_ref(), usual));
        of_watches.chain(self.leads.values().map(|lead| lead.pause(usual))).min().unwrap_or(usual)
    }

    async fn wait(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.pause()) => {}
            () = self.ended.notified() => tokio::time::sleep(LOOKS_APART).await,
        }
    }
}

impl Services {
    /// Does what is due, and what becomes due meanwhile, until nothing is left. How many attempts came to their end here.
    pub async fn do_due_work(&self, dispatcher: &Arc<Dispatcher>) -> Result<usize, ApiError> {
        if let Next::Rest = self.next_work(dispatcher).await? {
            return Ok(0);
        }
        let before = dispatcher.made.load(Ordering::Relaxed);
        let process = self.process;
        let clock = Arc::clone(&self.clock);
        let beat = move |conn: &mut AnyConn| processes::beat(conn, process, clock.now()).map(|()| true);
        while_beating(&self.store, "work", beat, self.go_on_working(dispatcher)).await?;
        Ok(dispatcher.made.load(Ordering::Relaxed).saturating_sub(before))
    }

    async fn go_on_working(&self, dispatcher: &Arc<Dispatcher>) -> Result<(), ApiError> {
        loop {
            match self.next_work(dispatcher).await {
                Ok(Next::Rest) => return Ok(()),
                Ok(Next::LookAgain) => {}
                Ok(Next::Wait) => dispatcher.wait().await,
                // What was begun comes to its end.
                Err(error) if dispatcher.running() > 0 => {
                    tracing::warn!(?error, "no work can be claimed");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// One look.
    async fn next_work(&self, dispatcher: &Arc<Dispatcher>) -> Result<Next, ApiError> {
        if dispatcher.stop.is_cancelled() {
            return Ok(if dispatcher.running() == 0 { Next::Rest } else { Next::Wait });
        }
        if self.work.is_in_doubt() {
            let (process, known) = (self.process, self.work.known());
            self.store.write(move |conn| claims::release_except(conn, process, &known)).await?;
        }
        // Asked before the look: an attempt that ends after it may have made another row due that the look did not see.
        let busy = dispatcher.running() > 0;
        let asked = Instant::now();
        let (mut seen, fresh) = self.look_for_work(dispatcher).await?;
        // A backlog is handed over in steps; what is handed over already is begun between them.
        let handed_over = self.hand_over(fresh).await?;
        if handed_over {
            seen = self.look_for_work(dispatcher).await?.0;
        }
        if self.release_work_of_the_dead(dispatcher, &seen, asked).await? {
            return Ok(Next::LookAgain);
        }
        let mut ours = Vec::new();
        for (kind, limits) in &dispatcher.kinds {
            let any = busy || !seen.others.is_empty() || seen.due.iter().any(|share| share.kind == kind.name);
            if any && self.may_do(dispatcher, kind).await? {
                ours.push((*kind, *limits));
            } else if !any && let Some(lead) = kind.led_before_by.and_then(|name| dispatcher.leads.get(name)) {
                lead.waits_for_nobody();
            }
        }
        let places = places(seen.due, self.work.counts(), |share| {
            let (kind, limits) = ours.iter().find(|(kind, _)| kind.name == share.kind)?;
            Some(limits.unwrap_or_else(|| (kind.limits)(self, share.party)))
        });
        if handed_over && places.is_empty() {
            return Ok(Next::LookAgain);
        }
        if places.is_empty() {
            let rest = !busy && dispatcher.running() == 0;
            return Ok(if rest { Next::Rest } else { Next::Wait });
        }
        let began = self.begin_work(dispatcher, places).await?;
        Ok(if began == 0 && !handed_over { Next::Wait } else { Next::LookAgain })
    }

    /// What there is to do, and the kinds that have something to hand over.
    async fn look_for_work(&self, dispatcher: &Dispatcher) -> Result<(Seen, Vec<&'static Kind>), ApiError> {
        let from = dispatcher.reached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (process, now) = (self.process, self.now());
        let kinds: Vec<_> = dispatcher.kinds.iter().map(|(kind, _)| *kind).collect();
        let services = self.clone();
        let look = move |conn: &mut AnyConn| {
            let mut fresh = Vec::new();
            for kind in &kinds {
                match (kind.is_to_be_handed_over)(&services, conn, now) {
                    Ok(true) => fresh.push(*kind),
                    Ok(false) => {}
                    Err(fault) => passed_over(kind, fault)?,
                }
            }
            Ok((claims::look(conn, process, &from, now)?, fresh))
        };
        let (seen, fresh) = self.store.read(look).await?;
        dispatcher.reached.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&seen.reached);
        Ok((seen, fresh))
    }

    /// Hands over what became due of these kinds. True: a hand-over was made.
    async fn hand_over(&self, kinds: Vec<&'static Kind>) -> Result<bool, ApiError> {
        let mut any = false;
        for kind in kinds {
            let (services, now) = (self.clone(), self.now());
            let handed_over = self.store.write(move |conn| {
                let may = work::lock_hand_over(conn, kind.name)?;
                if may {
                    (kind.hand_over)(&services, conn, now)?;
                }
                Ok(may)
            });
            match handed_over.await {
                Ok(made) => any |= made,
                Err(fault) => passed_over(kind, fault)?,
            }
        }
        Ok(any)
    }

    /// Releases the claims of processes that died. True: some were released.
    async fn release_work_of_the_dead(
        &self,
        dispatcher: &Dispatcher,
        seen: &Seen,
        asked: Instant,
    ) -> Result<bool, ApiError> {
        let others: Vec<i64> = seen.others.iter().map(|(process, _)| *process).collect();
        if others.is_empty() {
            dispatcher.watches.lock().unwrap_or_else(PoisonError::into_inner).clear();
            return Ok(false);
        }
        let asked_for = others.clone();
        let presences = self.store.read(move |conn| processes::presences(conn, &asked_for)).await?;
        let mut dead = Vec::new();
        {
            let mut watches = dispatcher.watches.lock().unwrap_or_else(PoisonError::into_inner);
            watches.retain(|process, _| others.contains(process));
            for (process, beat) in &seen.others {
                let lease = Lease { holder: *process, beat: *beat, unsettled: false };
                let presence = presences.get(process).copied().unwrap_or(processes::Presence::Unknown);
                let watch = watches.entry(*process).or_default();
                if self.watch(watch, SeenLease { lease, presence }, asked).is_some() {
                    dead.push((*process, *beat));
                    watches.remove(process);
                }
            }
        }
        if dead.is_empty() {
            return Ok(false);
        }
        let later = self.now().checked_add_signed(TimeDelta::minutes(1)).unwrap_or_default();
        let released = self.store.write(move |conn| {
            dead.iter().try_fold(0_usize, |sum, (process, beat)| {
                Ok(sum.saturating_add(claims::release(conn, *process, *beat, later)?))
            })
        });
        let rows = released.await?;
        tracing::info!(rows, "what a process had under way when it died is taken up");
        Ok(rows > 0)
    }

    /// Whether this version's processes do this kind: not while one of the version before leads it.
    async fn may_do(&self, dispatcher: &Dispatcher, kind: &'static Kind) -> Result<bool, ApiError> {
        // Of SQLite's one process there is none beside.
        let Some(name) = kind.led_before_by.filter(|_| !self.store.is_of_one_process()) else { return Ok(true) };
        let Some(lead) = dispatcher.leads.get(name) else { return Ok(true) };
        let leader = self.store.read(move |conn| leases::leader(conn, name)).await?;
        Ok(match leader {
            Some((holder, true)) if holder != self.process => {
                lead.waits_for_nobody();
                true
            }
            _ => self.leads(name, lead).await?,
        })
    }

    async fn begin_work(&self, dispatcher: &Arc<Dispatcher>, places: Vec<(Share, usize)>) -> Result<usize, ApiError> {
        let (process, now) = (self.process, self.now());
        let claimed = self.store.write(move |conn| claims::claim(conn, process, &places, now)).await;
        let rows = claimed.inspect_err(|_| self.work.doubt())?;
        let began = rows.len();
        for row in rows {
            let kind = dispatcher.kinds.iter().map(|(kind, _)| *kind).find(|kind| kind.name == row.kind);
            let (Some(kind), Some(share)) = (kind, Share::parse(&row.share)) else { continue };
            self.work.begin(&row, share);
            let (services, dispatcher) = (self.clone(), Arc::clone(dispatcher));
            let tasks = dispatcher.tasks.clone();
            // Nobody called for it: an id of its own joins the lines of its log.
            let id = RequestId::draw(self.entropy.as_ref());
            tasks.spawn(id.scope(async move {
                let made = services.do_work(kind, &row).await;
                services.work.end(&row);
                dispatcher.made.fetch_add(usize::from(made), Ordering::Relaxed);
                dispatcher.ended.notify_one();
            }));
        }
        Ok(began)
    }

    /// One attempt, and what becomes of it. Whether one was made.
    async fn do_work(&self, kind: &'static Kind, row: &Row) -> bool {
        let ended = attempt(kind, self.clone(), row.clone()).await;
        let now = self.now();
        let attempt = match ended {
            Ended::Done { status } => Attempt { status, error: None, fate: Fate::Done },
            Ended::NotYet { due_at, parked } => {
                Attempt { status: None, error: row.refusal.clone(), fate: Fate::NotYet { due_at, parked } }
            }
            Ended::Failed(Refusal { status, retry_after, error, last }) => {
                let fate = kind.schedule.after_failure(row, retry_after, last, now);
                Attempt { status, error: Some(error), fate }
            }
        };
        let made = !matches!(attempt.fate, Fate::NotYet { .. });
        let outcome = match attempt.fate {
            Fate::Done => Some("done"),
            Fate::Again { .. } => Some("failed"),
            Fate::GivenUp { .. } => Some("given_up"),
            Fate::NotYet { .. } => None,
        };
        if let Some(outcome) = outcome {
            self.metrics.attempts.get_or_create(&AttemptLabels { kind: kind.name, outcome }).inc();
        }
        if let Fate::GivenUp { .. } = attempt.fate {
            tracing::warn!(kind = kind.name, about = row.about, tries = row.attempts, "due work is given up");
        }
        let record = {
            let (row, attempt) = (row.clone(), attempt.clone());
            move |conn: &mut AnyConn| {
                let ours = work::settle(conn, &row, &attempt)?;
                // Taken for dead meanwhile: what another process decided stands. But a receiver's answer is a fact.
                if ours || matches!(attempt, Attempt { fate: Fate::Done, status: Some(_), .. }) {
                    (kind.record)(conn, &row, &attempt, now)?;
                }
                Ok(ours)
            }
        };
        // Until the database takes it: what nobody wrote down would be done again.
        if let Err(fault) = self.commit_until_decided(row.owner(), "what came of due work", record).await {
            tracing::error!(kind = kind.name, work = row.id, %fault, "what came of due work cannot be written: it is tried again");
            let (owner, row) = (row.owner(), row.clone());
            let fate = kind.schedule.after_failure(&row, None, false, now);
            let error = Some("What came of it could not be written.".to_owned());
            let attempt = Attempt { status: None, error, fate };
            let settle = move |conn: &mut AnyConn| work::settle(conn, &row, &attempt);
            if self.commit_until_decided(owner, "due work", settle).await.is_err() {
                self.work.doubt();
            }
        }
        made
    }
}

/// What is wrong with the rows of one kind holds up no other kind; without a database nothing goes on.
fn passed_over(kind: &Kind, fault: StoreFault) -> Result<(), StoreFault> {
    if let StoreFault::Unavailable(_) = fault {
        return Err(fault);
    }
    tracing::error!(kind = kind.name, %fault, "what became due cannot be handed over");
    Ok(())
}

/// However it ends.
async fn attempt(kind: &'static Kind, services: Services, row: Row) -> Ended {
    let (id, about) = (row.id, row.about);
    // In a task of its own: one that keeps its thread busy must not keep this from going on.
    let mut running = tokio::spawn(carried(AssertUnwindSafe((kind.run)(services, row)).catch_unwind()));
    match tokio::time::timeout(kind.within, &mut running).await {
        Ok(Ok(Ok(ended))) => ended,
        Ok(_) => {
            tracing::error!(kind = kind.name, work = id, about, "due work panicked");
            Ended::Failed(Refusal::of("It failed for a reason of this server's own: see its log."))
        }
        Err(_) => {
            running.abort();
            tracing::error!(kind = kind.name, work = id, about, "due work did not come to its end in time");
            Ended::Failed(Refusal::of("It did not come to its end in time."))
        }
    }
}
