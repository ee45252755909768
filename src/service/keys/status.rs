//! How many values each key still seals, counted by the database.

use crate::kernel::error::ApiError;
use crate::store::Store;
use crate::store::sealed::{self, Column, SEALED};
use crate::vault::KeyRing;
use crate::vault::seal;

/// What a key seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    pub id: String,
    pub in_ring: bool,
    /// In the order of `SEALED`.
    pub values: Vec<i64>,
}

impl KeyUse {
    pub fn total(&self) -> i64 {
        self.values.iter().sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStatus {
    /// Those of the ring in its order, then those that only the database knows.
    pub keys: Vec<KeyUse>,
    /// Values that no key can have sealed, with their row.
    pub malformed: Vec<(Column, i64)>,
}

pub async fn status(store: &Store, ring: &KeyRing) -> Result<KeyStatus, ApiError> {
    let mut keys: Vec<(String, bool)> = ring.ids().map(|id| (id.to_owned(), true)).collect();
    let mut malformed = Vec::new();
    for column in SEALED {
        let mut after = i64::MIN;
        loop {
            let prefixes: Vec<_> = keys.iter().filter_map(|(id, _)| seal::header(id)).collect();
            let other = store.read(move |conn| sealed::first_without(conn, column, &prefixes, after)).await?;
            let Some(other) = other else { break };
            match seal::key_id(&other.bytes) {
                Some(id) => keys.push((id.to_owned(), false)),
                None => {
                    malformed.push((column, other.id));
                    after = other.id;
                }
            }
        }
    }
    let mut counted = Vec::new();
    for (id, in_ring) in keys {
        let prefix = seal::header(&id).unwrap_or_default();
        let mut values = Vec::new();
        for column in SEALED {
            let prefix = prefix.clone();
            values.push(store.read(move |conn| sealed::count(conn, column, &prefix)).await?);
        }
        counted.push(KeyUse { id, in_ring, values });
    }
    Ok(KeyStatus { keys: counted, malformed })
}

impl KeyStatus {
    /// What the operator may do with the keys, in a sentence.
    pub fn advice(&self) -> String {
        let (ring, missing): (Vec<_>, Vec<_>) = self.keys.iter().partition(|key| key.in_ring);
        if let Some(key) = missing.iter().find(|key| key.total() > 0) {
            return format!("The key {} is needed and not in the ring: add it behind the first one.", key.id);
        }
        let Some((first, others)) = ring.split_first() else { return "The ring is empty.".to_owned() };
        let (needed, idle): (Vec<_>, Vec<_>) = others.iter().partition(|key| key.total() > 0);
        let ids = |keys: &[&&KeyUse]| keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ");
        match (needed.is_empty(), idle.is_empty()) {
            (false, _) => format!("{} is still needed: run `ligand keys rotate` before it is dropped.", ids(&needed)),
            (true, false) => {
                format!("Everything is sealed under {}: {} can be dropped from the ring.", first.id, ids(&idle))
            }
            (true, true) => format!("Everything is sealed under {}, the only key of the ring.", first.id),
        }
    }
}
