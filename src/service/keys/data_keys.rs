//! The data keys: made at the first start, loaded at every other, and again when the change feed says so.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::kernel::clock::Clock;
use crate::kernel::entropy::Entropy;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::store::audit::Trail;
use crate::store::data_keys::{self, DataKey};
use crate::store::sealed::DATA_KEY;
use crate::store::{Store, StoreFault};
use crate::vault::{AuditKey, Form, Generation, Generations, Known, LookupKey, SessionKey, Vault};

pub const LOOKUP: &str = "lookup";
pub const SESSION: &str = "session";
pub const AUDIT: &str = "audit";
/// Not a key: marks the database of `serve --sandbox`.
pub const SANDBOX: &str = "sandbox";

/// What data keys are kept with.
pub struct DataKeys<'a> {
    pub store: &'a Store,
    pub vault: &'a Vault,
    pub clock: &'a Arc<dyn Clock>,
}

pub type Loaded = (Generations<LookupKey>, Generations<SessionKey>, Generations<AuditKey>);

/// Loads the data keys, or makes them on an empty database. Race-free across replicas.
pub async fn load(keys: DataKeys<'_>, entropy: &dyn Entropy) -> Result<Loaded, ApiError> {
    // The first that is sealed in a database. Nobody runs beside it yet who would not know the bound form.
    let lookup = keys.first(LOOKUP, LookupKey::generate(entropy).as_bytes(), Form::Bound).await?;
    let session = keys.first(SESSION, SessionKey::generate(entropy).as_bytes(), newest_form(&lookup)).await?;
    let audit = keys.first(AUDIT, AuditKey::generate(entropy).as_bytes(), newest_form(&lookup)).await?;
    keys.bind_where_all_is(&[&lookup, &session]);
    Ok((
        Generations::new(Arc::clone(keys.clock), keys.open(&lookup, LookupKey::from_bytes)?),
        Generations::new(Arc::clone(keys.clock), keys.open(&session, SessionKey::from_bytes)?),
        Generations::new(Arc::clone(keys.clock), keys.open(&audit, AuditKey::from_bytes)?),
    ))
}

impl DataKeys<'_> {
    /// The generations for a purpose; where there is none, `fresh` becomes the first.
    pub async fn first(&self, purpose: &'static str, fresh: &[u8], form: Form) -> Result<Vec<DataKey>, ApiError> {
        let known = self.all(purpose).await?;
        if !known.is_empty() {
            return Ok(known);
        }
        let (id, sealed) = self.seal(fresh, form).await?;
        let now = self.clock.now();
        match self
            .store
            .write(move |conn| {
                data_keys::insert(conn, purpose, (id, &sealed), 1, now, &Trail::Not("made at the first start"))
            })
            .await
        {
            // Another process was first: its key counts.
            Ok(()) | Err(StoreFault::Conflict(_)) => self.all(purpose).await,
            Err(fault) => Err(fault.into()),
        }
    }

    async fn all(&self, purpose: &'static str) -> Result<Vec<DataKey>, ApiError> {
        Ok(self.store.read(move |conn| data_keys::list(conn, purpose)).await?)
    }

    /// A key with the id of the row that it is sealed for.
    pub(in crate::service) async fn seal(&self, key: &[u8], form: Form) -> Result<(i64, Vec<u8>), ApiError> {
        let id = self.store.next_id().await?;
        Ok((id, self.vault.seal_as(form, DATA_KEY.place(None, id), key)?))
    }

    /// The data keys tell in which form a database is sealed: they are the first that `ligand keys rotate` turns.
    fn bind_where_all_is(&self, purposes: &[&[DataKey]]) {
        if purposes.iter().all(|known| newest_form(known) == Form::Bound) {
            self.vault.bind();
        }
    }

    fn open<K>(&self, rows: &[DataKey], read: impl Fn(&[u8]) -> Option<K>) -> Result<Known<K>, ApiError> {
        let open = |row: &DataKey| {
            let bytes: Zeroizing<Vec<u8>> = self.vault.open(DATA_KEY.place(None, row.id), &row.sealed)?;
            let key = read(&bytes).ok_or_else(|| ApiError::internal("a data key does not have 32 bytes"))?;
            let DataKey { generation: number, created_at, retires_at, .. } = *row;
            Ok(Generation { number, key, created_at, retires_at })
        };
        let generations = rows.iter().map(open).collect::<Result<_, ApiError>>()?;
        Known::of(generations).ok_or_else(|| ApiError::internal("a data key is gone from the database"))
    }
}

impl Services {
    pub(in crate::service) fn data_keys(&self) -> DataKeys<'_> {
        DataKeys { store: &self.store, vault: &self.vault, clock: &self.clock }
    }

    /// Somebody made a generation, one ended, or they were sealed anew.
    pub async fn reload_data_keys(&self) -> Result<(), ApiError> {
        let keys = self.data_keys();
        let (lookup, session, audit) = (keys.all(LOOKUP).await?, keys.all(SESSION).await?, keys.all(AUDIT).await?);
        self.lookup.replace(keys.open(&lookup, LookupKey::from_bytes)?);
        self.session.replace(keys.open(&session, SessionKey::from_bytes)?);
        self.audit_key.replace(keys.open(&audit, AuditKey::from_bytes)?);
        keys.bind_where_all_is(&[&lookup, &session]);
        Ok(())
    }
}

/// Whether its own keys say that a database is still sealed in the older form. What does not open says nothing.
pub(in crate::service) async fn says_unbound(store: &Store, vault: &Vault) -> Result<bool, ApiError> {
    for purpose in [LOOKUP, SESSION] {
        let known = store.read(move |conn| data_keys::list(conn, purpose)).await?;
        let opens = |newest: &DataKey| vault.open(DATA_KEY.place(None, newest.id), &newest.sealed).is_ok();
        if newest_form(&known) == Form::Unbound && known.last().is_some_and(opens) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn newest_form(known: &[DataKey]) -> Form {
    known.last().and_then(|newest| Form::of(&newest.sealed)).unwrap_or(Form::Unbound)
}
