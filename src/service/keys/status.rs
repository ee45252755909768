//! How many values each key still seals, and how many of them are not bound to their owners, counted by the database.

use crate::kernel::error::ApiError;
use crate::store::sealed::{self, Column, SEALED};
use crate::store::{Store, clear_passwords};
use crate::vault::{Form, KeyRing, seal};

/// What a key seals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    pub id: String,
    pub in_ring: bool,
    /// In the order of `SEALED`.
    pub values: Vec<i64>,
    /// Of all these the ones that are not bound to their owners.
    pub unbound: i64,
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
    /// Whether the first key opens nothing that is not bound to its owner.
    pub marked: bool,
    /// Hashes of passwords that no key seals.
    pub clear_passwords: i64,
}

pub async fn status(store: &Store, ring: &KeyRing) -> Result<KeyStatus, ApiError> {
    let mut keys: Vec<(String, bool)> = ring.ids().map(|id| (id.to_owned(), true)).collect();
    let mut malformed = Vec::new();
    for column in SEALED {
        let mut after = i64::MIN;
        loop {
            let prefixes: Vec<_> = keys.iter().flat_map(|(id, _)| prefixes(id)).collect();
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
        let (mut values, mut unbound) = (Vec::new(), 0_i64);
        for column in SEALED {
            let prefixes: Vec<_> = prefixes(&id).collect();
            let counts = store.read(move |conn| {
                prefixes.iter().map(|prefix| sealed::count(conn, column, prefix)).collect::<Result<Vec<_>, _>>()
            });
            let counts = counts.await?;
            values.push(counts.iter().sum());
            unbound = unbound.saturating_add(counts.first().copied().unwrap_or_default());
        }
        counted.push(KeyUse { id, in_ring, values, unbound });
    }
    let clear_passwords = store.read(clear_passwords::count).await?;
    Ok(KeyStatus { keys: counted, malformed, marked: ring.is_marked(), clear_passwords })
}

/// How values of this key begin, in either form: unbound ones first.
fn prefixes(id: &str) -> impl Iterator<Item = Vec<u8>> {
    Form::ALL.into_iter().filter_map(move |form| seal::header(form, id))
}

impl KeyStatus {
    /// Values, hashes of passwords among them.
    pub fn unbound(&self) -> i64 {
        self.keys.iter().map(|key| key.unbound).sum::<i64>().saturating_add(self.clear_passwords)
    }

    /// What the operator may do with the keys, in a sentence.
    pub fn advice(&self) -> String {
        let (ring, missing): (Vec<_>, Vec<_>) = self.keys.iter().partition(|key| key.in_ring);
        if let Some(key) = missing.iter().find(|key| key.total() > 0) {
            return format!("The key {} is needed and not in the ring: add it behind the first one.", key.id);
        }
        let Some((first, others)) = ring.split_first() else { return "The ring is empty.".to_owned() };
        let (needed, idle): (Vec<_>, Vec<_>) = others.iter().partition(|key| key.total() > 0);
        let ids = |keys: &[&&KeyUse]| keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", ");
        if !needed.is_empty() {
            return format!("{} is still needed: run `ligand keys rotate` before it is dropped.", ids(&needed));
        }
        let unbound = self.unbound();
        if unbound > 0 {
            return format!(
                "{unbound} values are not bound to their owners yet: run `ligand keys rotate` once every server runs this version."
            );
        }
        let done = match idle.is_empty() {
            false => format!("Everything is sealed under {}: {} can be dropped from the ring.", first.id, ids(&idle)),
            true => format!("Everything is sealed under {}, the only key of the ring.", first.id),
        };
        match self.marked {
            true => done,
            false => format!("{done} Put `:bound` behind {}, so that it opens nothing older.", first.id),
        }
    }
}
