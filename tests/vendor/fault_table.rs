//! What goes wrong at the vendor, by its own control endpoint: what the caller sees, and how the instance is afterwards.

use serde_json::{Value, json};

use crate::support::caller::read;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::elements;
use crate::support::{Database, Reply};

const PATH: &str = "/crm/v3/objects/contacts";

/// A row of the table.
struct Row {
    fault: &'static str,
    /// A patch of the vendor's switches.
    control: Value,
    status: u16,
    /// `Elements-Error`: absent when the answer is the vendor's.
    ours: Option<&'static str>,
    /// Token calls that it causes.
    refreshes: u64,
}

fn row(fault: &'static str, control: Value, status: u16, ours: Option<&'static str>, refreshes: u64) -> Row {
    Row { fault, control, status, ours, refreshes }
}

fn failure(status: u16, times: Option<u32>, headers: Value) -> Value {
    json!({ "failure": { "route": PATH, "status": status, "times": times, "headers": headers } })
}

fn spoil(how: &str) -> Value {
    json!({ "spoil": { "route": PATH, "how": how } })
}

/// HubSpot says by the category which 401 means that the token is over.
fn expired(times: Option<u32>) -> Value {
    let body = json!({ "status": "error", "category": "EXPIRED_AUTHENTICATION", "message": "expired" });
    json!({ "failure": { "route": PATH, "status": 401, "times": times, "body": body } })
}

fn table() -> Vec<Row> {
    let (unreachable, timeout) = (Some("vendor_unreachable"), Some("vendor_timeout"));
    vec![
        row("nothing", json!({}), 200, None, 0),
        row("the token is refused once", expired(Some(1)), 200, None, 1),
        row("the token is refused always", expired(None), 401, None, 1),
        row("a 401 that is not about the token", failure(401, None, json!({})), 401, None, 0),
        row("no scope for it", failure(403, None, json!({})), 403, None, 0),
        row("too many calls, wait", failure(429, None, json!({ "retry-after": "7" })), 429, None, 0),
        row("too many calls", failure(429, None, json!({})), 429, None, 0),
        row("a migration", failure(477, None, json!({ "retry-after": "60" })), 477, None, 0),
        row("an outage", failure(503, None, json!({})), 503, None, 0),
        row("a bug of the vendor", failure(500, None, json!({})), 500, None, 0),
        row("no answer", json!({ "hang": PATH }), 504, timeout, 0),
        row("the head and nothing more", spoil("stallBody"), 504, timeout, 0),
        row("half a body and nothing more", spoil("stall"), 504, timeout, 0),
        row("cut off in the middle", spoil("cut"), 502, unreachable, 0),
        row("a longer body was told", spoil("longLength"), 502, unreachable, 0),
        row("a shorter body was told", spoil("shortLength"), 200, None, 0),
        row("JSON that ends too early", spoil("garbage"), 200, None, 0),
        row("compressed", spoil("gzip"), 200, None, 0),
        row("no length", spoil("chunked"), 200, None, 0),
    ]
}

#[test]
fn every_fault_is_what_the_table_says_and_the_instance_lives() {
    let base = "baseUrl = \"https://api.hubapi.com\"\n";
    let elements = elements(&[("hubspotcrm", &[(base, &format!("{base}timeout = 1\n"))])]);
    let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
    run_with(Database::sqlite(), setup, |server| async move {
        let (caller, sandbox) = (server.caller(), server.sandbox());
        for Row { fault, control, status, ours, refreshes } in table() {
            let created = caller.create_with_code(sandbox, "Faults").await;
            let token = created["token"].as_str().expect("a token");
            let call = || async {
                let through = server.anonymous().with(&format!("Element {token}"));
                read(through.request_at_root("GET", &format!("/vendor{PATH}"))).await
            };
            sandbox.patch(&control).expect("a switch");
            sandbox.forget_calls();
            let reply: Reply = call().await;
            assert_eq!(reply.status, status, "{fault}: {reply:?}");
            let said = reply.headers.get("elements-error").map(|value| value.to_str().expect("text"));
            assert_eq!(said, ours, "{fault}");
            assert_eq!(sandbox.counts("POST /oauth/2026-03/token").total, refreshes, "{fault}");
            let told = control.pointer("/failure/headers/retry-after").and_then(Value::as_str);
            assert_eq!(reply.headers.get("retry-after").map(|value| value.to_str().expect("text")), told, "{fault}");
            // It is as good as before, and the next call works.
            sandbox.patch(&json!({ "failure": null, "hang": null, "spoil": null })).expect("the switches");
            sandbox.release();
            let shown = caller.get(&format!("/instances/{}", created["id"])).await.ok();
            assert_eq!((&shown["valid"], &shown["invalidReason"]), (&json!(true), &Value::Null), "{fault}");
            assert_eq!(call().await.status, 200, "after {fault}");
        }
    });
}

#[test]
fn a_token_that_the_vendor_revoked_early_is_replaced() {
    run_with(Database::sqlite(), Setup::default(), |server| async move {
        let created = server.caller().create_with_code(server.sandbox(), "Revoked").await;
        let through = server.anonymous().with(&format!("Element {}", created["token"].as_str().expect("a token")));
        server.sandbox().expire_access_tokens();
        server.sandbox().forget_calls();
        let reply = read(through.request_at_root("GET", &format!("/vendor{PATH}"))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(server.sandbox().counts("POST /oauth/2026-03/token").total, 1);
    });
}
