//! What a server does not do by itself: on a database that was restored it sends no refresh token until it is told to, and on
//! a copy that it only looks at it calls nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::metrics::Cause;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::store::identity::{self, Identity};
use crate::store::{Store, StoreFault};

/// Of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Standstill {
    restored: Arc<AtomicBool>,
    clone: Arc<AtomicBool>,
}

impl Standstill {
    /// From now on nobody is called.
    pub fn look_only(&self) {
        self.clone.store(true, Ordering::Relaxed);
    }

    pub fn is_clone(&self) -> bool {
        self.clone.load(Ordering::Relaxed)
    }

    /// Whether nothing is refreshed that nobody asked for by name.
    pub fn holds(&self) -> bool {
        self.restored.load(Ordering::Relaxed) || self.is_clone()
    }

    /// Fails on a copy that is only looked at.
    pub fn lets_call(&self) -> Result<(), ApiError> {
        if self.is_clone() { Err(Code::ServerIsAClone.into()) } else { Ok(()) }
    }

    /// Fails where this refresh is held back. What somebody asks for by `?refresh=true` is not.
    pub fn lets_refresh(&self, cause: Cause) -> Result<(), ApiError> {
        self.lets_call()?;
        match self.holds() && cause != Cause::Asked {
            true => Err(Code::DatabaseRestored.into()),
            false => Ok(()),
        }
    }

    fn set_restored(&self, restored: bool) {
        let before = self.restored.swap(restored, Ordering::Relaxed);
        match (before, restored) {
            (false, true) => tracing::warn!(
                "RESTORED: this database was restored, so its refresh tokens may have been used since and none is sent; when \
                 nothing else uses them, say so by `ligand resume`"
            ),
            (true, false) => tracing::warn!("refresh tokens are sent again: the operator has resumed"),
            _ => {}
        }
    }
}

impl Services {
    /// At the start, and when the change feed says so.
    pub async fn read_standstill(&self) -> Result<(), StoreFault> {
        let identity = self.store.read(identity::find).await?;
        let restored = identity.restored_at.is_some();
        self.standstill.set_restored(restored);
        self.metrics.refreshes_held.set(i64::from(restored));
        Ok(())
    }
}

/// Whether this is a copy of a database that is, or was, served elsewhere. `settle`: note that it is served here.
pub async fn is_elsewhere(store: &Store, settle: bool) -> Result<bool, StoreFault> {
    let Identity { id, place, .. } = store.read(identity::find).await?;
    tracing::info!(database = id, "the database is open");
    let here = store.read(identity::here).await?;
    if place.as_ref().is_some_and(|place| !place.may_be(&here)) {
        return Ok(true);
    }
    if settle && place.as_ref() != Some(&here) {
        store.write(move |conn| identity::note_place(conn, &here)).await?;
    }
    Ok(false)
}
