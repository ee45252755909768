//! The bundled vendor beside its instances, over a restart: what lives in one must live in the other.

use serde_json::{Value, json};

use crate::support::Database;
use crate::support::caller::{Caller, read, with_code};
use crate::support::consent::{code, control};
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Serving, with_admin};
use crate::support::server::PASSWORD;

async fn contacts(server: &Serving, header: &str, token: &Value) -> Value {
    let own = format!("{header}, Element {}", token.as_str().expect("a token"));
    Caller::anonymous(&server.url).with(&own).get("/hubs/crm/contacts").await.ok()
}

/// Killed in the moment in which the creation is acknowledged, and ended in order.
#[test]
fn grants_and_records_of_the_sandbox_outlive_it() {
    let ligand = with_admin();
    let mut header: Option<String> = None;
    let mut made: Vec<Value> = Vec::new();
    for end in [Signal::Kill, Signal::Terminate, Signal::Kill] {
        let server = ligand.serve(&["--sandbox"]);
        let kept = runtime().block_on(async {
            let caller = match &header {
                Some(header) => Caller::anonymous(&server.url).with(header),
                None => server.sign_in(ADMIN, PASSWORD).await,
            };
            let header = caller.authorization.clone().expect("a header");
            control(&server, json!({ "rotation": true })).await;
            // One that is young and good would not be renewed.
            let file = ligand.path("ligand-data/sandbox/ligand.db");
            Database::at(format!("sqlite:{}", file.display()))
                .execute("UPDATE credential SET expires_at = refreshed_at");
            for (number, instance) in made.iter().enumerate() {
                let path = format!("/instances/{}?refresh=true", instance["id"]);
                let shown = caller.get(&path).await.ok();
                assert_eq!((&shown["valid"], &shown["invalidReason"]), (&json!(true), &Value::Null), "{shown}");
                let listed = contacts(&server, &header, &instance["token"]).await;
                assert_eq!(listed.as_array().expect("a list").len(), made.len(), "{number}: {listed}");
            }
            let code = code(&server).await;
            let created = caller.post("/instances", &with_code("Kept", &code)).await.ok();
            let own = format!("{header}, Element {}", created["token"].as_str().expect("a token"));
            let email = format!("jo{}@example.com", made.len());
            let contact = json!({ "firstName": "Jo", "email": email });
            Caller::anonymous(&server.url).with(&own).post("/hubs/crm/contacts", &contact).await.ok();
            made.push(created);
            header
        });
        header = Some(kept);
        server.stop(end);
    }
    let server = ligand.serve(&["--sandbox"]);
    runtime().block_on(async {
        let listed = contacts(&server, header.as_deref().expect("a header"), &made[0]["token"]).await;
        assert_eq!(listed.as_array().expect("a list").len(), 3, "{listed}");
        // Who wants to begin anew says so.
        let vendor = Caller::anonymous(&server.vendor);
        assert!(read(vendor.request_at_root("POST", "/control/reset")).await.status < 300);
    });
    server.stop(Signal::Kill);
    let kept = std::fs::read_to_string(ligand.path("ligand-data/sandbox/vendor.jsonl")).expect("the file");
    assert_eq!(kept, "");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(ligand.path("ligand-data/sandbox/vendor.jsonl")).expect("it").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
