//! The attacks of `tests/attacks`, which anybody can run against a server of his own, against this one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::database::runtime;
use crate::support::interpreters::{node_with, python_with};
use crate::support::part::missing;
use crate::support::server::Setup;
use crate::support::{Database, TestServer, on_both};

const ATTACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attacks");
/// The port where the scripts play vendors unless told otherwise.
const PORT: &str = "9099";

/// Runs one of the scripts against a server whose elements are theirs. `clients`: it leads other programs astray.
fn attack(database: Database, script: &str, clients: bool) {
    let runtime = runtime();
    let node = if clients { node_with(&Path::new(ATTACKS).join("node_modules/got")) } else { Some(PathBuf::new()) };
    let libraries = if clients { "requests, httpx" } else { "json" };
    let (Some(python), Some(node)) = (python_with(libraries), node) else {
        return missing("no clients for the attacks: run make test");
    };
    runtime.block_on(async {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address");
        let elements = tempfile::Builder::new().prefix("ligand-attacks-").tempdir().expect("a directory");
        for entry in std::fs::read_dir(Path::new(ATTACKS).join("elements")).expect("the elements") {
            let entry = entry.expect("an element");
            let text = std::fs::read_to_string(entry.path()).expect("an element");
            let text = text.replace(&format!(":{PORT}"), &format!(":{}", free.port()));
            std::fs::write(elements.path().join(entry.file_name()), text).expect("the element is written");
        }
        let setup = Setup { elements: Some(elements.path().to_owned()), at_localhost: true, ..Setup::default() };
        let server = TestServer::start(database, setup).await;
        let plain = server.plain_user().await;
        let mut command = Command::new(python);
        command
            .arg(Path::new(ATTACKS).join("run"))
            .arg(script)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LIGAND_TEST_NODE", node)
            .env("LIGAND_URL", &server.url)
            .env("LIGAND_ATTACKS_VENDOR", free.to_string())
            .env("LIGAND_USER", server.admin.user_secret.expose())
            .env("LIGAND_PLAIN_USER", plain.user_secret.expose())
            .env("LIGAND_ORGANIZATION", server.admin.organization_secret.expose());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it starts");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success() && said.contains("all held") && !said.contains("SKIPPED"), "{said}");
    });
    runtime.shutdown_background();
}

on_both!(a_vendor_speaks_to_its_caller_and_to_nobody_else, in |database| {
    attack(database, "vendor_answers", true);
});

on_both!(a_secret_goes_only_where_it_was_given_for, in |database| {
    attack(database, "host_change", false);
});
