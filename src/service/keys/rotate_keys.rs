//! Re-sealing everything under the first key of the ring, beside running servers. What is done stays done: after an
//! interruption the next run goes on with the rest.

use std::time::{Duration, Instant};

use crate::kernel::error::ApiError;
use crate::store::sealed::{self, Column, SEALED, Swap, Value};
use crate::store::{AnyConn, Store, StoreFault};
use crate::vault::seal::{self, Place};
use crate::vault::{Vault, VaultFault};

/// More than servers that seal under the same key could make necessary.
const PASSES: usize = 8;

/// A value that does not open. Its content is told to nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unopened {
    pub column: Column,
    pub row: i64,
    /// None: it does not look like a sealed value.
    pub key_id: Option<String>,
    pub fault: VaultFault,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Rotated {
    /// In the order of `SEALED`.
    pub changed: Vec<(Column, usize)>,
    pub unopened: Vec<Unopened>,
    /// Whether the last pass found nothing more to do. If not, somebody still seals under another key.
    pub complete: bool,
}

impl Rotated {
    pub fn total(&self) -> usize {
        self.changed.iter().map(|(_, count)| count).sum()
    }
}

/// `report` hears after every batch how many values were re-sealed so far.
pub async fn rotate(store: &Store, vault: &Vault, mut report: impl FnMut(usize)) -> Result<Rotated, ApiError> {
    let header = vault.ring().ids().next().and_then(seal::header).unwrap_or_default();
    let mut rotated = Rotated { changed: SEALED.map(|column| (column, 0)).to_vec(), ..Rotated::default() };
    for _ in 0..PASSES {
        let before = rotated.total();
        rotated.unopened.clear();
        for column in SEALED {
            let mut after = i64::MIN;
            loop {
                let prefix = header.clone();
                let read = move |conn: &mut AnyConn| sealed::without_prefix(conn, column, &prefix, after);
                let values = patiently(|| store.read(read.clone())).await?;
                let Some(last) = values.last() else { break };
                after = last.id;
                let (swaps, unopened) = reseal(vault, column, values);
                rotated.unopened.extend(unopened);
                let count = swap(store, column, swaps).await?;
                if let Some((_, total)) = rotated.changed.iter_mut().find(|(known, _)| *known == column) {
                    *total = total.saturating_add(count);
                }
                report(rotated.total());
            }
        }
        if rotated.total() == before {
            rotated.complete = true;
            break;
        }
    }
    Ok(rotated)
}

fn reseal(vault: &Vault, column: Column, values: Vec<Value>) -> (Vec<Swap>, Vec<Unopened>) {
    let (mut swaps, mut unopened) = (Vec::new(), Vec::new());
    for Value { id, bytes: old } in values {
        match vault.reseal(place(column, id), &old) {
            Ok(new) => swaps.push(Swap { id, old, new }),
            Err(fault) => {
                let key_id = seal::key_id(&old).map(str::to_owned);
                unopened.push(Unopened { column, row: id, key_id, fault });
            }
        }
    }
    (swaps, unopened)
}

/// Where a value of the column is sealed for.
pub(in crate::service) fn place(Column { table, name, .. }: Column, row: i64) -> Place {
    Place { table, column: name, row }
}

/// One transaction, and then a pause as long: SQLite has one writer, and callers of the server wait for it too.
pub(in crate::service) async fn swap(store: &Store, column: Column, swaps: Vec<Swap>) -> Result<usize, StoreFault> {
    if swaps.is_empty() {
        return Ok(0);
    }
    let swaps = std::sync::Arc::new(swaps);
    let started = Instant::now();
    let count = patiently(|| {
        let swaps = std::sync::Arc::clone(&swaps);
        store.write(move |conn| sealed::swap(conn, column, &swaps))
    });
    let count = count.await?;
    tokio::time::sleep(started.elapsed()).await;
    Ok(count)
}

/// A database that is busy or away for a moment does not end a long run.
async fn patiently<T, F>(attempt: impl Fn() -> F) -> Result<T, StoreFault>
where
    F: Future<Output = Result<T, StoreFault>>,
{
    const TRIES: usize = 6;
    for _ in 1..TRIES {
        match attempt().await {
            Err(StoreFault::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(500)).await,
            other => return other,
        }
    }
    attempt().await
}
