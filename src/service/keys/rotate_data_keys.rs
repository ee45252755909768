//! New generations of the look-up key and of the session key. Old ones stay good until nothing depends on them.

use chrono::{DateTime, TimeDelta, Utc};

use super::data_keys::{LOOKUP, SESSION};
use super::rotate_keys::{Unopened, swap};
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::Credential;
use crate::service::Services;
use crate::service::audit::Deed;
use crate::service::ground::KEPT_FOR;
use crate::store::sealed::{
    self, CREDENTIAL, Column, INSTANCE_TOKEN, LINK_TOKEN, ORGANIZATION_SECRET, Pair, Swap, USER_SECRET,
};
use crate::store::{AnyConn, StoreFault, data_keys};
use crate::vault::document::read_document;
use crate::vault::generations::SPREAD;
use crate::vault::lookup::Purpose;
use crate::vault::{LookupKey, SessionKey, VaultFault, seal, session};

/// On top of what must have passed: clocks differ.
const MARGIN: TimeDelta = TimeDelta::hours(1);
/// The same for the use of a new generation.
const CLOCKS_DIFFER_BY: TimeDelta = TimeDelta::seconds(5);

/// A generation that was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    pub generation: i64,
    /// From when on every process works with it.
    pub in_use_at: DateTime<Utc>,
    /// An earlier run began it and did not come to its end.
    pub continued: bool,
}

/// Hashes that were computed anew.
#[derive(Debug, Default)]
pub struct Rehashed {
    pub changed: usize,
    pub unopened: Vec<Unopened>,
}

/// A column of hashes, and where the texts are that they are hashes of.
struct Hashed {
    column: &'static str,
    of: Column,
    purpose: Purpose,
}

/// What lives long. States and idempotency keys age away meanwhile.
const HASHED: [Hashed; 5] = [
    Hashed { column: "secret_hash", of: ORGANIZATION_SECRET, purpose: Purpose::OrganizationSecret },
    Hashed { column: "secret_hash", of: USER_SECRET, purpose: Purpose::UserSecret },
    Hashed { column: "token_hash", of: INSTANCE_TOKEN, purpose: Purpose::InstanceToken },
    Hashed { column: "token_hash", of: LINK_TOKEN, purpose: Purpose::LinkToken },
    Hashed { column: "grant_hash", of: CREDENTIAL, purpose: Purpose::VendorGrant },
];

impl Services {
    /// A new session key. Tokens of the older ones are good until they would have expired anyway. When the older ones
    /// retire.
    pub async fn rotate_session_key(&self) -> Result<(Begun, DateTime<Utc>), ApiError> {
        let now = self.now();
        let retires_at = later(now, session::LIFETIME, MARGIN);
        let fresh = SessionKey::generate(self.entropy.as_ref());
        let begun = self.begin(SESSION, fresh.as_bytes(), Some(retires_at)).await?;
        Ok((begun, retires_at))
    }

    /// A new look-up key, or the one that an earlier run began. It must be in use everywhere before hashes are computed
    /// anew.
    pub async fn begin_lookup_rotation(&self) -> Result<Begun, ApiError> {
        let fresh = LookupKey::generate(self.entropy.as_ref());
        self.begin(LOOKUP, fresh.as_bytes(), None).await
    }

    /// `retires_at`: of the older ones, where that can be said from the start.
    async fn begin(
        &self,
        purpose: &'static str,
        fresh: &[u8],
        retires_at: Option<DateTime<Utc>>,
    ) -> Result<Begun, ApiError> {
        let (id, sealed) = self.data_keys().seal(fresh, self.vault.form()).await?;
        let trail = self.audit(&self.operator(None), Deed::KeyRotated, id).await?;
        let now = self.now();
        let begin = move |conn: &mut AnyConn| {
            let known = data_keys::list(conn, purpose)?;
            let newest = known.last().ok_or(StoreFault::NotFound)?;
            let unfinished = known.iter().any(|key| key.generation < newest.generation && key.retires_at.is_none());
            if unfinished {
                return Ok((newest.generation, newest.created_at, true));
            }
            let generation = newest.generation.saturating_add(1);
            data_keys::insert(conn, purpose, (id, &sealed), generation, now, &trail)?;
            if let Some(at) = retires_at {
                data_keys::retire_before(conn, purpose, generation, (at, now))?;
            }
            Ok((generation, now, false))
        };
        let begun = match self.store.write(begin.clone()).await {
            // Somebody else began one at the same moment: it is ours too.
            Err(StoreFault::Conflict(_)) => self.store.write(begin).await,
            other => other,
        };
        let (generation, created_at, continued) = begun?;
        self.reload_data_keys().await?;
        Ok(Begun { generation, in_use_at: later(created_at, SPREAD, CLOCKS_DIFFER_BY), continued })
    }

    /// Computes every hash under the newest generation, from the sealed text that it is a hash of. Nobody's call fails
    /// meanwhile, and a second run finds nothing to do. `report` hears after every batch how many were changed so far.
    pub async fn rehash(&self, mut report: impl FnMut(usize)) -> Result<Rehashed, ApiError> {
        let known = self.lookup.known();
        // Not the newest: a job may run in the seconds in which others do not know that one yet.
        let key = &known.current(self.clock.as_ref()).key;
        let mut rehashed = Rehashed::default();
        for hashed in &HASHED {
            let mut after = i64::MIN;
            loop {
                let (of, column) = (hashed.of, hashed.column);
                let pairs = self.store.read(move |conn| sealed::with_derived(conn, of, column, after)).await?;
                let Some(last) = pairs.last() else { break };
                after = last.id;
                let mut swaps = Vec::new();
                for pair in pairs {
                    match self.hash_of(key, hashed, &pair)? {
                        Ok(new) if new == pair.derived => {}
                        Ok(new) => swaps.push(Swap { id: pair.id, old: pair.derived, new }),
                        Err(unopened) => rehashed.unopened.push(unopened),
                    }
                }
                let count = swap(&self.store, Column { name: column, ..of }, swaps, self.now()).await?;
                rehashed.changed = rehashed.changed.saturating_add(count);
                report(rehashed.changed);
            }
        }
        Ok(rehashed)
    }

    fn hash_of(&self, key: &LookupKey, hashed: &Hashed, pair: &Pair) -> Result<Result<Vec<u8>, Unopened>, ApiError> {
        let opened = self.vault.open(hashed.of.place(pair.owner, pair.id), &pair.sealed);
        let text = match opened {
            Ok(text) => text,
            Err(fault) => {
                let key_id = seal::key_id(&pair.sealed).map(str::to_owned);
                return Ok(Err(Unopened { column: hashed.of, row: pair.id, key_id, fault }));
            }
        };
        if hashed.purpose != Purpose::VendorGrant {
            return Ok(Ok(key.hash_bytes(hashed.purpose, &text)));
        }
        let credential: Credential = match read_document(hashed.of.place(pair.owner, pair.id), &text) {
            Ok(credential) => credential,
            Err(fault) => return Ok(Err(Unopened { column: hashed.of, row: pair.id, key_id: None, fault })),
        };
        let grant: Option<&Secret> = credential.grant();
        Ok(Ok(grant.map_or_else(|| pair.derived.clone(), |grant| key.hash(hashed.purpose, grant))))
    }

    /// The end of a rotation: says when the older generations retire, by when nothing of theirs is left.
    pub async fn finish_lookup_rotation(&self, generation: i64) -> Result<DateTime<Utc>, ApiError> {
        let now = self.now();
        let at = later(now, KEPT_FOR, MARGIN);
        self.store.write(move |conn| data_keys::retire_before(conn, LOOKUP, generation, (at, now))).await?;
        self.reload_data_keys().await?;
        Ok(at)
    }

    /// Removes the generations that have come to their end.
    pub async fn retire_data_keys(&self) -> Result<(), ApiError> {
        let now = self.now();
        if self.store.read(move |conn| data_keys::any_retired(conn, LOOKUP, now)).await? {
            // What was under way while the rotation ran, or came from a clock that is behind, is caught here.
            self.reload_data_keys().await?;
            let rehashed = self.rehash(|_| ()).await?;
            // What was altered is found by no hash any more; what another key or form seals may open again.
            let may_open =
                |row: &&Unopened| !matches!(row.fault, VaultFault::Corrupt { .. } | VaultFault::Unreadable(_));
            let count = rehashed.unopened.iter().filter(may_open).count();
            if count == 0 {
                self.store.write(move |conn| data_keys::remove_retired(conn, LOOKUP, now)).await?;
            } else {
                tracing::error!(
                    count,
                    "an old look-up key stays: secrets that it finds do not open, `ligand keys rotate` names them"
                );
            }
        }
        if self.store.read(move |conn| data_keys::any_retired(conn, SESSION, now)).await? {
            self.store.write(move |conn| data_keys::remove_retired(conn, SESSION, now)).await?;
        }
        Ok(())
    }
}

fn later(time: DateTime<Utc>, by: TimeDelta, margin: TimeDelta) -> DateTime<Utc> {
    by.checked_add(&margin).and_then(|by| time.checked_add_signed(by)).unwrap_or(time)
}
