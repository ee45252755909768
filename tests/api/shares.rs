//! A tenant whose vendor does not answer holds up nobody else.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ligand::kernel::clock::api_date;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::element_files::entry;
use crate::support::server::{Setup, run_with};
use crate::support::vendor::Vendor;
use crate::support::{Caller, on_both};

/// Each customer has a host of its own.
const DESK: &str = r#"
id = 10021
key = "desk"
name = "Desk"
hookName = "Desk"
description = "Connects to Desk."
configDescription = "Ask Desk for an app."
hub = "helpdesk"
baseUrl = "http://{desk}:PORT"
hosts = ["127.0.0.1", "127.0.0.2"]
timeout = 20

[variables.desk]
configuration = "desk"

[authentication]
type = "oauth2"

[authentication.oauth2]
description = "For everybody."

[authentication.oauth2.authorize]
url = "http://{desk}:PORT/authorize"

[authentication.oauth2.token]
url = "http://{desk}:PORT/token"

[authentication.oauth2.revoke]
url = "http://{desk}:PORT/revoke"
"#;

pub fn desk(port: u16) -> String {
    let of_oauth = |more: &str| format!("authentication = \"oauth2\"\n{more}");
    [
        DESK.replace("PORT", &port.to_string()),
        entry("desk", "required = true"),
        entry("oauth.api.key", &of_oauth("required = true")),
        entry("oauth.api.secret", &of_oauth("required = true\nsecret = true")),
        entry("oauth.callback.url", &of_oauth("required = true")),
        entry("oauth.user.token", &of_oauth("internal = true\nsecret = true")),
        entry("oauth.user.refresh_token", &of_oauth("internal = true\nsecret = true")),
        entry("oauth.user.refresh_interval", &of_oauth("internal = true")),
    ]
    .concat()
}

/// A vendor that answers one customer and keeps the other waiting.
struct Desk {
    vendor: Vendor,
    kept_waiting: Arc<AtomicUsize>,
    elements: TempDir,
}

impl Desk {
    fn start() -> Self {
        let vendor = Vendor::start();
        vendor.answers("/token", 200, json!({ "access_token": "new", "token_type": "bearer", "expires_in": 3600 }));
        vendor.answers("/revoke", 200, json!({}));
        let silent = TcpListener::bind(("127.0.0.2", vendor.address.port())).expect("the same port");
        let kept_waiting = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&kept_waiting);
        // Ends with the test process.
        thread::spawn(move || {
            let mut streams = Vec::new();
            for stream in silent.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                streams.push(stream);
            }
        });
        let elements = TempDir::new().expect("a directory");
        std::fs::write(elements.path().join("desk.toml"), desk(vendor.address.port())).expect("a file");
        Self { vendor, kept_waiting, elements }
    }

    fn setup(&self) -> Setup {
        Setup { elements: Some(self.elements.path().to_owned()), ..Setup::default() }
    }

    /// Until so many calls wait for an answer that does not come.
    async fn keeps_waiting(&self, count: usize) {
        let started = Instant::now();
        while self.kept_waiting.load(Ordering::Relaxed) < count {
            assert!(started.elapsed() < Duration::from_secs(20), "{}", self.kept_waiting.load(Ordering::Relaxed));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// With a grant of its own.
pub async fn connect(caller: &Caller, host: &str, number: usize) -> Value {
    let body = json!({
        "element": { "key": "desk" },
        "name": "Desk",
        "externalAuthentication": "initial",
        "configuration": {
            "desk": host,
            "oauth.api.key": "client",
            "oauth.api.secret": "secret",
            "oauth.callback.url": "https://app.example/callback",
            "oauth.user.token": format!("old-{number}"),
            "oauth.user.refresh_token": format!("refresh-{number}"),
            "oauth.user.refresh_interval": "600",
        },
    });
    caller.post("/instances", &body).await.ok()
}

on_both!(refreshes_that_no_vendor_answers_hold_up_nobody_else, in |database| {
    let desk = Desk::start();
    run_with(database, desk.setup(), |server| async move {
        let (good, other) = (server.caller(), server.stranger().await);
        let mine = connect(&good, "127.0.0.1", 0).await;
        let mut theirs = Vec::new();
        for number in 1..=48 {
            theirs.push(connect(&other, "127.0.0.2", number).await);
        }
        server.advance(TimeDelta::hours(1));
        for instance in theirs {
            let (caller, path) = (other.clone(), format!("/instances/{}?refresh=true", instance["id"]));
            tokio::spawn(async move { caller.get(&path).await });
        }
        desk.keeps_waiting(8).await;
        let path = format!("/instances/{}?refresh=true", mine["id"]);
        let answer = tokio::time::timeout(Duration::from_secs(5), good.get(&path)).await.expect("an answer");
        assert_eq!(answer.ok()["lastRefreshAt"], api_date(server.services.now()));
        assert_eq!(desk.vendor.requests().iter().filter(|request| request.path == "/token").count(), 1);
    });
});

on_both!(revocations_that_no_vendor_answers_hold_up_nobody_else, in |database| {
    let desk = Desk::start();
    run_with(database, desk.setup(), |server| async move {
        let (good, other) = (server.caller(), server.stranger().await);
        let mine = connect(&good, "127.0.0.1", 0).await;
        for number in 1..=12 {
            let theirs = connect(&other, "127.0.0.2", number).await;
            assert_eq!(other.delete(&format!("/instances/{}", theirs["id"])).await.status, 200);
        }
        let services = server.services.clone();
        let job = tokio::spawn(async move { services.revoke_due_grants().await });
        desk.keeps_waiting(8).await;
        // Also what comes while the job is busy.
        assert_eq!(good.delete(&format!("/instances/{}", mine["id"])).await.status, 200);
        let started = Instant::now();
        while !desk.vendor.requests().iter().any(|request| request.path == "/revoke") {
            assert!(started.elapsed() < Duration::from_secs(5), "it waits for the others");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        job.abort();
    });
});
