//! One connection type for both databases, and how each is opened.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{CacheSize, SimpleConnection as _, TransactionManager as _};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Bool;

use super::address::{Address, Pooler, with_limits, with_system_roots, without_secret};
use super::fault::StoreFault;
use super::processes;
use crate::kernel::secret::Secret;

#[derive(diesel::MultiConnection)]
pub enum AnyConn {
    Sqlite(diesel::SqliteConnection),
    Pg(diesel::PgConnection),
}

diesel::define_sql_function! {
    /// Bytes of a value.
    fn octet_length(value: diesel::sql_types::Binary) -> diesel::sql_types::Integer;
}

diesel::define_sql_function! {
    /// Bytes of a text.
    #[sql_name = "octet_length"]
    fn octet_length_of_text(value: diesel::sql_types::Text) -> diesel::sql_types::Integer;
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
    pub outages: Arc<Outages>,
    /// Whose lock PostgreSQL's sessions hold, once that is known.
    pub process: Arc<OnceLock<i64>>,
}

/// How often the database went away: whatever was opened before went with it.
#[derive(Debug, Default)]
pub(super) struct Outages {
    count: AtomicU64,
    noticed: Mutex<Option<Instant>>,
}

impl Outages {
    /// Fellows that fail at the same moment count one outage, not many.
    fn count_one(&self, opened_after: u64) {
        let next = opened_after.saturating_add(1);
        let _ = self.count.compare_exchange(opened_after, next, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn note(&self) {
        *self.noticed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether none was noticed for so long.
    pub fn none_for(&self, time: Duration) -> bool {
        let noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.is_none_or(|at| at.elapsed() >= time)
    }

    /// Whatever is open is opened anew before it is used again.
    pub fn open_all_anew(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

pub(super) struct Pooled {
    pub conn: AnyConn,
    opened: Instant,
    opened_after: u64,
    outages: Arc<Outages>,
}

impl Pooled {
    /// After a failure: if this connection is lost, so are its idle fellows, and nobody else needs to find out by failing.
    /// Tells whether it is.
    pub fn examine(&mut self) -> bool {
        let lost = !self.is_of_use();
        if lost {
            self.outages.count_one(self.opened_after);
            self.outages.note();
        }
        lost
    }

    /// A server that takes no writes any more answers all the same, while a new connection may lead to the one that does:
    /// by the URL's further hosts, by a name or by a proxy. Where it does not, a second passes before that is tried again.
    fn is_of_use(&mut self) -> bool {
        const YOUNG: Duration = Duration::from_secs(1);
        match &mut self.conn {
            AnyConn::Sqlite(conn) => conn.batch_execute("SELECT 1").is_ok(),
            AnyConn::Pg(conn) => {
                let read_only = sql::<Bool>("current_setting('transaction_read_only') = 'on'");
                let answer = diesel::select(read_only).get_result::<bool>(conn);
                answer.is_ok_and(|read_only| !read_only || self.opened.elapsed() < YOUNG)
            }
        }
    }

    fn outdated(&self) -> bool {
        self.opened_after != self.outages.count.load(Ordering::Acquire)
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
            Address::Postgres(url) => {
                let mut conn = open_postgres(url, self.pooler)?;
                if let Some(process) = self.process.get().filter(|_| self.pooler == Pooler::None) {
                    processes::hold_lock(&mut conn, *process)?;
                }
                Ok(AnyConn::Pg(conn))
            }
        }
    }
}

impl r2d2::ManageConnection for Opener {
    type Connection = Pooled;
    type Error = StoreFault;

    fn connect(&self) -> Result<Pooled, StoreFault> {
        let opened_after = self.outages.count.load(Ordering::Acquire);
        let (conn, opened) = (self.open().inspect_err(|_| self.outages.note())?, Instant::now());
        Ok(Pooled { conn, opened, opened_after, outages: Arc::clone(&self.outages) })
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
            // What is deleted is overwritten: names and secrets do not stay in free pages.
            conn.batch_execute("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;")?;
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
