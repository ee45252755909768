//! The database of a command. `serve` and `migrate` alone make one: any other command in a wrong directory must say so
//! instead of finding an empty database that it has just made.

use std::path::PathBuf;
use std::time::Duration;

use super::{Ended, key_ring};
use crate::config::Storage;
use crate::store::address::may_be_in_the_clear;
use crate::store::peek::{Peek, peek};
use crate::store::{Address, Schema, Store, StoreFault};
use crate::vault::KeyRing;

/// For the last writes and the checkpoint of a command.
const CLOSING: Duration = Duration::from_secs(10);

pub fn address(storage: &Storage) -> Address {
    let in_directory = || Address::Sqlite(storage.data_dir.join("ligand.db"));
    storage.database_url().cloned().unwrap_or_else(in_directory)
}

/// The SQLite file; none with PostgreSQL.
pub fn file(storage: &Storage) -> Option<PathBuf> {
    match address(storage) {
        Address::Sqlite(path) => Some(path),
        Address::Postgres(_) => None,
    }
}

/// What is in the SQLite file; none where there is no file, and with PostgreSQL.
pub fn look(storage: &Storage) -> Result<Option<Peek>, String> {
    let Some(file) = file(storage) else { return Ok(None) };
    peek(&file).map_err(|fault| match fault {
        StoreFault::Newer(_) => fault.to_string(),
        _ => format!("{}: {fault}", file.display()),
    })
}

/// Opens the database, and makes it and the data directory where they are not there.
pub fn create(storage: &Storage) -> Result<Store, String> {
    if storage.database_url().is_none() {
        key_ring::private_directory(&storage.data_dir)?;
    }
    let of_environment = std::env::var("PGSSLMODE").ok();
    if may_be_in_the_clear(&address(storage), of_environment.as_deref()) {
        tracing::warn!(
            "DATABASE_URL leads to another machine and does not ask for TLS: add sslmode=verify-full and sslrootcert=system"
        );
    }
    open(storage)
}

/// Opens a database that `serve` or `migrate` made, with the schema of this version.
pub async fn existing(storage: &Storage) -> Result<Store, String> {
    look_for_file(storage)?;
    let store = open(storage)?;
    require(&store.schema().await.map_err(|fault| fault.to_string())?, "DATABASE_URL")?;
    Ok(store)
}

/// The same with the keys that seal what is in it.
pub async fn unlocked(storage: &Storage) -> Result<(Store, KeyRing), String> {
    look_for_file(storage)?;
    let ring = key_ring::existing(storage)?;
    Ok((existing(storage).await?, ring))
}

/// Opening it would make it.
fn look_for_file(storage: &Storage) -> Ended {
    let Some(file) = file(storage) else { return Ok(()) };
    let schema = look(storage)?.map_or(Schema::Missing, |found| found.schema);
    require(&schema, &file.display().to_string())
}

fn require(schema: &Schema, place: &str) -> Ended {
    match schema {
        Schema::Current => Ok(()),
        Schema::Missing => Err(format!("{place}: there is no database of Ligand; `ligand serve` makes one")),
        Schema::Behind(_) => Err("the schema is older than this version: run `ligand migrate` first".to_owned()),
    }
}

fn open(storage: &Storage) -> Result<Store, String> {
    let opened = Store::open(address(storage), storage.database_pooler, storage.database_connections);
    opened.map_err(|fault| fault.to_string())
}

/// The end of a command. Where a server has the file open too, it is the server that leaves it whole.
pub async fn close(store: &Store, ended: Ended) -> Ended {
    let _ = tokio::time::timeout(CLOSING, store.close()).await;
    ended
}

/// The end of a server: the file alone must be all of the database.
pub async fn close_whole(store: &Store, within: Duration) -> Ended {
    let reason = match tokio::time::timeout(within, store.close()).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(fault)) => fault.to_string(),
        Err(_) => "the database did not answer in time".to_owned(),
    };
    Err(format!("the database was not closed in order, so its `-wal` file is part of it: {reason}"))
}
