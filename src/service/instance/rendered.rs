//! Instances as they were shown last: most reads are of what has not changed since, and then two numbers tell so.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::standing::Standing;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::process::memory::Memory;
use crate::service::{Services, of_instance};
use crate::store::StoreFault;
use crate::store::instances::{VersionReads, Versions};

/// How many are remembered at most, and bytes of one at most.
const CAPACITY: u64 = 5_000;
const LARGEST: usize = 8 * 1024;

/// An instance's JSON. It holds the token, so it is wiped.
struct Rendered {
    /// Whose secrets are shown, too.
    versions: Versions,
    /// When it is over by itself.
    until: Option<DateTime<Utc>>,
    made_by: i64,
    body: Zeroizing<Vec<u8>>,
}

/// Bytes of a reply.
pub struct InstanceBody(Arc<Rendered>);

impl AsRef<[u8]> for InstanceBody {
    fn as_ref(&self) -> &[u8] {
        &self.0.body
    }
}

#[derive(Clone)]
pub struct RenderedInstances {
    known: Memory<i64, Rendered>,
    reads: VersionReads,
}

impl Default for RenderedInstances {
    fn default() -> Self {
        Self { known: Memory::of(CAPACITY), reads: VersionReads::default() }
    }
}

impl RenderedInstances {
    /// Nobody is shown an old one; this only frees the memory.
    pub fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a i64>) {
        self.known.forget(ids);
    }

    /// Their names are shown.
    pub fn forget_made_by(&self, users: &BTreeSet<i64>) {
        if !users.is_empty() {
            self.known.forget_where(|rendered| users.contains(&rendered.made_by));
        }
    }

    pub(in crate::service) fn count(&self) -> u64 {
        self.known.count()
    }

    pub fn clear(&self) {
        self.known.clear();
    }
}

impl Services {
    /// The owner's instance as the API shows it, as it is in the database at this moment.
    pub async fn instance_body(&self, owner: Owner, id: i64) -> Result<InstanceBody, ApiError> {
        let known = &self.rendered.known;
        if let Some(rendered) = known.get(&id).filter(|rendered| rendered.versions.owner == owner) {
            let same = self.current_versions(owner, id).await.map_err(of_instance(id))? == rendered.versions;
            if same && rendered.until.is_none_or(|end| self.now() < end) {
                return Ok(InstanceBody(rendered));
            }
        }
        let generation = known.generation();
        let stored = self.stored_instance(owner, id).await.map_err(|error| self.unless_under_way(owner, id, error))?;
        let body = self.view(&stored, true)?.json()?;
        let versions = stored.versions();
        let until = Standing::of(&stored.credential).ends_at;
        let rendered = Rendered { versions, until, made_by: stored.creator.id, body: Zeroizing::new(body) };
        Ok(InstanceBody(match rendered.body.len() {
            0..=LARGEST => known.remember(id, rendered, generation),
            _ => Arc::new(rendered),
        }))
    }

    /// Of the owner's instance, as they are in the database at this moment.
    pub(in crate::service) async fn current_versions(&self, owner: Owner, id: i64) -> Result<Versions, StoreFault> {
        let versions = self.rendered.reads.read(&self.store, id).await?;
        if versions.owner == owner { Ok(versions) } else { Err(StoreFault::NotFound) }
    }
}
