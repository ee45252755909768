//! Re-sealing everything under the first key of the ring, bound to its owner, beside running servers. What is done stays
//! done: after an interruption the next run goes on with the rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::data_keys::says_unbound;
use crate::kernel::clock::Clock;
use crate::kernel::error::ApiError;
use crate::store::sealed::{self, Column, DATA_KEY, SEALED, Swap, USER_PASSWORD, Value};
use crate::store::{AnyConn, Store, StoreFault, clear_passwords, data_keys};
use crate::vault::generations::SPREAD;
use crate::vault::{Form, Vault, VaultFault, seal};

/// More than servers that seal under the same key could make necessary.
const PASSES: usize = 8;
/// While servers learn that all is bound by now.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    /// Users whose password hash stands in the clear where all is bound: a stranger's doing, so it is not made good by sealing.
    pub strange_passwords: Vec<i64>,
    /// Whether the last pass found nothing more to do. If not, somebody still seals under another key.
    pub complete: bool,
}

impl Rotated {
    fn add(&mut self, column: Column, count: usize) {
        if let Some((_, total)) = self.changed.iter_mut().find(|(known, _)| *known == column) {
            *total = total.saturating_add(count);
        }
    }

    pub fn total(&self) -> usize {
        self.changed.iter().map(|(_, count)| count).sum()
    }
}

/// `report` hears after every batch how many values were re-sealed so far.
pub async fn rotate(
    store: &Store,
    vault: &Vault,
    clock: &dyn Clock,
    mut report: impl FnMut(usize),
) -> Result<Rotated, ApiError> {
    let header = vault.ring().ids().next().and_then(|id| seal::header(Form::Bound, id)).unwrap_or_default();
    let binding = says_unbound(store, vault).await?;
    let mut rotated = Rotated { changed: SEALED.map(|column| (column, 0)).to_vec(), ..Rotated::default() };
    for _ in 0..PASSES {
        let before = rotated.total();
        if binding {
            // First: as soon as the data keys are bound none in the clear is accepted.
            rotated.add(USER_PASSWORD, seal_passwords(store, vault).await?);
        }
        rotated.unopened.clear();
        let mut binds = false;
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
                binds |= binding
                    && column == DATA_KEY
                    && swaps.iter().any(|swap| Form::of(&swap.old) == Some(Form::Unbound));
                let count = swap(store, column, swaps, clock.now()).await?;
                rotated.add(column, count);
                report(rotated.total());
            }
        }
        if binds {
            // By then every server seals in the bound form, as the data keys say now.
            let began = Instant::now();
            while began.elapsed() < SPREAD.to_std().unwrap_or_default() {
                tokio::time::sleep(LOOK_EVERY).await;
                // Of a server that has not heard of it yet.
                rotated.add(USER_PASSWORD, seal_passwords(store, vault).await?);
            }
        } else if rotated.total() == before {
            rotated.complete = true;
            break;
        }
    }
    if !binding {
        let strange = patiently(|| store.read(|conn| clear_passwords::next(conn, i64::MIN))).await?;
        rotated.strange_passwords = strange.into_iter().map(|clear| clear.user).collect();
    }
    Ok(rotated)
}

/// Seals the hashes of passwords that stand in the clear. How many.
async fn seal_passwords(store: &Store, vault: &Vault) -> Result<usize, ApiError> {
    let (mut after, mut count) = (i64::MIN, 0_usize);
    loop {
        let clear = patiently(|| store.read(move |conn| clear_passwords::next(conn, after))).await?;
        let Some(last) = clear.last() else { return Ok(count) };
        after = last.user;
        let sealed = clear.into_iter().map(|clear| {
            let place = USER_PASSWORD.place(clear.organization, clear.user);
            vault.seal_as(Form::Bound, place, clear.hash.as_bytes()).map(|sealed| (clear, sealed))
        });
        let sealed = Arc::new(sealed.collect::<Result<Vec<_>, VaultFault>>()?);
        let replaced = patiently(|| {
            let sealed = Arc::clone(&sealed);
            store.write(move |conn| clear_passwords::replace(conn, &sealed))
        });
        count = count.saturating_add(replaced.await?);
    }
}

fn reseal(vault: &Vault, column: Column, values: Vec<Value>) -> (Vec<Swap>, Vec<Unopened>) {
    let (mut swaps, mut unopened) = (Vec::new(), Vec::new());
    for Value { id, owner, bytes: old } in values {
        match vault.reseal(column.place(owner, id), &old) {
            Ok(new) => swaps.push(Swap { id, old, new }),
            Err(fault) => {
                let key_id = seal::key_id(&old).map(str::to_owned);
                unopened.push(Unopened { column, row: id, key_id, fault });
            }
        }
    }
    (swaps, unopened)
}

/// One transaction, and then a pause as long: SQLite has one writer, and callers of the server wait for it too.
pub(in crate::service) async fn swap(
    store: &Store,
    column: Column,
    swaps: Vec<Swap>,
    now: DateTime<Utc>,
) -> Result<usize, StoreFault> {
    if swaps.is_empty() {
        return Ok(0);
    }
    let swaps = Arc::new(swaps);
    let started = Instant::now();
    let count = patiently(|| {
        let swaps = Arc::clone(&swaps);
        store.write(move |conn| {
            let count = sealed::swap(conn, column, &swaps)?;
            if column == DATA_KEY && count > 0 {
                data_keys::refuse_older(conn)?;
                data_keys::say_changed(conn, now)?;
            }
            Ok(count)
        })
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
