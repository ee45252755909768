//! Break glass: ending every grant of a scope at its vendor at once, and making the instances invalid. What is done stays
//! done: after an interruption the next run goes on with the rest.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::account::VendorAccount;
use crate::service::Services;
use crate::service::audit::{Deed, Of};
use crate::service::credentials::revoke_grants::OF_A_COMMAND;
use crate::service::instance::configuration::Configuration;
use crate::service::instance::connected::Connected;
use crate::service::notices::{Event, Kind};
use crate::store::audit::{self, Record};
use crate::store::instances::{CredentialRow, InstanceRow};
use crate::store::revocation_orders::{self, Order, Scope};
use crate::store::revocations::{self, Revocation};
use crate::store::sealed::CONFIGURATION;
use crate::store::{AnyConn, StoreFault, Whose, notices};

/// Between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From the order on: what is older than `entry::NEW` when it is stored is refused by then, and a transaction takes a moment.
const LAST_LOOK_AFTER: TimeDelta = TimeDelta::seconds(7);
/// A refresh that was under way ends by then, or its process is dead.
const REFRESHES_FOR: TimeDelta = TimeDelta::seconds(60);

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Instances that this run made invalid.
    pub ended: usize,
    /// Grants that still wait for their vendors.
    pub left: i64,
    /// Refreshes that have not ended. What they bring is revoked by their processes.
    pub refreshing: i64,
}

/// Why a grant lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Living {
    /// An API key.
    Key,
    /// The element has no revoke URL.
    NoAddress,
    /// The element is not offered here.
    NoElement,
    /// Key ring or row are not right.
    Unopened,
    /// The vendor did not answer, twelve times.
    GivenUp,
}

impl Living {
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Key => "it is a key, which only the vendor can end",
            Self::NoAddress => "the element has no address to revoke it at",
            Self::NoElement => "the element is not offered here: LIGAND_ELEMENTS_DIR must be the server's",
            Self::Unopened => "its secrets do not open",
            Self::GivenUp => {
                "the vendor did not accept it, or could not be asked (the log says why): mend that, and run this again"
            }
        }
    }
}

/// A grant that nobody can end from here.
#[derive(Debug, Clone)]
pub struct LivesOn {
    pub owner: Owner,
    pub element: String,
    /// None: a deletion of an older version left it.
    pub instance: Option<i64>,
    pub account: Option<VendorAccount>,
    pub why: Living,
}

/// What callers of its instances are told, and what they are known by.
fn reason(order: &Order) -> String {
    let at: DateTime<Utc> = order.ordered_at.into();
    let at = at.format("%Y-%m-%d %H:%M UTC");
    format!(
        "The operator of this server ended this connection on {at} (order {}). The user must authorise again.",
        order.id
    )
}

impl Services {
    /// The order of this scope that was not carried out to its end, or a new one. Whether there was one.
    pub async fn order_revocation(&self, scope: Scope) -> Result<(Order, bool), ApiError> {
        let (id, now) = (self.store.next_id().await?, self.now());
        let trail = self.audit(&self.operator(scope.organization), Deed::RevocationOrdered, id).await?;
        let ordered = self.store.write(move |conn| {
            if let Some(order) = revocation_orders::open(conn, scope)? {
                return Ok((order, true));
            }
            let Scope { organization, element } = scope;
            let (organization_id, element_id, ordered_at) = (organization, element, now.into());
            let order = Order { id, organization_id, element_id, ordered_at, passed_at: None, finished_at: None };
            revocation_orders::insert(conn, &order, &trail)?;
            Ok((order, false))
        });
        Ok(ordered.await?)
    }

    /// Until nothing is left, however long vendors are away. `report` hears how far it is.
    pub async fn carry_out(&self, order: &Order, mut report: impl FnMut(Progress)) -> Result<Progress, ApiError> {
        let (scope, reason): (Scope, Arc<str>) = (order.scope(), reason(order).into());
        let ordered_at: DateTime<Utc> = order.ordered_at.into();
        let begun = self.now();
        self.commit(Whose::SERVER, move |conn| revocations::try_anew(conn, scope, begun)).await?;
        let (mut progress, mut passed) = (Progress::default(), order.passed_at.is_some());
        loop {
            let now = self.now();
            let settled = now.signed_duration_since(ordered_at) > LAST_LOOK_AFTER;
            if !passed {
                let ended = self.end_instances(scope, &reason, &mut progress, &mut report).await?;
                // Users connect again while vendors are still waited for.
                passed = settled && ended == 0;
                if passed {
                    let id = order.id;
                    self.commit(Whose::SERVER, move |conn| revocation_orders::pass(conn, id, now)).await?;
                }
            }
            match self.revoke_due_grants_within(OF_A_COMMAND).await {
                Err(error) if error.code != Code::DatabaseUnavailable => return Err(error),
                _ => {}
            }
            let of_order = Arc::clone(&reason);
            let look = move |conn: &mut AnyConn| {
                Ok((revocations::waiting(conn, scope)?, revocation_orders::refreshing(conn, &of_order)?))
            };
            (progress.left, progress.refreshing) = self.store.read(look).await?;
            report(progress);
            let refreshed = progress.refreshing == 0 || now.signed_duration_since(begun) > REFRESHES_FOR;
            if passed && progress.left == 0 && refreshed {
                let (id, now) = (order.id, self.now());
                self.commit(Whose::SERVER, move |conn| revocation_orders::finish(conn, id, now)).await?;
                return Ok(progress);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// One pass over the instances. How many it ended.
    async fn end_instances(
        &self,
        scope: Scope,
        reason: &Arc<str>,
        progress: &mut Progress,
        report: &mut impl FnMut(Progress),
    ) -> Result<usize, ApiError> {
        let (before, mut after) = (progress.ended, i64::MIN);
        loop {
            let of_order = Arc::clone(reason);
            let next = self.store.read(move |conn| revocation_orders::next(conn, scope, &of_order, after)).await?;
            let Some(last) = next.last() else { break };
            after = *last;
            progress.ended = progress.ended.saturating_add(next.len());
            self.end_batch(next, Arc::clone(reason)).await?;
            report(*progress);
        }
        Ok(progress.ended.saturating_sub(before))
    }

    async fn end_batch(&self, instances: Vec<i64>, reason: Arc<str>) -> Result<(), ApiError> {
        let mut ids = Vec::with_capacity(instances.len());
        for _ in &instances {
            ids.push((self.store.next_id().await?, self.store.next_id().await?));
        }
        let (services, instances, ids) = (self.clone(), Arc::new(instances), Arc::new(ids));
        let end = move |conn: &mut AnyConn| {
            let now = services.now();
            let ended = revocation_orders::invalidate(conn, &instances, &reason, now)?;
            let told: Vec<_> = ended.iter().flat_map(|(row, _)| services.ended_notices(row, &reason)).collect();
            let trails = ended.iter().zip(ids.iter()).map(|((row, _), (_, id))| services.ended_trail(*id, row));
            audit::insert_all(conn, &trails.collect::<Result<Vec<_>, _>>()?)?;
            let to_revoke = ended.iter().zip(ids.iter()).filter_map(|((instance, credential), (id, _))| {
                // What cannot be revoked is named when all is done.
                let revocation = services.ended_revocation(*id, instance, credential).ok()??;
                Some((instance.owner(), revocation))
            });
            revocations::insert_all(conn, to_revoke.collect(), now)?;
            notices::enqueue_all(conn, &told)
        };
        Ok(self.commit(Whose::SERVER, end).await?)
    }

    /// What the end of an instance leaves in the audit log.
    pub(super) fn ended_trail(&self, id: i64, row: &InstanceRow) -> Result<Record, StoreFault> {
        let actor = self.operator(Some(row.organization_id));
        let of = Of { subject: Some(row.id), customer: row.external_id.as_deref() };
        let record = self.audit_record(id, &actor, Deed::InstanceEnded, of);
        record.map_err(|error| StoreFault::Other(error.to_string()))
    }

    fn ended_notices(&self, row: &InstanceRow, reason: &str) -> Vec<notices::Notice> {
        self.notices(row.owner(), &Event::of_instance(Kind::InstanceInvalid, row, Some(reason)), None)
    }

    pub(super) fn ended_revocation(
        &self,
        id: i64,
        instance: &InstanceRow,
        credential: &CredentialRow,
    ) -> Result<Option<Revocation>, ApiError> {
        let credential = self.credential_of(instance, credential)?;
        let place = CONFIGURATION.place(instance.organization_id, instance.id);
        let configuration: Configuration = self.vault.open_json(place, &instance.configuration_sealed)?;
        let about = (instance.element_id, instance.id);
        let Some(document) = self.revocation_document((instance.owner(), about.0), &credential, &configuration) else {
            return Ok(None);
        };
        self.sealed_revocation(instance.owner(), id, about, &document).map(Some)
    }

    /// How many instances a scope has.
    pub async fn instances_in(&self, scope: Scope) -> Result<i64, StoreFault> {
        self.store.read(move |conn| revocation_orders::count(conn, scope)).await
    }

    /// The grants behind `after` of an order that live on, and where to go on; none at the end.
    pub async fn living_on(&self, order: &Order, after: i64) -> Result<Option<(Vec<LivesOn>, i64)>, ApiError> {
        let (scope, reason) = (order.scope(), reason(order));
        let rows = self.store.read(move |conn| revocation_orders::invalidated(conn, scope, &reason, after)).await?;
        let Some(last) = rows.last().map(|(instance, _)| instance.id) else { return Ok(None) };
        let living = rows.iter().filter_map(|(instance, credential)| self.lives_on(instance, credential));
        Ok(Some((living.collect(), last)))
    }

    /// What is said of an instance whose grant nobody can end from here.
    pub(super) fn lives_on(&self, instance: &InstanceRow, credential: &CredentialRow) -> Option<LivesOn> {
        Some(LivesOn {
            why: self.why_living(instance, credential)?,
            owner: instance.owner(),
            element: instance.element_key.clone(),
            instance: Some(instance.id),
            account: Connected::of_row_or_unknown(instance).account,
        })
    }

    fn why_living(&self, instance: &InstanceRow, credential: &CredentialRow) -> Option<Living> {
        if self.element_by_id(instance.owner(), instance.element_id).is_none() {
            return Some(Living::NoElement);
        }
        match self.ended_revocation(0, instance, credential) {
            Ok(Some(_)) => None,
            Ok(None) if instance.authentication_type == "apiKey" => Some(Living::Key),
            Ok(None) => Some(Living::NoAddress),
            Err(_) => Some(Living::Unopened),
        }
    }

    /// The same of what was given up, also of instances that were deleted before.
    pub async fn given_up(&self, order: &Order, after: i64) -> Result<Option<(Vec<LivesOn>, i64)>, ApiError> {
        let scope = order.scope();
        let rows = self.store.read(move |conn| revocations::given_up(conn, scope, after)).await?;
        let Some(last) = rows.last().map(|(_, revocation)| revocation.id) else { return Ok(None) };
        let living = rows.into_iter().map(|(owner, revocation)| {
            let element = self.element_by_id(owner, revocation.element_id);
            LivesOn {
                owner,
                element: element.map_or_else(|| revocation.element_id.to_string(), |element| element.key.clone()),
                instance: revocation.instance_id,
                account: None,
                why: Living::GivenUp,
            }
        });
        Ok(Some((living.collect(), last)))
    }
}
