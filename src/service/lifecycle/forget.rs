//! Erasing a customer: grants end at their vendors first, then every row goes that is theirs or names them. A run that was
//! killed is begun again: until the grants have ended the rows are there by which they are found.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::end_grants::LivesOn;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::service::audit::{Deed, Of};
use crate::service::credentials::revoke_grants::OF_A_COMMAND;
use crate::service::instance::answer::Answer;
use crate::service::instance::schedule::lease_name;
use crate::service::notices::{subject_of_instance, subject_of_link};
use crate::store::audit::{self, Record};
use crate::store::forgetting::{self, Customer, Rows};
use crate::store::instances::{CredentialRow, InstanceRow};
use crate::store::sealed::ANSWER;
use crate::store::{AnyConn, StoreFault, Whose, revocation_orders, revocations};
use crate::vault::lookup::Purpose;

/// Instances or links in one transaction.
const BATCH: usize = 200;
/// Rows of the audit log in one transaction.
const AUDITED: i64 = 500;
/// Between two looks at what is left.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What callers are told meanwhile.
const REASON: &str = "The operator of this server is erasing this connection.";

/// What was erased, and whose grants live on.
#[derive(Debug, Default)]
pub struct Forgotten {
    pub rows: Rows,
    pub living: Vec<LivesOn>,
}

impl Rows {
    fn add(&mut self, more: Self) {
        let pairs = [
            (&mut self.instances, more.instances),
            (&mut self.links, more.links),
            (&mut self.authorizations, more.authorizations),
            (&mut self.notices, more.notices),
            (&mut self.answers, more.answers),
            (&mut self.revocations, more.revocations),
            (&mut self.audited, more.audited),
        ];
        for (sum, count) in pairs {
            *sum = sum.saturating_add(count);
        }
    }
}

/// What else is named after instances: subjects of notices, and leases.
fn names_of(ids: &[i64]) -> (Vec<String>, Vec<String>) {
    let ids = || ids.iter().copied();
    (ids().map(subject_of_instance).collect(), ids().map(lease_name).collect())
}

impl Services {
    /// `report` hears how many grants still wait for their vendors.
    pub async fn forget_customer(
        &self,
        customer: &Customer,
        mut report: impl FnMut(i64),
    ) -> Result<Forgotten, ApiError> {
        let mut forgotten = Forgotten::default();
        // What came meanwhile is found by the next pass.
        loop {
            let (of_instances, of_links) = (customer.clone(), customer.clone());
            let instances = self.store.read(move |conn| forgetting::instances(conn, &of_instances)).await?;
            let links = self.store.read(move |conn| forgetting::links(conn, &of_links)).await?;
            for batch in instances.chunks(BATCH) {
                forgotten.living.extend(self.end_of_customer(batch).await?);
            }
            self.until_revoked(&instances, &mut report).await?;
            let before = forgotten.rows;
            forgotten.rows.answers =
                forgotten.rows.answers.saturating_add(self.erase_answers(customer, &instances).await?);
            for batch in links.chunks(BATCH) {
                let (ids, subjects) = (batch.to_vec(), batch.iter().copied().map(subject_of_link).collect::<Vec<_>>());
                let trails = self.erased_trails(customer, Deed::LinkErased, &ids).await?;
                let erase = move |conn: &mut AnyConn| forgetting::erase_links(conn, &ids, &subjects, &trails);
                let erased = self.commit(Whose::SERVER, erase).await?;
                forgotten.rows.add(erased);
            }
            forgotten.rows.notices = forgotten.rows.notices.saturating_add(self.erase_notices(customer).await?);
            for batch in instances.chunks(BATCH) {
                let ids = batch.to_vec();
                // One that was connected again meanwhile has another grant, which the next pass ends.
                let trails = self.erased_trails(customer, Deed::InstanceErased, &ids).await?;
                let erase =
                    move |conn: &mut AnyConn| forgetting::erase_instances(conn, &ids, REASON, names_of, &trails);
                forgotten.rows.add(self.commit(Whose::SERVER, erase).await?);
            }
            forgotten.rows.audited = forgotten.rows.audited.saturating_add(self.erase_audited_names(customer).await?);
            if forgotten.rows == before && instances.is_empty() {
                return Ok(forgotten);
            }
        }
    }

    /// Makes instances invalid and queues their revocations, but for grants that instances of others hold. Those that nobody
    /// can end from here.
    async fn end_of_customer(&self, instances: &[i64]) -> Result<Vec<LivesOn>, ApiError> {
        let mut ids = Vec::with_capacity(instances.len());
        for _ in instances {
            ids.push(self.store.next_id().await?);
        }
        let (services, instances, ids) = (self.clone(), Arc::new(instances.to_vec()), Arc::new(ids));
        let ended = self.commit(Whose::SERVER, move |conn| {
            let now = services.now();
            let ended = revocation_orders::invalidate(conn, &instances, REASON, now)?;
            let mut grants = Vec::new();
            for ((instance, credential), id) in ended.iter().zip(ids.iter()) {
                if let Ok(Some(revocation)) = services.ended_revocation(*id, instance, credential) {
                    let hashes = services.hashes_of_grant(instance, credential);
                    grants.push((instance.owner(), revocation, hashes));
                }
            }
            let all: Vec<Vec<u8>> = grants.iter().flat_map(|(.., hashes)| hashes.clone()).collect();
            let held: HashSet<Vec<u8>> = forgetting::held(conn, &all)?.into_iter().collect();
            grants.retain(|(.., hashes)| !hashes.iter().any(|hash| held.contains(hash)));
            let grants = grants.into_iter().map(|(owner, revocation, _)| (owner, revocation)).collect();
            revocations::insert_all(conn, grants, now)?;
            Ok::<_, StoreFault>(ended)
        });
        let ended = ended.await?;
        Ok(ended.iter().filter_map(|(instance, credential)| self.lives_on(instance, credential)).collect())
    }

    /// As instances that hold the same grant have them.
    fn hashes_of_grant(&self, instance: &InstanceRow, credential: &CredentialRow) -> Vec<Vec<u8>> {
        let credential = self.credential_of(instance, credential).ok();
        let grant = credential.as_ref().and_then(|credential| credential.grant());
        grant.map(|grant| self.lookup.hashes(Purpose::VendorGrant, grant)).unwrap_or_default()
    }

    async fn until_revoked(&self, instances: &[i64], report: &mut impl FnMut(i64)) -> Result<(), ApiError> {
        loop {
            match self.revoke_due_grants_within(OF_A_COMMAND).await {
                Err(error) if error.code != Code::DatabaseUnavailable => return Err(error),
                _ => {}
            }
            let mut left = 0_i64;
            for batch in instances.chunks(BATCH) {
                let ids = batch.to_vec();
                let waiting = self.store.read(move |conn| forgetting::waiting(conn, &ids)).await?;
                left = left.saturating_add(waiting);
            }
            report(left);
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Kept answers to creations of these instances, or that name the customer: each has to be opened.
    async fn erase_answers(&self, customer: &Customer, instances: &[i64]) -> Result<usize, ApiError> {
        let instances: HashSet<i64> = instances.iter().copied().collect();
        let (organization, mut after, mut erased) = (customer.organization, i64::MIN, 0_usize);
        loop {
            let answers = self.store.read(move |conn| forgetting::answers(conn, organization, after)).await?;
            let Some((last, ..)) = answers.last() else { return Ok(erased) };
            after = *last;
            let theirs = answers.iter().filter_map(|(id, owner, sealed)| {
                let opened = self.vault.open_document::<Answer>(ANSWER.place(*owner, *id), sealed);
                let Answer { instance, .. } = opened
                    .inspect_err(|fault| tracing::error!(%fault, "a kept answer is not looked into, and stays"))
                    .ok()?;
                let named = instance.external_id.as_ref() == Some(&customer.external_id);
                (named || instances.contains(&instance.id)).then_some(*id)
            });
            let ids: Vec<i64> = theirs.collect();
            if !ids.is_empty() {
                let count = self.commit(Whose::SERVER, move |conn| forgetting::erase_answers(conn, &ids)).await?;
                erased = erased.saturating_add(count);
            }
        }
    }

    /// Rows of the audit log for what goes. They do not name the customer.
    async fn erased_trails(&self, customer: &Customer, deed: Deed, ids: &[i64]) -> Result<Arc<Vec<Record>>, ApiError> {
        let actor = self.operator(customer.organization);
        let mut trails = Vec::with_capacity(ids.len());
        for id in ids {
            let row = self.store.next_id().await?;
            trails.push(self.audit_record(row, &actor, deed, Of::from(*id))?);
        }
        Ok(Arc::new(trails))
    }

    /// The rows of the audit log about the customer stay, without the names in them.
    async fn erase_audited_names(&self, customer: &Customer) -> Result<usize, ApiError> {
        let (organization, mut erased) = (customer.organization, 0_usize);
        let hashes = Arc::new(self.audit_key.customer_hashes(&customer.external_id));
        let of = Of { subject: None, customer: Some(&customer.external_id) };
        let id = self.store.next_id().await?;
        // The row that says so names nobody either, and so only the hash is left.
        let forgotten = self.audit_record(id, &self.operator(organization), Deed::CustomerForgotten, of)?;
        let forgotten = Arc::new(Record { names_sealed: None, ..forgotten });
        loop {
            let (hashes, forgotten) = (Arc::clone(&hashes), Arc::clone(&forgotten));
            let erase = move |conn: &mut AnyConn| {
                let erased = audit::erase_names(conn, organization, &hashes, AUDITED)?;
                if erased > 0 {
                    audit::insert(conn, &forgotten)?;
                }
                Ok::<_, StoreFault>(erased)
            };
            match self.commit(Whose::SERVER, erase).await? {
                0 => return Ok(erased),
                count => erased = erased.saturating_add(count),
            }
        }
    }

    async fn erase_notices(&self, customer: &Customer) -> Result<usize, ApiError> {
        let mut erased = 0_usize;
        loop {
            let customer = customer.clone();
            match self.commit(Whose::SERVER, move |conn| forgetting::erase_notices(conn, &customer)).await? {
                0 => return Ok(erased),
                count => erased = erased.saturating_add(count),
            }
        }
    }
}
