//! Processes on one database, and the vendor they share: it lives in the test's process and so outlives each of them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ligand::cli::sandbox_vendor::{self, SandboxVendor};
use ligand::kernel::clock::SystemClock;
use ligand::kernel::entropy::SystemEntropy;
use ligand::sandbox::{Sandbox, TOKEN_ROUTES};
use serde_json::Value;
use tempfile::TempDir;

use super::browser::PUBLIC;
use super::caller::{Caller, Reply, read};
use super::database::Database;
use super::part::Signal;
use super::program::{ADMIN, Ended, Ligand, Serving, with_admin};
use super::server::PASSWORD;
use super::vendor::elements;

const TOKEN: &str = "POST /oauth/2026-03/token";
const LIMIT: Duration = Duration::from_secs(30);

/// Members of HubSpot's file that the program before this one does not know: where both run they share a directory.
const UNKNOWN_BEFORE: [&str; 2] = [
    "complete = true\n",
    "
[authentication.oauth2.scopes.warnings]
marketing = \"\"\"
{scopes}: HubSpot has these for accounts with marketing products, and turns a user away who cannot grant every mandatory scope. \\
Ask for them as `optionalScopes`, or connect such accounts with the element `hubspot`.\"\"\"
",
];

pub struct Fleet {
    pub database: Database,
    pub servers: Vec<Serving>,
    /// One of each server.
    pub callers: Vec<Caller>,
    vendor: SandboxVendor,
    pub ligand: Ligand,
    others: Vec<Ligand>,
    _elements: TempDir,
}

impl Fleet {
    /// So many processes, and a vendor that rotates.
    pub async fn start(database: Database, processes: usize) -> Self {
        Self::start_with(database, processes, &[]).await
    }

    /// With some text of the element's file replaced.
    pub async fn start_with(database: Database, processes: usize, changes: &[(&str, &str)]) -> Self {
        Self::start_as(database, processes, changes, &[]).await
    }

    /// With these settings beside the usual ones.
    pub async fn start_set(database: Database, processes: usize, settings: &[(&str, &str)]) -> Self {
        Self::start_as(database, processes, &[], settings).await
    }

    async fn start_as(
        database: Database,
        processes: usize,
        changes: &[(&str, &str)],
        settings: &[(&str, &str)],
    ) -> Self {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let ligand_url = "http://localhost:8080".to_owned();
        let (vendor, server) =
            sandbox_vendor::start(listen, ligand_url, Arc::new(SystemClock), Arc::new(SystemEntropy))
                .expect("the sandbox starts");
        tokio::spawn(server);
        vendor.state.set(|switches| switches.rotation = true);
        let base = format!("http://{}", vendor.address);
        let mut addresses = vec![("https://api.hubapi.com", base.as_str()), ("https://app.hubspot.com", base.as_str())];
        addresses.extend(UNKNOWN_BEFORE.map(|text| (text, "")));
        // The same once more, with PKCE.
        let own = [
            ("key = \"hubspotcrm\"", "key = \"own\""),
            ("id = 168", "id = 10001"),
            ("[authentication.oauth2]\n", "[authentication.oauth2]\npkce = \"S256\"\n"),
        ];
        let changes = [changes, &addresses].concat();
        let own = [changes.as_slice(), &own].concat();
        let elements = elements(&[("hubspotcrm", &changes), ("hubspotcrm", &own)]);
        let key = Ligand::new().run(&["keys", "new"]).output;
        let ligand = with_admin()
            .set("DATABASE_URL", &database.url)
            .set("LIGAND_DATABASE_POOLER", if database.is_pooled() { "transaction" } else { "none" })
            .set("LIGAND_MASTER_KEY", key.trim())
            .set("LIGAND_PUBLIC_URL", PUBLIC)
            .set("LIGAND_ELEMENTS_DIR", elements.path().to_str().expect("a path"))
            .set("LIGAND_OUTBOUND_ALLOW", "127.0.0.0/8");
        let ligand = settings.iter().fold(ligand, |ligand, (name, value)| ligand.set(name, value));
        let (servers, callers, others) = (Vec::new(), Vec::new(), Vec::new());
        let mut fleet = Self { database, servers, callers, vendor, ligand, others, _elements: elements };
        for _ in 0..processes {
            fleet.join().await;
        }
        fleet
    }

    /// One process more.
    pub async fn join(&mut self) {
        self.add(self.ligand.serve(&[])).await;
    }

    /// One process more, of another build of the program.
    pub async fn join_as(&mut self, program: &Path) {
        let other = self.ligand.like(program);
        self.add(other.serve(&[])).await;
        self.others.push(other);
    }

    async fn add(&mut self, server: Serving) {
        self.callers.push(server.sign_in(ADMIN, PASSWORD).await);
        self.servers.push(server);
    }

    /// What another build says to a command here.
    pub fn run_as(&self, program: &Path, arguments: &[&str]) -> Ended {
        self.ligand.like(program).run(arguments)
    }

    /// One process more, which reaches the database by this address.
    pub async fn join_through(&mut self, url: &str) {
        self.ligand.change("DATABASE_URL", url);
        self.join().await;
        self.ligand.change("DATABASE_URL", &self.database.url);
    }

    /// Kills the first process.
    pub fn kill(&mut self) {
        self.callers.remove(0);
        let (status, log) = self.servers.remove(0).stop(Signal::Kill);
        assert_eq!(status, 128 + 9, "{log}");
    }

    /// Asks the first process to end, waits for that, and gives its exit status and log.
    pub async fn terminate(&mut self) -> (i32, String) {
        self.callers.remove(0);
        let server = self.servers.remove(0);
        tokio::task::spawn_blocking(move || server.stop(Signal::Terminate)).await.expect("no panic")
    }

    pub fn sandbox(&self) -> &Sandbox {
        &self.vendor.state
    }

    /// The path of a new instance whose token is over. The sandbox's calls are forgotten.
    pub async fn expired_instance(&self) -> String {
        let created = self.callers[0].create_with_code(self.sandbox(), "Raced").await;
        self.db_expire();
        self.sandbox().forget_calls();
        format!("/instances/{}", created["id"])
    }

    /// Makes all tokens look over, without waiting for it.
    pub fn db_expire(&self) {
        self.database.execute("UPDATE credential SET expires_at = refreshed_at");
    }

    /// Cuts every session of the process that holds a lease, from PostgreSQL's side.
    pub fn db_cut_sessions_of_holder(&self, lease: &str) {
        self.database.execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
                AND (classid::bigint << 32 | objid::bigint) = (SELECT holder FROM lease WHERE name LIKE '{lease}/%')"
        ));
    }

    /// Creates an instance with a key, so that it is created once.
    pub async fn create_once(caller: &Caller, key: &str, body: &Value) -> Reply {
        let request = caller.request("POST", "/instances").header("content-type", "application/json");
        read(request.header("idempotency-key", key).body(body.to_string())).await
    }

    pub fn token_calls(&self) -> u64 {
        self.sandbox().counts(TOKEN).total
    }

    pub fn running_token_calls(&self) -> u64 {
        self.sandbox().counts(TOKEN).running
    }

    /// How long the token endpoint takes before and after it does its work.
    pub fn token_calls_take(&self, before: Duration, after: Duration) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).expect("a short time");
        self.sandbox().set(|switches| {
            switches.delay_ms.insert(TOKEN_ROUTES.to_owned(), ms(before));
            switches.reply_delay_ms.insert(TOKEN_ROUTES.to_owned(), ms(after));
        });
    }

    /// The proof that no token was lost: every process can still refresh.
    pub async fn still_refreshes(&self, path: &str) {
        self.token_calls_take(Duration::ZERO, Duration::ZERO);
        for caller in &self.callers {
            let calls = self.token_calls();
            self.db_expire();
            let shown = refreshed(caller, path).await;
            assert_eq!((&shown["valid"], &shown["invalidReason"]), (&Value::Bool(true), &Value::Null), "{shown}");
            assert_eq!(self.token_calls(), calls + 1);
        }
        assert_eq!(self.sandbox().live_grants(), 1);
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.vendor.state.release();
        drop(self.vendor.handle.stop(false));
    }
}

pub async fn refreshed(caller: &Caller, path: &str) -> Value {
    caller.get(&format!("{path}?refresh=true")).await.ok()
}

/// Waits until it is so.
pub async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
