//! One connection type for both databases, and how each is opened.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::{CacheSize, SimpleConnection as _, TransactionManager as _};
use diesel::prelude::*;
use diesel::result::Error;

use super::address::{Address, Pooler, with_limits, with_system_roots};
use super::fault::StoreFault;
use crate::kernel::secret::Secret;

#[derive(diesel::MultiConnection)]
pub enum AnyConn {
    Sqlite(diesel::SqliteConnection),
    Pg(diesel::PgConnection),
}

/// Runs the same diesel expression on the concrete connection, for what the enum cannot do (`on_conflict`, batches).
macro_rules! on_each {
    ($conn:expr, $inner:ident => $body:expr) => {
        match $conn {
            $crate::store::connection::AnyConn::Sqlite($inner) => $body,
            $crate::store::connection::AnyConn::Pg($inner) => $body,
        }
    };
}
pub(super) use on_each;

/// What a connection is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What every transaction on PostgreSQL runs under, whatever the server or the database say.
macro_rules! settings {
    ($set:literal) => {
        concat!(
            $set,
            " synchronous_commit = on; ",
            $set,
            " statement_timeout = '10s'; ",
            $set,
            " lock_timeout = '5s'; ",
            $set,
            " timezone = 'UTC';"
        )
    };
}

/// Opens connections for an r2d2 pool. Written by hand: the derived `establish` tries every variant in turn.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub address: Address,
    pub pooler: Pooler,
    pub access: Access,
    /// How often the database went away: whatever was opened before went with it.
    pub outages: Arc<AtomicU64>,
}

pub(super) struct Pooled {
    pub conn: AnyConn,
    opened_after: u64,
    outages: Arc<AtomicU64>,
}

impl Pooled {
    /// After a failure: if this connection is lost, so are its idle fellows, and nobody else needs to find out by failing.
    /// Tells whether it is.
    pub fn examine(&mut self) -> bool {
        let lost = self.conn.batch_execute("SELECT 1").is_err();
        if lost {
            let next = self.opened_after.saturating_add(1);
            // Fellows that fail at the same moment count one outage, not many.
            let _ = self.outages.compare_exchange(self.opened_after, next, Ordering::AcqRel, Ordering::Relaxed);
        }
        lost
    }

    fn outdated(&self) -> bool {
        self.opened_after != self.outages.load(Ordering::Acquire)
    }
}

impl Opener {
    /// What a transaction must set itself. Behind a transaction-mode pooler no setting of a session reaches the next one,
    /// and poolers drop or refuse those of a connection's start.
    pub fn of_each_transaction(&self) -> Option<&'static str> {
        match (&self.address, self.pooler) {
            (Address::Postgres(_), Pooler::Transaction) => Some(settings!("SET LOCAL")),
            _ => None,
        }
    }

    pub fn open(&self) -> Result<AnyConn, StoreFault> {
        match &self.address {
            Address::Sqlite(path) => open_sqlite(path, self.access).map(AnyConn::Sqlite),
            Address::Postgres(url) => open_postgres(url, self.pooler).map(AnyConn::Pg),
        }
    }
}

impl r2d2::ManageConnection for Opener {
    type Connection = Pooled;
    type Error = StoreFault;

    fn connect(&self) -> Result<Pooled, StoreFault> {
        let opened_after = self.outages.load(Ordering::Acquire);
        Ok(Pooled { conn: self.open()?, opened_after, outages: Arc::clone(&self.outages) })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), StoreFault> {
        if pooled.outdated() { Err(StoreFault::Unavailable("the connection was lost".to_owned())) } else { Ok(()) }
    }

    /// A panic leaves its transaction open: the next caller's writes would become part of it, and be lost with it.
    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        type Transactions = <AnyConn as Connection>::TransactionManager;
        pooled.outdated() || Transactions::is_broken_transaction_manager(&mut pooled.conn)
    }
}

/// `synchronous=FULL`: a rotated refresh token that is lost in a power cut cannot be had again.
fn open_sqlite(path: &Path, access: Access) -> Result<SqliteConnection, StoreFault> {
    let unavailable = |error: &dyn std::fmt::Display| StoreFault::Unavailable(error.to_string());
    if access == Access::Write {
        // Password hashes and addresses lie in the clear; `-wal` and `-shm` take the mode of the file.
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        new.map(drop).or_else(|error| match error.kind() {
            ErrorKind::AlreadyExists => Ok(()),
            _ => Err(unavailable(&format!("{}: {error}", path.display()))),
        })?;
    }
    let mut conn = SqliteConnection::establish(&path.to_string_lossy()).map_err(|error| unavailable(&error))?;
    conn.batch_execute("PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON;")?;
    match access {
        Access::Write => {
            switch_to_wal(&mut conn)?;
            conn.batch_execute("PRAGMA synchronous = FULL;")?;
        }
        Access::Read => conn.batch_execute("PRAGMA query_only = ON;")?,
    }
    Ok(conn)
}

/// On a new file SQLite does not wait for another process that does the same at this moment, so this does.
fn switch_to_wal(conn: &mut SqliteConnection) -> QueryResult<()> {
    const TRIES: u32 = 100;
    for _ in 1..TRIES {
        match conn.batch_execute("PRAGMA journal_mode = WAL;") {
            Err(Error::DatabaseError(_, info)) if info.message().contains("locked") => {
                std::thread::sleep(Duration::from_millis(50));
            }
            other => return other,
        }
    }
    conn.batch_execute("PRAGMA journal_mode = WAL;")
}

fn open_postgres(url: &Secret, pooler: Pooler) -> Result<PgConnection, StoreFault> {
    // libpq's text can repeat parts of the URL: only its kind goes on.
    let refused = |error: ConnectionError| match error {
        ConnectionError::BadConnection(text) => StoreFault::Unavailable(without_secret(&text, url)),
        other => StoreFault::Unavailable(without_secret(&other.to_string(), url)),
    };
    let roots = openssl_probe::probe().cert_file;
    let url_with_roots = with_limits(&with_system_roots(url, roots.as_deref()));
    let mut conn = PgConnection::establish(url_with_roots.expose()).map_err(refused)?;
    match pooler {
        Pooler::Transaction => conn.set_prepared_statement_cache_size(CacheSize::Disabled),
        Pooler::None => conn.batch_execute(settings!("SET"))?,
    }
    Ok(conn)
}

fn without_secret(text: &str, url: &Secret) -> String {
    let password = url::Url::parse(url.expose()).ok().and_then(|url| url.password().map(str::to_owned));
    let text = text.replace(url.expose(), "***");
    password.map_or(text.clone(), |password| text.replace(&password, "***"))
}
