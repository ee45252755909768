//! `ligand keys`: the keys that seal, and the data keys behind them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Ended, database, print, services, told};
use crate::config::{Keys, Storage};
use crate::kernel::clock::{SystemClock, api_date};
use crate::kernel::entropy::SystemEntropy;
use crate::service::Services;
use crate::service::keys::rotate_keys::{self, Rotated, Unopened};
use crate::service::keys::status::{self, KeyStatus};
use crate::store::sealed::{Column, SEALED};
use crate::vault::{KeyRing, Vault, VaultFault};

/// Between two lines about the progress.
const EVERY: Duration = Duration::from_secs(5);
/// Values that do not open, by name; the rest is counted.
const NAMED: usize = 50;

pub async fn run(command: Keys) -> Ended {
    match command {
        Keys::New => print(KeyRing::generate(&SystemEntropy).expose()),
        Keys::Status { storage } => status(&storage).await,
        Keys::Rotate { storage, session: false, lookup: false } => rotate(&storage).await,
        Keys::Rotate { storage, session, lookup } => {
            let services = services(&storage).await?;
            let rotated = rotate_data_keys(&services, session, lookup).await;
            database::close(&services.store, rotated).await
        }
    }
}

/// No services: they do not start without a key that is missing, which is what must be found out here.
async fn status(storage: &Storage) -> Ended {
    let (store, ring) = database::unlocked(storage).await?;
    let status = status::status(&store, &ring).await.map_err(|error| told(&error));
    let status = database::close(&store, Ok(())).await.and(status)?;
    print(&table(&status))?;
    if !status.malformed.is_empty() {
        let named = status.malformed.iter().take(NAMED).map(|(column, row)| format!("\n  {}", shown(*column, *row)));
        print(&format!("{} values were not sealed by any key:{}", status.malformed.len(), named.collect::<String>()))?;
    }
    if status.clear_passwords > 0 {
        print(&format!("{} password hashes stand in the clear", status.clear_passwords))?;
    }
    print(&status.advice())
}

/// A line for each key, a column for each place that has values.
fn table(status: &KeyStatus) -> String {
    let filled = |index: usize| status.keys.iter().any(|key| key.values.get(index).is_some_and(|count| *count > 0));
    let mut lines = Vec::new();
    let width = SEALED.iter().map(|column| name(*column).len()).max().unwrap_or_default();
    let mut line = |first: &str, cells: Vec<String>| {
        let mut text = format!("{first:<width$}");
        for cell in cells {
            let _ = write!(text, "  {cell:>16}");
        }
        lines.push(text.trim_end().to_owned());
    };
    let role = |index: usize, in_ring: bool| match (index, in_ring) {
        (0, true) => "seals",
        (_, true) => "opens",
        (_, false) => "not in the ring",
    };
    line("key", status.keys.iter().map(|key| key.id.clone()).collect());
    line("", status.keys.iter().enumerate().map(|(index, key)| role(index, key.in_ring).to_owned()).collect());
    for (index, column) in SEALED.iter().enumerate().filter(|(index, _)| filled(*index)) {
        let count = |values: &[i64]| values.get(index).copied().unwrap_or_default().to_string();
        line(&name(*column), status.keys.iter().map(|key| count(&key.values)).collect());
    }
    if status.keys.iter().any(|key| key.unbound > 0) {
        line("unbound", status.keys.iter().map(|key| key.unbound.to_string()).collect());
    }
    line("total", status.keys.iter().map(|key| key.total().to_string()).collect());
    lines.join("\n")
}

async fn rotate(storage: &Storage) -> Ended {
    let (store, ring) = database::unlocked(storage).await?;
    let first = ring.ids().next().unwrap_or_default().to_owned();
    let vault = Vault::new(ring, Arc::new(SystemEntropy));
    let started = Instant::now();
    let rotated = rotate_keys::rotate(&store, &vault, &SystemClock, progress("values are sealed anew")).await;
    let rotated = database::close(&store, Ok(())).await.and(rotated.map_err(|error| told(&error)))?;
    print(&summary(&rotated, &first, started.elapsed()))?;
    refuse_unopened(&rotated.unopened)?;
    refuse_strange(&rotated.strange_passwords)?;
    match rotated.complete {
        true => Ok(()),
        false => Err(format!(
            "values are still being sealed under another key than {first}: restart every server with this ring, then run this again"
        )),
    }
}

fn summary(rotated: &Rotated, first: &str, took: Duration) -> String {
    let changed = rotated.changed.iter().filter(|(_, count)| *count > 0);
    let lines: String = changed.map(|(column, count)| format!("\n  {:<32} {count:>10}", name(*column))).collect();
    format!("{} values were sealed anew under {first} in {:.1} s{lines}", rotated.total(), took.as_secs_f64())
}

async fn rotate_data_keys(services: &Services, session: bool, lookup: bool) -> Ended {
    if session {
        rotate_session(services).await?;
    }
    if lookup { rotate_lookup(services).await } else { Ok(()) }
}

async fn rotate_session(services: &Services) -> Ended {
    let (begun, retires_at) = services.rotate_session_key().await.map_err(|error| told(&error))?;
    print(&format!(
        "generation {} of the session key signs from {} on; tokens of older ones are good until {}",
        begun.generation,
        api_date(begun.in_use_at),
        api_date(retires_at)
    ))
}

async fn rotate_lookup(services: &Services) -> Ended {
    let begun = services.begin_lookup_rotation().await.map_err(|error| told(&error))?;
    let verb = if begun.continued { "goes on with" } else { "begins" };
    print(&format!("this {verb} generation {} of the look-up key", begun.generation))?;
    // Hashes are computed anew only when nobody makes any under an older generation.
    let wait = begun.in_use_at.signed_duration_since(services.now());
    tokio::time::sleep(wait.to_std().unwrap_or_default()).await;
    let started = Instant::now();
    let rehashed = services.rehash(progress("hashes are computed anew")).await.map_err(|error| told(&error))?;
    print(&format!("{} hashes were computed anew in {:.1} s", rehashed.changed, started.elapsed().as_secs_f64()))?;
    refuse_unopened(&rehashed.unopened)?;
    let retires_at = services.finish_lookup_rotation(begun.generation).await.map_err(|error| told(&error))?;
    print(&format!("older generations are still accepted until {}", api_date(retires_at)))
}

/// A line now and then.
fn progress(what: &'static str) -> impl FnMut(usize) {
    let mut told_at = Instant::now();
    move |count| {
        if told_at.elapsed() >= EVERY {
            told_at = Instant::now();
            // Nobody reads it any more: that is no reason to stop.
            let _ = print(&format!("{count} {what} so far"));
        }
    }
}

fn refuse_unopened(unopened: &[Unopened]) -> Ended {
    if unopened.is_empty() {
        return Ok(());
    }
    let reason = |value: &Unopened| match &value.fault {
        VaultFault::UnknownKey(id) => format!("its key {id} is not in the ring"),
        VaultFault::Unbound { key, .. } => {
            format!("it is older than the mark on {key}: take `:bound` away from {key}, run this again, then mark it")
        }
        _ => match &value.key_id {
            Some(id) => format!(
                "it was altered, or moved here from another row or organization, or {id} is another key than the one that \
                 sealed it"
            ),
            None => "it is no sealed value".to_owned(),
        },
    };
    let line = |value: &Unopened| format!("\n  {}: {}", shown(value.column, value.row), reason(value));
    let named: String = unopened.iter().take(NAMED).map(line).collect();
    let rest = match unopened.len().saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!("\n  and {rest} more"),
    };
    Err(format!("{} values do not open and were left as they are:{named}{rest}", unopened.len()))
}

fn refuse_strange(users: &[i64]) -> Ended {
    if users.is_empty() {
        return Ok(());
    }
    let named: String =
        users.iter().take(NAMED).map(|user| format!("\n  app_user.password_hash, row {user}")).collect();
    Err(format!(
        "{} password hashes were written in the clear into a database that seals them, and count for nothing: find out who \
         writes there, and give these users new passwords with `ligand users reset`:{named}",
        users.len()
    ))
}

fn name(column: Column) -> String {
    format!("{}.{}", column.table, column.name)
}

fn shown(column: Column, row: i64) -> String {
    format!("{}, row {row}", name(column))
}
