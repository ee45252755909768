//! `/connect/ligand.js` as it is served.

use std::process::Command;

use super::DIRECTORY;
use crate::support::caller::read;
use crate::support::interpreters::node_with;
use crate::support::on_sqlite;
use crate::support::part::missing;

const SCRIPT: &str = "/connect/ligand.js";

on_sqlite!(the_script_is_small_and_for_every_page, |server| async move {
    for (path, kind) in
        [(SCRIPT, "text/javascript; charset=utf-8"), ("/connect/ligand.d.ts", "text/plain; charset=utf-8")]
    {
        let reply = read(server.anonymous().request_at_root("GET", path)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)));
        assert!(reply.text.len() < 5_000, "{path}: {} bytes", reply.text.len());
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("cross-origin"));
        assert!(reply.header("cache-control").unwrap().contains("max-age"));

        let tag = reply.header("etag").unwrap();
        let again = |known: &str| server.anonymous().request_at_root("GET", path).header("if-none-match", known);
        for known in [tag.to_owned(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let reply = read(again(&known)).await;
            assert_eq!((reply.status, reply.text.as_str(), reply.header("etag")), (304, "", Some(tag)), "{known}");
        }
        assert_eq!(read(again("\"other\"")).await.status, 200);
        read(server.anonymous().request_at_root("POST", path)).await.fails(405, "method_not_allowed");
    }
});

/// TypeScript's own compiler, strictly, on a front end that uses all of it, and on one that uses it wrongly.
#[test]
fn the_types_hold() {
    let package = std::path::Path::new(DIRECTORY).join("node_modules/typescript");
    let Some(node) = node_with(&package) else { return missing("no Node 20 or no TypeScript: run make test") };
    for (project, faults) in [("right.json", 0), ("wrong.json", 4)] {
        let output = Command::new(&node)
            .arg(package.join("bin/tsc"))
            .args(["--pretty", "false", "-p"])
            .arg(format!("{DIRECTORY}/types/{project}"))
            .output()
            .expect("tsc starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.matches("error TS").count(), faults, "{project}: {said}");
    }
}
