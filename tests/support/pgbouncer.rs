//! pgbouncer in transaction mode, as Debian ships it, before a PostgreSQL server: no session outlives a transaction.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use super::account::Account;
use super::part::{Part, Signal, missing};
use super::postgres::{Postgres, free_port, postgres};

pub struct Pgbouncer {
    port: u16,
    _part: Part,
}

/// The one before the server of this test process, or `None` (and a printed skip) where either is missing.
pub fn pgbouncer() -> Option<&'static Pgbouncer> {
    static POOLER: LazyLock<Option<Pgbouncer>> = LazyLock::new(|| Pgbouncer::before(postgres()?));
    if POOLER.is_none() {
        missing("no PostgreSQL or no pgbouncer on this machine");
    }
    POOLER.as_ref()
}

impl Pgbouncer {
    pub fn before(server: &Postgres) -> Option<Self> {
        let program = find_program()?;
        let directory = tempfile::Builder::new().prefix("ligand-pgbouncer-").tempdir().expect("a directory");
        let (users, settings) = (directory.path().join("users"), directory.path().join("settings"));
        let port = free_port();
        fs::write(&users, format!("\"ligand\" \"{}\"\n", server.password)).expect("the file is written");
        // Fewer connections than clients, so that every client meets the traces of others.
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = 4\nmax_client_conn = 1000\nserver_idle_timeout = 5\n\
             server_login_retry = 1\nquery_wait_timeout = 5\n",
            server.port,
            users.display()
        );
        fs::write(&settings, text).expect("the file is written");
        let account = Account::to_run_as();
        for path in [directory.path(), &users, &settings] {
            account.own(path);
        }
        let mut command = Part::command(program, directory.path(), Signal::Kill);
        command.arg(&settings).current_dir(directory.path());
        let mut part = Part::start(account.restrict(&mut command), directory);
        part.wait_for("process up", Duration::from_secs(30));
        Some(Self { port, _part: part })
    }

    /// The same database, through it.
    pub fn url_of(&self, url: &str) -> String {
        let mut url = url::Url::parse(url).expect("a URL");
        url.set_port(Some(self.port)).expect("it has a host");
        url.to_string()
    }
}

/// Debian keeps it where only root looks.
fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    places.map(|place| place.join("pgbouncer")).find(|program| program.is_file())
}
