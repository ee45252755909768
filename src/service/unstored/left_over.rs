//! What a process could not store until its end, and what the next one makes of it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;

use super::entry::{Act, Entry};
use super::journal::{Journal, LeftBehind};
use crate::kernel::code::Code;
use crate::protocol::account::VendorAccount;
use crate::protocol::oauth2::client::Client;
use crate::service::Services;
use crate::service::ground::Pauses;
use crate::service::instance::connected::Connected;
use crate::service::instance::standing::Standing;
use crate::service::links::{differ, ended_with};
use crate::service::process::flight::Lateness;
use crate::store::instances::{CredentialRow, InstanceRow, Stored};
use crate::store::{AnyConn, StoreFault, Whose, processes};
use crate::vault::seal::Place;

/// For revoking at the end of the process what cannot be kept.
const REVOKING: Duration = Duration::from_secs(3);

/// For what earlier processes left, before this one opens its port.
const TAKING_UP: Duration = Duration::from_secs(10);

/// A line of a file, which nobody owns; what is sealed in it is somebody's.
fn place(row: i64) -> Place {
    Place { table: "journal", column: "entry", row, owner: None }
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
    /// The last act for what is still held: a journal, or, where there is no place for one, a revocation at the vendor. From now
    /// on nothing is stored any more. How many entries there were.
    pub async fn leave_unstored(&self, journal: Option<&Journal>) -> usize {
        self.unstored.close();
        let held = self.unstored.all();
        if held.is_empty() {
            return 0;
        }
        let count = held.len();
        match journal.map(|journal| self.write_journal(journal, &held)) {
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

    fn write_journal(&self, journal: &Journal, held: &[(Arc<Entry>, Client)]) -> Result<(), String> {
        let lines: Result<Vec<String>, String> = held.iter().map(|(entry, _)| self.line_of(entry)).collect();
        journal.write(self.process, &lines?).map_err(|error| format!("{}: {error}", journal.directory.display()))
    }

    fn line_of(&self, entry: &Entry) -> Result<String, String> {
        let id = entry.instance.id;
        let sealed = self.vault.seal_document(place(id), entry).map_err(|fault| fault.to_string())?;
        Ok(format!("{id} {}", STANDARD.encode(sealed)))
    }

    fn read_line(&self, line: &str) -> Result<Entry, String> {
        let (id, sealed) = line.split_once(' ').ok_or("a line that is no entry")?;
        let id = id.parse().map_err(|_| "a line without an id")?;
        let sealed = STANDARD.decode(sealed).map_err(|error| error.to_string())?;
        self.vault.open_document(place(id), &sealed).map_err(|fault| fault.to_string())
    }

    async fn revoke_at_end(&self, entry: &Entry, client: &Client) {
        let id = entry.instance.id;
        if entry.act == Act::Change {
            // Its own grant may be of the same account, which a revocation would end as well.
            tracing::error!(instance = id, "a new grant of an instance is lost, and lives on at its vendor");
            return;
        }
        let revoked = async {
            let (credential, configuration) = self.opened(entry)?;
            self.revoke_now((entry.owner, entry.instance.element_id), &credential, &configuration, client).await
        };
        if let Err(error) = revoked.await {
            tracing::error!(instance = id, ?error, "a grant that nobody keeps lives on at its vendor");
        }
    }

    /// Takes up the journals that earlier processes left. Before anybody uses what they hold the newer token of; where the
    /// database takes nothing, that goes on beside everything else.
    pub async fn take_up_journals(&self, journal: &Journal) {
        let left = match journal.claim() {
            Ok(left) => left,
            Err(error) => {
                let directory = journal.directory.display();
                tracing::error!(%directory, %error, "journals of earlier processes cannot be looked for");
                return;
            }
        };
        let taking = left.into_iter().map(|left| {
            let services = self.clone();
            self.detached.run(async move {
                services.take_up(left).await;
                Ok(())
            })
        });
        let _ = tokio::time::timeout(TAKING_UP, join_all(taking)).await;
    }

    async fn take_up(&self, journal: LeftBehind) {
        let path = journal.path().display().to_string();
        // At once, so that they share commits.
        let lines = join_all(journal.lines.iter().map(async |line| match self.read_line(line) {
            Ok(entry) => {
                let (instance, act) = (entry.instance.id, entry.act);
                let became = self.take_up_entry(entry).await;
                tracing::info!(instance, ?act, ?became, "a credential from an earlier process's journal");
                true
            }
            Err(error) => {
                tracing::error!(path, error, "an entry of a journal cannot be read: the file stays");
                false
            }
        }));
        let all_read = lines.await.into_iter().all(|read| read);
        // Whatever else it held is nobody's.
        if let Some(process) = journal.process {
            let leave = move |conn: &mut AnyConn| processes::leave(conn, process).map(drop);
            let _ = self.commit_until_decided(Whose::SERVER, "the end of an earlier process", leave).await;
        }
        if all_read && let Err(error) = journal.remove() {
            tracing::warn!(path, %error, "a journal that was taken up cannot be removed");
        }
    }

    async fn take_up_entry(&self, entry: Entry) -> TakenUp {
        let mut entry = self.telling(entry);
        let mut pauses = Pauses::default();
        loop {
            let decided = match self.store_entry(&entry, true, &Lateness::unheard()).await {
                Ok(None) => return TakenUp::Stored,
                Ok(Some(link)) if ended_with(&link, account(&entry.instance).as_ref()) => {
                    return TakenUp::Superseded;
                }
                Ok(Some(_)) => None,
                // It is on its way to its end already.
                Err(StoreFault::Ended) => return TakenUp::Revoked,
                // A verdict: nothing else ends it.
                Err(_) => Some(self.stored_instance(entry.owner, entry.instance.id).await),
            };
            match decided {
                Some(Ok(stored)) if is_same(&stored, &entry) => return TakenUp::Stored,
                // The row was changed and its credential was not, or an older database is in its place.
                Some(Ok(stored))
                    if stored.credential.version <= entry.credential.version && !differs(&stored, &entry) =>
                {
                    entry = Arc::new(over(&entry, stored));
                }
                Some(Ok(stored)) if is_live(&stored) && !differs(&stored, &entry) => {
                    return TakenUp::Superseded;
                }
                Some(Err(error)) if error.code != Code::InstanceNotFound => {}
                // Gone, invalid or of another account by now, or its link came to another end.
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

/// Of what is invalid no newer credential would be cut off.
fn is_live(stored: &Stored) -> bool {
    stored.instance.invalid_reason.is_none()
}

fn differs(stored: &Stored, entry: &Entry) -> bool {
    differ(account(&stored.instance).as_ref(), account(&entry.instance).as_ref())
}

fn account(row: &InstanceRow) -> Option<VendorAccount> {
    Connected::of_row_or_unknown(row).account
}

/// The entry on the row as it is by now: what belongs to the credential is the entry's.
fn over(entry: &Entry, stored: Stored) -> Entry {
    let theirs = &entry.instance;
    // Tags of the row; those that its creation had where they cannot be read.
    let tags = stored.tags().unwrap_or_else(|fault| {
        tracing::error!(%fault, "the tags of an instance are taken from a journal");
        entry.tags.clone()
    });
    let mut instance = stored.instance;
    instance.authentication_type.clone_from(&theirs.authentication_type);
    instance.external_authentication.clone_from(&theirs.external_authentication);
    instance.configuration_sealed.clone_from(&theirs.configuration_sealed);
    instance.connected.clone_from(&theirs.connected);
    let failing = Standing::of(&stored.credential).failing.is_some();
    let recovers = instance.invalid_reason.take().is_some() || failing;
    let credential = CredentialRow { version: stored.credential.version, ..entry.credential.clone() };
    Entry { instance, credential, tags, recovers, ..entry.clone() }
}
