//! The data keys: made at the first start, loaded at every other, and again when the change feed says so.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::kernel::clock::Clock;
use crate::kernel::entropy::Entropy;
use crate::kernel::error::ApiError;
use crate::service::Services;
use crate::store::data_keys::{self, DataKey};
use crate::store::{Store, StoreFault};
use crate::vault::seal::Place;
use crate::vault::{Generation, Generations, Known, LookupKey, SessionKey, Vault};

pub const LOOKUP: &str = "lookup";
pub const SESSION: &str = "session";
/// Not a key: marks the database of `serve --sandbox`.
pub const SANDBOX: &str = "sandbox";

/// What data keys are kept with.
pub struct DataKeys<'a> {
    pub store: &'a Store,
    pub vault: &'a Vault,
    pub clock: &'a Arc<dyn Clock>,
}

/// Loads the data keys, or makes them on an empty database. Race-free across replicas.
pub async fn load(
    keys: DataKeys<'_>,
    entropy: &dyn Entropy,
) -> Result<(Generations<LookupKey>, Generations<SessionKey>), ApiError> {
    let lookup = keys.first(LOOKUP, LookupKey::generate(entropy).as_bytes()).await?;
    let session = keys.first(SESSION, SessionKey::generate(entropy).as_bytes()).await?;
    Ok((
        Generations::new(Arc::clone(keys.clock), keys.open(&lookup, LookupKey::from_bytes)?),
        Generations::new(Arc::clone(keys.clock), keys.open(&session, SessionKey::from_bytes)?),
    ))
}

impl DataKeys<'_> {
    /// The generations for a purpose; where there is none, `fresh` becomes the first.
    pub async fn first(&self, purpose: &'static str, fresh: &[u8]) -> Result<Vec<DataKey>, ApiError> {
        let known = self.all(purpose).await?;
        if !known.is_empty() {
            return Ok(known);
        }
        let (id, sealed) = self.seal(fresh).await?;
        let now = self.clock.now();
        match self.store.write(move |conn| data_keys::insert(conn, purpose, (id, &sealed), 1, now)).await {
            // Another process was first: its key counts.
            Ok(()) | Err(StoreFault::Conflict(_)) => self.all(purpose).await,
            Err(fault) => Err(fault.into()),
        }
    }

    async fn all(&self, purpose: &'static str) -> Result<Vec<DataKey>, ApiError> {
        Ok(self.store.read(move |conn| data_keys::list(conn, purpose)).await?)
    }

    /// A key with the id of the row that it is sealed for.
    pub(in crate::service) async fn seal(&self, key: &[u8]) -> Result<(i64, Vec<u8>), ApiError> {
        let id = self.store.next_id().await?;
        Ok((id, self.vault.seal(place(id), key)?))
    }

    fn open<K>(&self, rows: &[DataKey], read: impl Fn(&[u8]) -> Option<K>) -> Result<Known<K>, ApiError> {
        let open = |row: &DataKey| {
            let bytes: Zeroizing<Vec<u8>> = self.vault.open(place(row.id), &row.sealed)?;
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

    /// Somebody made a generation, or one ended.
    pub async fn reload_data_keys(&self) -> Result<(), ApiError> {
        let keys = self.data_keys();
        self.lookup.replace(keys.open(&keys.all(LOOKUP).await?, LookupKey::from_bytes)?);
        self.session.replace(keys.open(&keys.all(SESSION).await?, SessionKey::from_bytes)?);
        Ok(())
    }
}

fn place(row: i64) -> Place {
    Place { table: "data_key", column: "sealed", row }
}
