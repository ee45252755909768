//! A server at its own address, the sandbox, and a script of Node that drives the browser.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use ligand::http::CorsOrigins;
use serde_json::{Map, Value, json};

use super::DIRECTORY;
use crate::support::interpreters::node_with;
use crate::support::part::missing;
use crate::support::server::{Setup, run_with};
use crate::support::{Database, TestServer};

/// A browser takes a core or two: one at a time.
static ONE: Mutex<()> = Mutex::new(());

pub struct Stage {
    pub server: TestServer,
    node: PathBuf,
}

/// Node, when it, Playwright and Chromium are there.
pub fn node() -> Option<PathBuf> {
    let node = node_with(&Path::new(DIRECTORY).join("node_modules/playwright-core"))?;
    let set = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).map(|place| place.join("chromium"));
    set.into_iter().chain(places).any(|program| program.is_file()).then_some(node)
}

/// Runs a test on a stage whose organization has an app for HubSpot, and whose front ends are on this machine.
pub fn staged<F: Future<Output = ()>>(test: impl FnOnce(Stage) -> F) {
    staged_with(Setup::default(), test);
}

pub fn staged_with<F: Future<Output = ()>>(setup: Setup, test: impl FnOnce(Stage) -> F) {
    let Some(node) = node() else { return missing("no Node 20, no Playwright or no Chromium: run make test") };
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let setup = Setup { at_localhost: true, cors: CorsOrigins::default(), ..setup };
    run_with(Database::sqlite(), setup, |server| async move {
        let caller = server.caller();
        let settings = json!({ "allowedOrigins": ["http://localhost:*"], "brand": { "displayName": "Acme Shop", "colour": "#7a2f8f" } });
        caller.patch("/organizations/me", &settings).await.ok();
        let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
        caller.put("/elements/hubspotcrm/app", &app).await.ok();
        test(Stage { server, node }).await;
    });
}

impl Stage {
    /// Where browsers reach the server.
    pub fn url(&self) -> String {
        self.server.url.replace("127.0.0.1", "localhost")
    }

    /// Runs a scenario with more facts for it, and gives what it found.
    pub async fn play(&self, scenario: &str, more: Value) -> Map<String, Value> {
        let mut given = json!({
            "ligand": self.url(),
            "sandbox": format!("http://{}", self.server.vendor_address()),
            "authorization": self.server.caller().authorization,
        });
        given.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let mut command = Command::new(&self.node);
        command.arg(format!("scenarios/{scenario}.mjs")).current_dir(DIRECTORY).env("STAGE", given.to_string());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{scenario}: {said}\n{errors}");
        let facts = said.lines().map(|line| serde_json::from_str::<Map<String, Value>>(line).expect("a fact"));
        facts.flatten().collect()
    }

    /// A new connect link, as the API shows it.
    pub async fn link(&self, more: Value) -> Value {
        let mut input = json!({ "elements": ["hubspotcrm"] });
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.server.caller().post("/connect/links", &input).await.ok()
    }

    /// What the API says of a link now.
    pub async fn link_now(&self, link: &Value) -> Value {
        self.server.caller().get(&format!("/connect/links/{}", link["id"])).await.ok()
    }
}

/// A text among the facts.
#[track_caller]
pub fn text<'a>(facts: &'a Map<String, Value>, name: &str) -> &'a str {
    facts.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no {name}: {facts:?}"))
}
