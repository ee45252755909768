//! A fresh database of either kind for one test.

use std::sync::OnceLock;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use ligand::store::{Address, Pooler, Store};
use tempfile::TempDir;

use super::pgbouncer::{Pgbouncer, pgbouncer};
use super::postgres::postgres;

pub struct Database {
    pub url: String,
    /// The SQLite file lives as long as this.
    _directory: Option<TempDir>,
}

impl Database {
    pub fn sqlite() -> Self {
        let directory = tempfile::Builder::new().prefix("ligand-test-").tempdir().expect("a directory");
        let url = format!("sqlite:{}", directory.path().join("ligand.db").display());
        Self { url, _directory: Some(directory) }
    }

    /// A migrated database, copied from a template; none where there is no PostgreSQL.
    pub fn postgres() -> Option<Self> {
        static TEMPLATE: OnceLock<()> = OnceLock::new();
        let server = postgres()?;
        TEMPLATE.get_or_init(|| {
            server.execute("postgres", "CREATE DATABASE ligand_template");
            let url = server.url_of("ligand_template");
            runtime().block_on(async {
                let store = open(&url, 1);
                store.migrate().await.expect("the template migrates");
            });
        });
        Some(Self { url: server.create_database_from("ligand_template"), _directory: None })
    }

    /// An empty one.
    pub fn empty_postgres() -> Option<Self> {
        Some(Self { url: postgres()?.create_database(), _directory: None })
    }

    /// A migrated one, reached through pgbouncer; none where that is missing.
    pub fn through_pgbouncer() -> Option<Self> {
        Some(Self::behind(pgbouncer()?, &Self::postgres()?.url))
    }

    /// The database at `url`, reached through `pooler`.
    pub fn behind(pooler: &Pgbouncer, url: &str) -> Self {
        Self::at(format!("{}?{POOLED}", pooler.url_of(url)))
    }

    /// A database that stands elsewhere: on a server of the test's own.
    pub fn at(url: String) -> Self {
        Self { url, _directory: None }
    }

    /// Runs SQL beside the server. Both databases get the same.
    pub fn execute(&self, sql: &str) {
        let busy = "PRAGMA busy_timeout = 5000";
        let done = match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let mut conn = diesel::SqliteConnection::establish(path).expect("the file opens");
                conn.batch_execute(busy).and_then(|()| conn.batch_execute(sql))
            }
            None => diesel::PgConnection::establish(&self.url).expect("PostgreSQL answers").batch_execute(sql),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Everything that is stored, as bytes: what a thief of the disk or of a backup gets.
    pub fn dump(&self) -> Vec<u8> {
        match self.url.strip_prefix("sqlite:") {
            Some(path) => {
                let files = ["", "-wal", "-shm"].map(|suffix| std::fs::read(format!("{path}{suffix}")));
                files.into_iter().flatten().flatten().collect()
            }
            None => postgres().expect("it runs").dump(&self.url).into_bytes(),
        }
    }
}

/// Tells a URL that leads through pgbouncer: `LIGAND_DATABASE_POOLER` for tests, which pass on nothing but the URL.
const POOLED: &str = "application_name=pooled";

pub fn open(url: &str, connections: u32) -> Store {
    let address: Address = url.parse().expect("a database URL");
    let pooler = if url.ends_with(POOLED) { Pooler::Transaction } else { Pooler::None };
    Store::open(address, pooler, connections).expect("the database opens")
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
