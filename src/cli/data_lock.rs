//! One server for each SQLite file: two would each trust a memory that the other's changes reach late, and take each other's
//! leases for those of an earlier start.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::database;
use crate::config::Storage;

/// Held for as long as this lives. The kernel gives it up when the process dies, however it dies.
pub struct DataLock {
    _file: Option<File>,
}

impl DataLock {
    /// Of the database of the settings. PostgreSQL takes as many servers as there are.
    pub fn take(storage: &Storage) -> Result<Self, String> {
        let Some(database) = database::file(storage) else { return Ok(Self { _file: None }) };
        Self::of(&database)?.ok_or_else(|| {
            format!("{}: a server is running on this database, and a file takes one alone", database.display())
        })
    }

    /// None: another process has it.
    pub fn of(file: &Path) -> Result<Option<Self>, String> {
        // A file beside it, and not itself: see `store/peek.rs`.
        let path = beside(file);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = opened.map_err(|error| format!("{}: {error}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _file: Some(lock) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                tracing::warn!(path = %path.display(), %error, "no lock can be had here: see to it that one server runs alone");
                Ok(Some(Self { _file: None }))
            }
        }
    }
}

/// `ligand.db.lock`, where the file itself is, when links lead to it.
fn beside(database: &Path) -> PathBuf {
    let database = fs::canonicalize(database).unwrap_or_else(|_| database.to_owned());
    let mut name: OsString = database.into_os_string();
    name.push(".lock");
    name.into()
}
