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
use crate::store::instances::{self, Versions};

/// How many are remembered at most, and bytes of one at most.
const CAPACITY: u64 = 5_000;
const LARGEST: usize = 8 * 1024;

/// An instance's JSON. It holds the token, so it is wiped.
struct Rendered {
    owner: Owner,
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
pub struct RenderedInstances(Memory<i64, Rendered>);

impl Default for RenderedInstances {
    fn default() -> Self {
        Self(Memory::of(CAPACITY))
    }
}

impl RenderedInstances {
    /// Nobody is shown an old one; this only frees the memory.
    pub fn forget<'a>(&self, ids: impl IntoIterator<Item = &'a i64>) {
        self.0.forget(ids);
    }

    /// Their names are shown.
    pub fn forget_made_by(&self, users: &BTreeSet<i64>) {
        if !users.is_empty() {
            self.0.forget_where(|rendered| users.contains(&rendered.made_by));
        }
    }

    pub(in crate::service) fn count(&self) -> u64 {
        self.0.count()
    }

    pub fn clear(&self) {
        self.0.clear();
    }
}

impl Services {
    /// The owner's instance as the API shows it, as it is in the database at this moment.
    pub async fn instance_body(&self, owner: Owner, id: i64) -> Result<InstanceBody, ApiError> {
        let known = &self.rendered.0;
        // Who owns the row by now may be another one than whose secrets were shown.
        if let Some(rendered) = known.get(&id).filter(|rendered| rendered.owner == owner) {
            let stored = self.store.read_for(owner, move |conn| instances::versions(conn, owner, id)).await;
            let same = stored.map_err(of_instance(id))? == rendered.versions;
            if same && rendered.until.is_none_or(|end| self.now() < end) {
                return Ok(InstanceBody(rendered));
            }
        }
        let generation = known.generation();
        let stored = self.stored_instance(owner, id).await.map_err(|error| self.unless_under_way(owner, id, error))?;
        let body = self.view(&stored, true)?.json()?;
        let versions = (stored.instance.version, stored.credential.version, stored.credential.standing.clone());
        let until = Standing::of(&stored.credential).ends_at;
        let rendered = Rendered { owner, versions, until, made_by: stored.creator.id, body: Zeroizing::new(body) };
        Ok(InstanceBody(match rendered.body.len() {
            0..=LARGEST => known.remember(id, rendered, generation),
            _ => Arc::new(rendered),
        }))
    }
}
