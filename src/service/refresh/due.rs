//! Renewing what is used before anybody has to wait for it. Instances that nobody used for a day cost nothing, but for
//! refresh tokens that would die of it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::single_flight::Wanted;
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::request_id::RequestId;
use crate::service::Services;
use crate::service::elements::of_owner::{ANYBODY, Elements};
use crate::service::instance::schedule::idle_at;
use crate::service::process::leases::{Lead, Standing};
use crate::service::process::metrics::Cause;
use crate::store::refreshes::{self, Due, Full};

/// An instance that was used so long ago is idle.
const RECENT: TimeDelta = TimeDelta::days(1);
/// Before a failed refresh is tried again, and before one that was put off because somebody else is at it.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// How much of an organization is under way at most, as a multiple of the token calls that an element allows at once: enough
/// to be busy until the next look.
const AHEAD: usize = 32;
/// Of all organizations, as a multiple of that.
const ORGANIZATIONS: usize = 8;
const LOOK_FOR: i64 = 2000;
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LEASE: &str = "job/refresh_due";

/// The job's own state, in the process that leads.
#[derive(Default)]
pub struct DueRefreshes {
    under_way: Mutex<UnderWay>,
    lead: Lead,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Default)]
struct UnderWay {
    instances: HashSet<i64>,
    by_element: HashMap<i64, usize>,
    by_organization: HashMap<i64, OfOne>,
    /// Token calls of this job at once to a host that all customers share, by element.
    permits: HashMap<i64, Arc<Semaphore>>,
}

/// What is under way of one organization.
#[derive(Default)]
struct OfOne {
    count: usize,
    /// Token calls of this job at once, by element: some are left for callers who wait.
    permits: HashMap<i64, Arc<Semaphore>>,
}

impl UnderWay {
    /// What it waits for; nothing when it is under way already, or when enough is.
    fn begin(&mut self, element: &Element, row: &Due) -> Option<[Option<Arc<Semaphore>>; 2]> {
        let of_all = self.by_element.entry(element.id).or_default();
        let count = self.by_organization.get(&row.organization_id).map_or(0, |of_one| of_one.count);
        let enough = *of_all >= room_of_all(element) || count >= room(element);
        if enough || !self.instances.insert(row.instance_id) {
            return None;
        }
        let of_one = self.by_organization.entry(row.organization_id).or_default();
        *of_all = of_all.saturating_add(1);
        of_one.count = of_one.count.saturating_add(1);
        let share = || Arc::new(Semaphore::new(element.concurrency().div_ceil(4).saturating_mul(3).max(1)));
        let of_one = Arc::clone(of_one.permits.entry(element.id).or_insert_with(share));
        let shared = !element.authentication.oauth2.as_ref().is_some_and(|it| it.refresh_url().has_variable_host());
        let of_all = shared.then(|| Arc::clone(self.permits.entry(element.id).or_insert_with(share)));
        Some([Some(of_one), of_all])
    }

    /// Of whom enough is under way.
    fn full(&self, elements: &Elements) -> Full {
        let all = |element: &Element| self.by_element.get(&element.id).copied().unwrap_or_default();
        let full = elements.iter().filter(|element| all(element) >= room_of_all(element));
        let room_of =
            |of_one: &OfOne| elements.iter().filter(|it| of_one.permits.contains_key(&it.id)).map(|it| room(it)).max();
        let organizations =
            self.by_organization.iter().filter(|(_, of_one)| room_of(of_one).is_some_and(|room| of_one.count >= room));
        Full {
            elements: full.map(|element| element.id).collect(),
            organizations: organizations.map(|(id, _)| *id).collect(),
        }
    }

    fn end(&mut self, row: &Due) {
        self.instances.remove(&row.instance_id);
        if let Some(count) = self.by_element.get_mut(&row.element_id) {
            *count = count.saturating_sub(1);
        }
        if let Entry::Occupied(mut of_one) = self.by_organization.entry(row.organization_id) {
            of_one.get_mut().count = of_one.get().count.saturating_sub(1);
            if of_one.get().count == 0 {
                of_one.remove();
            }
        }
    }
}

impl DueRefreshes {
    /// How many refreshes are under way.
    pub fn running(&self) -> usize {
        self.tasks.len()
    }

    /// Until the next look.
    pub fn pause(&self) -> Duration {
        self.lead.pause(LOOK_EVERY)
    }

    /// Waits for what is under way; what has not begun is left to the next one who leads.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How many refreshes this process has begun or queued.
    pub fn under_way(&self) -> usize {
        self.locked(|under_way| under_way.instances.len())
    }

    fn locked<T>(&self, work: impl FnOnce(&mut UnderWay) -> T) -> T {
        work(&mut self.under_way.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Services {
    /// One look: starts what is due, in one process of all. How many were started.
    pub async fn refresh_due(&self, due: &Arc<DueRefreshes>) -> Result<usize, ApiError> {
        // What waits for the operator's word is not put off either: it is due when that comes.
        if self.standstill.holds() {
            return Ok(0);
        }
        let elements = self.elements_of(ANYBODY);
        let (mut started, mut passed_over) = (0_usize, due.locked(|under_way| under_way.full(&elements)));
        loop {
            let (more, all) = self.start_due_but(due, passed_over.clone()).await?;
            started = started.saturating_add(more);
            // Behind those of whom enough is under way by now others may be waiting. Whoever was passed over stays so: with a
            // place that came free meanwhile its backlog would be read again and again.
            let full = due.locked(|under_way| under_way.full(&elements));
            if all || !passed_over.extend(full) {
                return Ok(started);
            }
        }
    }

    /// How many were started, and whether those were all that is due.
    async fn start_due_but(&self, due: &Arc<DueRefreshes>, full: Full) -> Result<(usize, bool), ApiError> {
        let (now, running) = (self.now(), due.under_way());
        let limit = LOOK_FOR.saturating_add(i64::try_from(running).unwrap_or(LOOK_FOR));
        let rows = self.store.read(move |conn| refreshes::due(conn, now, &full, limit)).await?;
        let all = i64::try_from(rows.len()).is_ok_and(|count| count < limit);
        // An idle server writes nothing, not even a sign of life.
        if rows.is_empty() && running == 0 {
            due.lead.waits_for_nobody();
            return Ok((0, true));
        }
        if self.leads(LEASE, &due.lead).await? == Standing::None {
            return Ok((0, true));
        }
        let mut started: usize = 0;
        let mut idle = Vec::new();
        for row in rows {
            let element = self.element_by_id(row.owner(), row.element_id).filter(|element| element.refresh().is_some());
            let Some(element) = element else {
                idle.push((row, None));
                continue;
            };
            match wanted_until(&element, &row, now) {
                Some(until) => idle.push((row, until)),
                None if self.start_due(due, &element, row) => started = started.saturating_add(1),
                None => {}
            }
        }
        if !idle.is_empty() {
            // Everybody locks rows in the order of their ids.
            idle.sort_by_key(|(row, _)| row.instance_id);
            let put_off =
                move |conn: &mut _| idle.iter().try_for_each(|(row, until)| refreshes::put_off(conn, row, *until));
            self.store.write(put_off).await?;
        }
        Ok((started, all))
    }

    /// False when it is under way already, or when enough is.
    fn start_due(&self, due: &Arc<DueRefreshes>, element: &Element, row: Due) -> bool {
        let permits = due.locked(|under_way| under_way.begin(element, &row));
        let Some(permits) = permits else { return false };
        let (services, due_refreshes) = (self.clone(), Arc::clone(due));
        // Nobody called for it: an id of its own joins the lines of its log.
        let id = RequestId::draw(self.entropy.as_ref());
        due.tasks.spawn(id.scope(async move {
            let places = async {
                let mut places = Vec::with_capacity(2);
                for permits in permits.into_iter().flatten() {
                    places.push(permits.acquire_owned().await.ok()?);
                }
                Some(places)
            };
            let places = tokio::select! {
                () = due_refreshes.stop.cancelled() => None,
                places = places => places,
            };
            if places.is_some() {
                services.refresh_one_due(&row).await;
            }
            drop(places);
            due_refreshes.locked(|under_way| under_way.end(&row));
        }));
        true
    }

    async fn refresh_one_due(&self, row: &Due) {
        let wanted = Wanted { owner: row.owner(), id: row.instance_id, seen: row.version, cause: Cause::Due };
        let Err(error) = self.refresh_credential(wanted).await else { return };
        // The reason is in the log already. A grant that is gone is nothing to come back to.
        let gone = error.code == Code::ReauthorizationRequired;
        let (row, until) = (row.clone(), self.now().checked_add_signed(AGAIN).filter(|_| !gone));
        let put_off = self.store.write(move |conn| refreshes::put_off(conn, &row, until)).await;
        if let Err(fault) = put_off {
            tracing::warn!(%fault, "a due refresh could not be put off");
        }
    }
}

/// For one organization.
fn room(element: &Element) -> usize {
    element.concurrency().saturating_mul(AHEAD)
}

fn room_of_all(element: &Element) -> usize {
    room(element).saturating_mul(ORGANIZATIONS)
}

/// Nothing when it is to be refreshed now; otherwise until when it is put off.
#[expect(clippy::option_option, reason = "put off for ever is an answer, too")]
fn wanted_until(element: &Element, row: &Due, now: DateTime<Utc>) -> Option<Option<DateTime<Utc>>> {
    let used_recently = row.last_used_at.is_some_and(|at| now.signed_duration_since(at.0) < RECENT);
    let idle_at = element.refresh().and_then(|rules| idle_at(rules, row.refreshed_at.map(Into::into)));
    let refresh = used_recently || idle_at.is_some_and(|at| at <= now);
    (!refresh).then_some(idle_at)
}
