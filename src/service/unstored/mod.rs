//! Grants that came from a vendor and are not stored yet. They cannot be had again, so each is kept in memory until the
//! database has taken it or decided against it, whatever the database does meanwhile; at the end of the process what is left
//! goes to a sealed journal, or is revoked at its vendor where there is no directory for one.

pub(super) mod entry;
mod journal;
mod left_over;
pub(in crate::service) mod link_end;

pub use journal::Journal;

use crate::service::ground::waits_for_database;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use entry::Entry;

use super::Services;
use super::ground::PATIENCE;
use super::instance::configuration::Configuration;
use super::process::flight::Lateness;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::Credential;
use crate::protocol::oauth2::client::Client;
use crate::store::instances::Stored;
use crate::store::links::LinkRow;
use crate::store::sealed::CONFIGURATION;
use crate::store::{AnyConn, StoreFault, Whose};

/// What this process holds.
#[derive(Default)]
pub struct Unstored {
    entries: Mutex<Entries>,
    /// The process is at its end: what is held is held for good.
    closed: AtomicBool,
}

#[derive(Default)]
struct Entries {
    next: u64,
    /// By the order in which they came.
    held: BTreeMap<u64, (Arc<Entry>, Client)>,
}

/// Keeps an entry among those that the end of the process must not lose.
pub(super) struct Held {
    unstored: Arc<Unstored>,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.unstored.locked().held.remove(&self.number);
    }
}

impl Unstored {
    fn locked(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of what is held longest.
    pub fn oldest(&self) -> Option<u64> {
        self.locked().held.keys().next().copied()
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn all(&self) -> Vec<(Arc<Entry>, Client)> {
        self.locked().held.values().cloned().collect()
    }

    /// `client`: the app that the grant is of, to revoke it without asking the database.
    pub(super) fn hold(self: &Arc<Self>, entry: Arc<Entry>, client: Client) -> Held {
        let mut entries = self.locked();
        let number = entries.next;
        entries.next = number.saturating_add(1);
        entries.held.insert(number, (entry, client));
        Held { unstored: Arc::clone(self), number }
    }
}

impl Services {
    /// Stores an entry: whatever the database does meanwhile, if something was spent for it; then the caller holds it.
    /// `Some`: its link has come to another end, so nothing was stored.
    pub(super) async fn store_entry(
        &self,
        entry: &Arc<Entry>,
        spent: bool,
        lateness: &Lateness,
    ) -> Result<Option<Box<LinkRow>>, StoreFault> {
        let (services, written) = (self.clone(), Arc::clone(entry));
        let whose = Whose::from(entry.owner).writing(entry.bytes());
        let write = move |conn: &mut AnyConn| services.write_entry(conn, &written);
        let stored = if spent {
            let commit = self.commit_until_decided(whose, "a vendor's credential", write);
            lateness.within(PATIENCE, || waits_for_database(lateness.instance()), commit).await
        } else {
            self.commit(whose, write).await
        };
        self.warm.forget([&entry.instance.id]);
        if spent && matches!(stored, Err(StoreFault::Ended)) {
            self.revoke_entry(entry).await;
        }
        stored
    }

    /// The instance as it is stored, whatever the database does meanwhile.
    pub(super) async fn stored_once_readable(&self, owner: Owner, id: i64) -> Result<Stored, ApiError> {
        self.retry_while_passing(|| self.stored_instance(owner, id)).await
    }

    /// An entry that is not kept: its grant must not live on at the vendor.
    pub(super) async fn revoke_entry(&self, entry: &Entry) {
        self.let_code_go(entry.owner, entry.code.as_ref(), &Lateness::unheard()).await;
        let about = (entry.instance.element_id, entry.instance.id);
        match self.opened(entry) {
            Ok((credential, configuration)) => {
                self.revoke_surely(entry.owner, about, &credential, &configuration).await;
            }
            Err(error) => {
                tracing::error!(instance = about.1, ?error, "a grant that nobody keeps lives on at its vendor");
            }
        }
    }

    fn opened(&self, entry: &Entry) -> Result<(Credential, Configuration), ApiError> {
        let row = &entry.instance;
        let place = CONFIGURATION.place(row.organization_id, row.id);
        let configuration = self.vault.open_json(place, &row.configuration_sealed)?;
        Ok((self.credential_of(row, &entry.credential)?, configuration))
    }
}
