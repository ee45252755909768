//! The attacks of `tests/attacks`, which anybody can run against a server of his own, against this one.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::database::runtime;
use crate::support::interpreters::{node_with, python_with};
use crate::support::part::missing;
use crate::support::server::Setup;
use crate::support::{TestServer, on_both};

const ATTACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attacks");
/// Where the scripts play the vendor unless told otherwise.
const VENDOR: &str = "127.0.0.1:9099";

on_both!(a_vendor_speaks_to_its_caller_and_to_nobody_else, in |database| {
    let runtime = runtime();
    let node = node_with(&Path::new(ATTACKS).join("node_modules/got"));
    let (Some(python), Some(node)) = (python_with("requests, httpx"), node) else {
        return missing("no clients for the attacks: run make test");
    };
    runtime.block_on(async {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("an address").to_string();
        let elements = tempfile::Builder::new().prefix("ligand-attacks-").tempdir().expect("a directory");
        for entry in std::fs::read_dir(Path::new(ATTACKS).join("elements")).expect("the elements") {
            let entry = entry.expect("an element");
            let text = std::fs::read_to_string(entry.path()).expect("an element").replace(VENDOR, &free);
            std::fs::write(elements.path().join(entry.file_name()), text).expect("the element is written");
        }
        let setup = Setup { elements: Some(elements.path().to_owned()), at_localhost: true, ..Setup::default() };
        let server = TestServer::start(database, setup).await;
        let mut command = Command::new(python);
        command
            .arg(Path::new(ATTACKS).join("run"))
            .arg("vendor_answers")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("LIGAND_TEST_NODE", node)
            .env("LIGAND_URL", &server.url)
            .env("LIGAND_ATTACKS_VENDOR", &free)
            .env("LIGAND_USER", server.admin.user_secret.expose())
            .env("LIGAND_ORGANIZATION", server.admin.organization_secret.expose());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it starts");
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success() && said.contains("all held") && !said.contains("SKIPPED"), "{said}");
    });
    runtime.shutdown_background();
});
