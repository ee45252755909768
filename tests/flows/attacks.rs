//! The attacks of `tests/attacks`, which anybody can run against a server of his own, against this one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ligand::store::limits::Limit;
use tempfile::TempDir;

use crate::support::database::runtime;
use crate::support::interpreters::{node_with, python_with};
use crate::support::part::missing;
use crate::support::postgres::free_port;
use crate::support::reverse_proxy::ReverseProxy;
use crate::support::server::{Setup, user};
use crate::support::{Database, TestServer, on_both};

const ATTACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attacks");
/// The port where the scripts play vendors unless told otherwise.
const PORT: &str = ":9099";

/// Where a script plays the vendor, and the elements that say so.
struct Played {
    vendor: String,
    elements: TempDir,
}

impl Played {
    fn new() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
        let elements = tempfile::Builder::new().prefix("ligand-attacks-").tempdir().expect("a directory");
        for entry in std::fs::read_dir(Path::new(ATTACKS).join("elements")).expect("the elements") {
            let entry = entry.expect("an element");
            let text = std::fs::read_to_string(entry.path()).expect("an element");
            let text = text.replace(PORT, &format!(":{}", free.port()));
            std::fs::write(elements.path().join(entry.file_name()), text).expect("the element is written");
        }
        Self { vendor: free.to_string(), elements }
    }

    fn setup(&self) -> Setup {
        Setup { elements: Some(self.elements.path().to_owned()), at_localhost: true, ..Setup::default() }
    }

    /// Runs one script against a server at `url`, with what else it is to know.
    async fn attack(&self, script: &str, server: &TestServer, url: &str, more: &[(&str, &str)]) {
        let Some(python) = python_with("json") else { return missing("no Python: run make test") };
        let mut command = Command::new(python);
        command
            .arg(Path::new(ATTACKS).join("run"))
            .arg(script)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LIGAND_URL", url)
            .env("LIGAND_ATTACKS_VENDOR", &self.vendor)
            .env("LIGAND_USER", server.admin.user_secret.expose())
            .env("LIGAND_ORGANIZATION", server.admin.organization_secret.expose())
            .envs(more.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it starts");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success() && said.contains("all held") && !said.contains("SKIPPED"), "{said}");
    }
}

/// Node, where all clients are there that a vendor leads astray.
fn clients() -> Option<PathBuf> {
    let node = node_with(&Path::new(ATTACKS).join("node_modules/got"));
    let found = python_with("requests, httpx").and(node);
    if found.is_none() {
        missing("no clients for the attacks: run make test");
    }
    found
}

on_both!(a_vendor_speaks_to_its_caller_and_to_nobody_else, in |database| {
    let Some(node) = clients() else { return };
    let runtime = runtime();
    runtime.block_on(async {
        let played = Played::new();
        let server = TestServer::start(database, played.setup()).await;
        let node = node.to_string_lossy();
        played.attack("vendor_answers", &server, &server.url, &[("LIGAND_TEST_NODE", &node)]).await;
    });
    runtime.shutdown_background();
});

/// Through nginx, with the file of `deploy`, it is the same: nginx listens to nothing that a vendor says.
#[test]
fn a_vendor_speaks_to_no_proxy_in_front() {
    let Some(node) = clients() else { return };
    let runtime = runtime();
    runtime.block_on(async {
        let (played, port) = (Played::new(), free_port());
        let public_url = Some(format!("http://127.0.0.1:{port}"));
        let server = TestServer::start(Database::sqlite(), Setup { public_url, ..played.setup() }).await;
        let address = server.url.trim_start_matches("http://");
        let Some(nginx) = ReverseProxy::nginx_at(port, &[address, address]) else { return };
        let node = node.to_string_lossy();
        played.attack("vendor_answers", &server, &nginx.url, &[("LIGAND_TEST_NODE", &node)]).await;
    });
    runtime.shutdown_background();
}

on_both!(a_secret_goes_only_where_it_was_given_for, in |database| {
    let runtime = runtime();
    runtime.block_on(async {
        let played = Played::new();
        let server = TestServer::start(database, played.setup()).await;
        let plain = server.plain_user().await;
        let plain = [("LIGAND_PLAIN_USER", plain.user_secret.expose())];
        played.attack("host_change", &server, &server.url, &plain).await;
    });
    runtime.shutdown_background();
});

on_both!(who_takes_what_it_can_takes_nothing_from_others, in |database| {
    let runtime = runtime();
    runtime.block_on(async {
        let played = Played::new();
        let server = TestServer::start(database, played.setup()).await;
        let greedy = server.services.create_user(user("greedy@other.example", true), None).await.expect("a user");
        let caller = server.anonymous().signed(&greedy);
        let id = caller.get("/organizations/me").await.ok()["id"].as_i64().expect("an id");
        let limits = [(Limit::Instances, 40), (Limit::IdempotencyKeys, 5), (Limit::Links, 300)];
        let limits = limits.map(|(limit, value)| (limit, Some(value))).to_vec();
        server.services.set_limits(id, limits).await.expect("the limits are set");
        let services = server.services.clone();
        tokio::spawn(async move {
            loop {
                services.revoke_due_grants().await.expect("the job runs");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
        let other = [
            ("LIGAND_OTHER_USER", greedy.user_secret.expose()),
            ("LIGAND_OTHER_ORGANIZATION", greedy.organization_secret.expose()),
        ];
        played.attack("shares", &server, &server.url, &other).await;
    });
    runtime.shutdown_background();
});
