//! `ligand restore`: a backup becomes the SQLite database, and is marked as what it is; `ligand resume` ends that.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::backup::{Draft, directory_of};
use super::data_lock::DataLock;
use super::{Ended, database, key_ring, postgres_tools, print, serve, told};
use crate::catalog::Catalog;
use crate::config::{Catalogue, Storage};
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::kernel::entropy::SystemEntropy;
use crate::service::keys::status;
use crate::store::backup::{self, Holding};
use crate::store::peek::peek;
use crate::store::sealed::SEALED;
use crate::store::{Address, Pooler, Schema, Store, identity, sealed};
use crate::vault::{KeyRing, Vault, VaultFault};

const AFTERWARDS: &str = "Its refresh tokens may have been used since it was copied: access tokens are used while they are \
                          good, and no refresh token is sent until you run `ligand resume`";

/// `file`: none to mark what is there.
pub async fn run(storage: &Storage, catalogue: &Catalogue, file: Option<PathBuf>) -> Ended {
    let catalog = Catalog::load(catalogue.elements_dir.as_deref());
    let catalog = catalog.map_err(|complaints| serve::complaints_text(&complaints))?;
    match (file, database::address(storage)) {
        (None, _) => mark_existing(storage, &catalog).await,
        (Some(file), Address::Postgres(url)) => postgres_tools::refuse_restore(&url, &file),
        (Some(file), Address::Sqlite(target)) => {
            let ring = key_ring::existing(storage)?;
            if storage.database_url().is_none() {
                key_ring::private_directory(&storage.data_dir)?;
            }
            let _alone = DataLock::take(storage)?;
            let holding = put(&file, &target, &catalog, ring).await?;
            print(&format!(
                "{} holds {} organizations and {} instances, and the key opens them. {AFTERWARDS}",
                target.display(),
                holding.organizations,
                holding.instances
            ))
        }
    }
}

async fn mark_existing(storage: &Storage, catalog: &Catalog) -> Ended {
    let store = database::existing(storage).await?;
    let _alone = DataLock::take(storage)?;
    let marked = mark(&store, catalog).await;
    let count = database::close(&store, Ok(())).await.and(marked)?;
    print(&format!("the database is marked as restored, {count} credentials among it. {AFTERWARDS}"))
}

async fn mark(store: &Store, catalog: &Catalog) -> Result<usize, String> {
    // Of an element that is not known here it is safer to believe that it rotates.
    let kept = catalog.iter().filter(|element| element.refresh().is_some_and(|rules| !rules.rotates));
    let kept: Vec<i64> = kept.map(|element| element.id).collect();
    let now = SystemClock.now();
    let marked = store.write(move |conn| identity::mark_restored(conn, &kept, now)).await;
    marked.map_err(|fault| fault.to_string())
}

async fn put(file: &Path, target: &Path, catalog: &Catalog, ring: KeyRing) -> Result<Holding, String> {
    let at = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    refuse_to_write_over(target)?;
    match peek(file).map_err(|fault| at(file, &fault))? {
        Some(found) if found.schema != Schema::Missing => {}
        _ => return Err(at(file, &"it is no database of Ligand")),
    }
    // Copied by SQLite itself, so that a `-wal` beside it counts, and everything else is done to the copy.
    let draft = Draft::beside(target)?;
    backup::copy(file, &draft.path).map_err(|fault| at(file, &fault))?;
    let holding = backup::check(&draft.path).map_err(|fault| at(file, &fault))?;
    let store = Store::open(Address::Sqlite(draft.path.clone()), Pooler::None, 1);
    let store = store.map_err(|fault| at(file, &fault))?;
    let prepared = prepare(&store, catalog, ring).await.map_err(|reason| at(file, &reason));
    // Without its `-wal`, or it is not put anywhere.
    let closed = store.close().await.map_err(|fault| at(file, &fault));
    prepared.and(closed)?;
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(with(target, suffix));
    }
    draft.publish(target)?;
    File::open(directory_of(target)).and_then(|directory| directory.sync_all()).map_err(|error| at(target, &error))?;
    Ok(holding)
}

async fn prepare(store: &Store, catalog: &Catalog, ring: KeyRing) -> Ended {
    store.migrate().await.map_err(|fault| fault.to_string())?;
    opens(store, ring).await?;
    mark(store, catalog).await.map(drop)
}

/// Every key that seals something is in the ring, and one value of each place opens.
async fn opens(store: &Store, ring: KeyRing) -> Ended {
    let status = status::status(store, &ring).await.map_err(|error| told(&error))?;
    if let Some(missing) = status.keys.iter().find(|key| !key.in_ring && key.total() > 0) {
        return Err(format!("its key {} is not in the ring: put that key where the server finds it first", missing.id));
    }
    let vault = Vault::new(ring, Arc::new(SystemEntropy));
    for column in SEALED {
        let first = store.read(move |conn| sealed::first_without(conn, column, &[], i64::MIN)).await;
        if let Some(value) = first.map_err(|fault| fault.to_string())? {
            vault.open(column.place(value.owner, value.id), &value.bytes).map_err(|fault| match fault {
                VaultFault::Unbound { .. } => fault.to_string(),
                _ => format!(
                    "{}.{} does not open: the ring has another key under the same id, or the value was altered",
                    column.table, column.name
                ),
            })?;
        }
    }
    Ok(())
}

fn refuse_to_write_over(target: &Path) -> Ended {
    let found = peek(target).map_err(|fault| format!("{}: {fault}", target.display()))?;
    let foreign = found.as_ref().is_some_and(|found| found.schema == Schema::Missing);
    if foreign || found.as_ref().is_some_and(|found| found.has_data) {
        return Err(format!("{} holds data, and is not written over: move it away first", target.display()));
    }
    // Of a database that was removed without it: SQLite would take it for a part of the one that comes.
    let is_left = |path: &PathBuf| found.is_none() && path.metadata().is_ok_and(|file| file.len() > 0);
    match ["-wal", "-journal"].map(|suffix| with(target, suffix)).iter().find(|path| is_left(path)) {
        Some(left) => Err(format!("{} is left of another database: move it away first", left.display())),
        None => Ok(()),
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(suffix);
    name.into()
}

pub async fn resume(storage: &Storage) -> Ended {
    let store = database::existing(storage).await?;
    let now = SystemClock.now();
    let resumed = store.write(move |conn| identity::resume(conn, now)).await.map_err(|fault| fault.to_string());
    match database::close(&store, Ok(())).await.and(resumed)? {
        true => print("refresh tokens are sent again, by running servers within seconds"),
        false => print("there was nothing to resume"),
    }
}
