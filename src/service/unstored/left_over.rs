//! What a process could not store until its end, and what the next one makes of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;

use super::entry::{Act, Entry};
use super::journal::{self, LeftBehind};
use crate::kernel::code::Code;
use crate::protocol::account::VendorAccount;
use crate::protocol::oauth2::token::Client;
use crate::service::Services;
use crate::service::commit::Pauses;
use crate::service::connect::{differ, ended_with};
use crate::service::flight::Lateness;
use crate::service::introspect::Connected;
use crate::store::instances::Stored;
use crate::store::{AnyConn, StoreFault, processes};
use crate::vault::seal::Place;

/// For revoking at the end of the process what cannot be kept.
const REVOKING: Duration = Duration::from_secs(3);

fn place(row: i64) -> Place {
    Place { table: "journal", column: "entry", row }
}

/// What became of an entry of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TakenUp {
    Stored,
    /// The instance has a newer credential of the same account.
    Superseded,
    Revoked,
}

impl Services {
    /// The last act for what is still held: a journal in `directory`, or, where there is none, a revocation at the vendor. How
    /// many entries there were.
    pub async fn leave_unstored(&self, directory: Option<&Path>) -> usize {
        let held = self.unstored.all();
        if held.is_empty() {
            return 0;
        }
        let count = held.len();
        match directory.map(|directory| self.write_journal(directory, &held)) {
            Some(Ok(())) => {
                tracing::warn!(
                    count,
                    "credentials that the database did not take are in a journal: the next start stores them"
                );
            }
            other => {
                let why = other.and_then(Result::err).map(tracing::field::display);
                tracing::error!(
                    count,
                    why,
                    "credentials that the database did not take have no journal: they are revoked"
                );
                let revocations = held.iter().map(|(entry, client)| self.revoke_at_end(entry, client));
                let _ = tokio::time::timeout(REVOKING, join_all(revocations)).await;
            }
        }
        count
    }

    fn write_journal(&self, directory: &Path, held: &[(Arc<Entry>, Client)]) -> Result<(), String> {
        let lines: Result<Vec<String>, String> = held.iter().map(|(entry, _)| self.line_of(entry)).collect();
        journal::write(directory, self.process, &lines?).map_err(|error| format!("{}: {error}", directory.display()))
    }

    fn line_of(&self, entry: &Entry) -> Result<String, String> {
        let document = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        let id = entry.instance.id;
        let sealed = self.vault.seal(place(id), &document).map_err(|fault| fault.to_string())?;
        Ok(format!("{id} {}", STANDARD.encode(sealed)))
    }

    fn read_line(&self, line: &str) -> Result<Entry, String> {
        let (id, sealed) = line.split_once(' ').ok_or("a line that is no entry")?;
        let id = id.parse().map_err(|_| "a line without an id")?;
        let sealed = STANDARD.decode(sealed).map_err(|error| error.to_string())?;
        let document = self.vault.open(place(id), &sealed).map_err(|fault| fault.to_string())?;
        serde_json::from_slice(&document).map_err(|error| error.to_string())
    }

    async fn revoke_at_end(&self, entry: &Entry, client: &Client) {
        let revoked = async {
            let (credential, configuration) = self.opened(entry)?;
            self.revoke_now(entry.instance.element_id, &credential, &configuration, client).await
        };
        if let Err(error) = revoked.await {
            tracing::error!(instance = entry.instance.id, ?error, "a grant that nobody keeps lives on at its vendor");
        }
    }

    /// Takes up the journals that earlier processes left in `directory`, beside everything else that the server does.
    pub fn take_up_journals(&self, directory: PathBuf) {
        let journals = match journal::claim(&directory) {
            Ok(journals) => journals,
            Err(error) => {
                tracing::error!(directory = %directory.display(), %error, "journals of earlier processes cannot be looked for");
                return;
            }
        };
        for journal in journals {
            let services = self.clone();
            self.detached.start(async move { services.take_up(journal).await });
        }
    }

    async fn take_up(&self, journal: LeftBehind) {
        let path = journal.path().display().to_string();
        let mut unread: usize = 0;
        for line in &journal.lines {
            match self.read_line(line) {
                Ok(entry) => {
                    let (instance, act) = (entry.instance.id, entry.act);
                    let became = self.take_up_entry(entry).await;
                    tracing::info!(instance, ?act, ?became, "a credential from an earlier process's journal");
                }
                Err(error) => {
                    unread = unread.saturating_add(1);
                    tracing::error!(path, error, "an entry of a journal cannot be read: the file stays");
                }
            }
        }
        // Whatever else it held is nobody's.
        if let Some(process) = journal.process {
            let leave = move |conn: &mut AnyConn| processes::leave(conn, process).map(drop);
            let _ = self.commit_surely("the end of an earlier process", leave).await;
        }
        if unread == 0
            && let Err(error) = journal.remove()
        {
            tracing::warn!(path, %error, "a journal that was taken up cannot be removed");
        }
    }

    async fn take_up_entry(&self, entry: Entry) -> TakenUp {
        let mut entry = self.telling(entry);
        let mut pauses = Pauses::default();
        loop {
            let decided = match self.store_entry(&entry, true, &Lateness::unheard()).await {
                Ok(None) => return TakenUp::Stored,
                Ok(Some(link)) if ended_with(&link, account(&entry.instance.connected).as_ref()) => {
                    return TakenUp::Superseded;
                }
                Ok(Some(_)) => None,
                Err(StoreFault::Conflict(_) | StoreFault::Refused(_) | StoreFault::NotFound) => {
                    Some(self.stored_instance(entry.owner, entry.instance.id).await)
                }
                Err(_) => continue,
            };
            match decided {
                Some(Ok(stored)) if is_same(&stored, &entry) => return TakenUp::Stored,
                // The row was changed, its credential was not.
                Some(Ok(stored)) if stored.credential.version == entry.credential.version => {
                    entry = Arc::new(over(&entry, stored));
                }
                Some(Ok(stored))
                    if !differ(
                        account(&stored.instance.connected).as_ref(),
                        account(&entry.instance.connected).as_ref(),
                    ) =>
                {
                    return TakenUp::Superseded;
                }
                Some(Err(error)) if error.code != Code::InstanceNotFound => {}
                // Gone, of another account by now, or its link came to another end.
                Some(_) | None => {
                    self.revoke_entry(&entry).await;
                    return TakenUp::Revoked;
                }
            }
            pauses.pause().await;
        }
    }
}

/// Whether it was stored before: the process ended between that and telling so.
fn is_same(stored: &Stored, entry: &Entry) -> bool {
    stored.credential.sealed == entry.credential.sealed
        || (entry.act == Act::Create && stored.instance.token_hash == entry.instance.token_hash)
}

fn account(connected: &Option<String>) -> Option<VendorAccount> {
    Connected::read(connected.as_deref()).account
}

/// The entry on the row as it is by now: what belongs to the credential is the entry's.
fn over(entry: &Entry, stored: Stored) -> Entry {
    let theirs = &entry.instance;
    let mut instance = stored.instance;
    instance.authentication_type.clone_from(&theirs.authentication_type);
    instance.external_authentication.clone_from(&theirs.external_authentication);
    instance.configuration_sealed.clone_from(&theirs.configuration_sealed);
    instance.connected.clone_from(&theirs.connected);
    let recovers = instance.invalid_reason.take().is_some();
    let tags = serde_json::from_str(&instance.tags).unwrap_or_default();
    Entry { instance, tags, recovers, ..entry.clone() }
}
