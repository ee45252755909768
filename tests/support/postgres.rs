//! A real PostgreSQL server: one per test process, with the durability settings it comes with.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::account::Account;
use super::part::{Part, Signal, missing};

const READY: &str = "database system is ready to accept connections";
const START_LIMIT: Duration = Duration::from_secs(60);

pub struct Postgres {
    part: Mutex<Part>,
    programs: PathBuf,
    pub port: u16,
    pub password: String,
    databases: AtomicU32,
}

/// The server of this test process, or `None` (and a printed skip) on a machine without PostgreSQL.
pub fn postgres() -> Option<&'static Postgres> {
    static SERVER: LazyLock<Option<Postgres>> = LazyLock::new(Postgres::start);
    if SERVER.is_none() {
        missing("no PostgreSQL on this machine");
    }
    SERVER.as_ref()
}

impl Postgres {
    /// A server of one's own, for tests that stop it or fill it up.
    pub fn start() -> Option<Self> {
        let programs = find_programs()?;
        let directory = tempfile::Builder::new().prefix("ligand-postgres-").tempdir().expect("a directory");
        let account = Account::to_run_as();
        let password = random_hex();
        let password_file = directory.path().join("password");
        fs::write(&password_file, &password).expect("the password file is written");
        account.own(directory.path());
        account.own(&password_file);

        let data = directory.path().join("data");
        let mut initdb = Command::new(programs.join("initdb"));
        initdb.args(["--username=ligand", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]);
        initdb.arg("--pwfile").arg(&password_file).arg("--pgdata").arg(&data).current_dir(directory.path());
        succeed(account.restrict(&mut initdb).output().expect("initdb can be started"));

        let port = free_port();
        let part = Mutex::new(run(&programs, port, directory, READY));
        Some(Self { part, programs, port, password, databases: AtomicU32::new(0) })
    }

    /// A standby that follows this server, at this port, under a name that `synchronous_standby_names` can list.
    pub fn start_standby(&self, name: &str, port: u16) -> Self {
        let directory = tempfile::Builder::new().prefix("ligand-postgres-").tempdir().expect("a directory");
        let account = Account::to_run_as();
        account.own(directory.path());
        let mut basebackup = Command::new(self.programs.join("pg_basebackup"));
        basebackup.arg("--pgdata").arg(directory.path().join("data")).current_dir(directory.path());
        basebackup.args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--dbname"]);
        basebackup.arg(format!("{}?application_name={name}", self.url_of("postgres")));
        succeed(account.restrict(&mut basebackup).output().expect("pg_basebackup can be started"));
        let part = Mutex::new(run(&self.programs, port, directory, "started streaming WAL from primary"));
        let (programs, password) = (self.programs.clone(), self.password.clone());
        Self { part, programs, port, password, databases: AtomicU32::new(0) }
    }

    /// Whatever is acknowledged from now on lies on the standby of this name too; nobody waits for one where there is none.
    pub fn commit_with(&self, standby: Option<&str>) {
        let names = standby.unwrap_or_default();
        self.execute("postgres", &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        self.execute("postgres", "SELECT pg_reload_conf()");
        let waits = || {
            self.execute(
                "postgres",
                "SELECT string_agg(application_name, ',') FROM pg_stat_replication WHERE sync_state = 'sync'",
            )
        };
        let deadline = Instant::now() + START_LIMIT;
        while waits() != names {
            assert!(Instant::now() < deadline, "{names} is not synchronous");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes a standby the primary, and returns when it takes writes.
    pub fn promote(&self) {
        assert_eq!(self.execute("postgres", "SELECT pg_promote()"), "t");
    }

    /// Makes an empty database and returns its address.
    pub fn create_database(&self) -> String {
        self.create_database_from("template1")
    }

    /// Makes a copy of the database `template`, to which nobody may be connected, and returns its address.
    pub fn create_database_from(&self, template: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        self.url_of(&name)
    }

    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://ligand:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Runs `sql` as the server's superuser, beside whatever the program under test does, and returns its plain output.
    pub fn execute(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]).arg(self.url_of(database));
        succeed(psql.output().expect("psql can be started"))
    }

    /// Where `pg_dump` and `pg_restore` are.
    pub fn programs(&self) -> &std::path::Path {
        &self.programs
    }

    /// The whole database at this address as SQL.
    pub fn dump(&self, url: &str) -> String {
        let mut pg_dump = Command::new(self.programs.join("pg_dump"));
        succeed(pg_dump.arg(url).output().expect("pg_dump can be started"))
    }

    pub fn stop(&self, signal: Signal) {
        self.part.lock().expect("no test panicked here").stop(signal);
    }

    pub fn start_again(&self) {
        let mut part = self.part.lock().expect("no test panicked here");
        part.start_again();
        part.wait_for(READY, START_LIMIT);
    }
}

/// The server whose data lie in `directory`, which is its own from here on; returns when it says `ready`.
fn run(programs: &Path, port: u16, directory: TempDir, ready: &str) -> Part {
    let mut server = Part::command(programs.join("postgres"), directory.path(), Signal::Quit);
    server.arg("-D").arg(directory.path().join("data")).args(["-p", &port.to_string()]).current_dir(directory.path());
    server.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
    server.args(["-c", "max_connections=300"]);
    let mut part = Part::start(Account::to_run_as().restrict(&mut server), directory);
    part.wait_for(ready, START_LIMIT);
    part
}

/// Debian keeps the server's programs out of the path; the newest version wins.
fn find_programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|home| Some((home.file_name()?.to_str()?.parse().ok()?, home.join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    std::env::split_paths(&path)
        .chain(versions.into_iter().map(|(_, programs)| programs))
        .find(|programs| ["initdb", "postgres", "psql"].iter().all(|name| programs.join(name).is_file()))
}

/// A password keeps other accounts of the machine out: the superuser may start programs.
fn random_hex() -> String {
    let mut bytes = [0; 16];
    let mut source = fs::File::open("/dev/urandom").expect("a random source");
    std::io::Read::read_exact(&mut source, &mut bytes).expect("random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

fn succeed(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
