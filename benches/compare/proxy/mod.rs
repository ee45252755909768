//! Calls through an instance against other proxies, side by side on one upstream.

mod others;
mod upstream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{each, http, latencies, rate};
use crate::rows::{ELEMENT, line, median, row, store_many};
use crate::support::copies::{FIRST, copy, token_of};
use crate::support::database::runtime;
use crate::support::server::Setup;
use crate::support::{Database, TestServer};
use upstream::CONTACTS;

const TIME: Duration = Duration::from_secs(1);
/// Odd: the median of the rounds counts.
const ROUNDS: usize = 3;
/// Of an open loop.
const LONG: Duration = Duration::from_secs(3);
/// Callers of the open loop.
const OPEN: u32 = 64;
const MANY: i64 = 1_000_000;
/// Over how many of them the calls are spread.
const SPREAD: i64 = 100_000;

/// What is asked for, by how many callers at once, and what Ligand is to reach of nginx's rate.
#[derive(Clone, Copy)]
struct Case {
    path: &'static str,
    name: &'static str,
    callers: usize,
    aim: &'static str,
}

const CASES: [Case; 6] = {
    const fn small(callers: usize) -> Case {
        Case { path: "/1k", name: "1 KB", callers, aim: "≥ 0.70" }
    }
    const fn large(callers: usize) -> Case {
        Case { path: "/64k", name: "64 KB", callers, aim: "≥ 1.00" }
    }
    [small(1), small(32), small(128), large(1), large(32), large(128)]
};

/// Makes a call's head of a path and of its running number.
type Call = Arc<dyn Fn(&str, u64) -> Vec<u8> + Send + Sync>;

/// Somebody who answers, and how to ask.
#[derive(Clone)]
struct Target {
    name: &'static str,
    address: SocketAddr,
    call: Call,
}

impl Target {
    fn bare(name: &'static str, address: SocketAddr) -> Self {
        Self { name, address, call: Arc::new(|path, _| http("GET", path, "", "")) }
    }

    /// Ligand below `prefix`, with an instance token for each number.
    fn ligand(
        name: &'static str,
        address: SocketAddr,
        prefix: &'static str,
        token: impl Fn(u64) -> String + Send + Sync + 'static,
    ) -> Self {
        let call = move |path: &str, number| {
            http("GET", &format!("{prefix}{path}"), &format!("Element {}", token(number)), "")
        };
        Self { name, address, call: Arc::new(call) }
    }

    /// For this path and no other.
    fn asking(&self, path: &'static str) -> Self {
        let call = Arc::clone(&self.call);
        Self { call: Arc::new(move |_, number| call(path, number)), ..self.clone() }
    }

    async fn rate(&self, path: &str, callers: usize) -> f64 {
        let (call, path) = (Arc::clone(&self.call), path.to_owned());
        rate(self.address, callers, TIME, move |number| call(&path, number)).await
    }
}

/// The element's key.
const KEY: &str = "benchvendor";
const LIGAND: &str = "passthrough";
const HUB: &str = "hub list";
const DIRECT: &str = "direct";
const NGINX: &str = "nginx";
const HAPROXY: &str = "HAProxy";

pub fn measure(database: Database) {
    runtime().block_on(async {
        let upstream = upstream::serve().await;
        let elements = tempfile::tempdir().expect("a directory");
        std::fs::write(elements.path().join("benchvendor.toml"), element(upstream)).expect("an element file");
        let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
        let server = TestServer::start(database, setup).await;
        let created = server.caller().post("/instances", &new_instance()).await.ok();
        let (id, token) = (created["id"].as_i64().expect("an id"), created["token"].as_str().expect("a token"));
        let address = server.url.trim_start_matches("http://").parse().expect("an address");
        let one = token.to_owned();
        let ligand = Target::ligand(LIGAND, address, "/vendor", move |_| one.clone());
        let (one, user) = (token.to_owned(), server.admin.user_secret.expose().to_owned());
        let hub = Target::ligand(HUB, address, "/hubs/crm", move |_| format!("{one}, User {user}"));

        let others = others::start(upstream);
        let mut targets = vec![Target::bare(DIRECT, upstream), ligand.clone()];
        targets.extend(others.iter().map(|other| Target::bare(other.name, other.address)));
        let few = side_by_side(&targets).await;
        open_loop(&targets).await;
        hub_list(&ligand, &hub).await;

        copy(&server.services, id, SPREAD).await;
        store_many(&server.database, id, MANY - SPREAD);
        let spread = |number: u64| token_of(FIRST + i64::try_from(number).expect("a number") * 7919 % SPREAD);
        let ligand = Target::ligand(LIGAND, address, "/vendor", spread);
        // Each of them was called before, as in the long run.
        let call = Arc::clone(&ligand.call);
        each(address, 32, SPREAD.unsigned_abs(), move |number| call("/1k", number)).await;
        for (case, before) in CASES.iter().zip(few) {
            let now = medians(slice::from_ref(&ligand), case.path, case.callers).await[LIGAND];
            row(&format!("{LIGAND} {}, {} callers, a million", case.name, case.callers), now, before, "≥ 0.90");
        }
    });
}

/// Requests per second of each, by name.
async fn medians(targets: &[Target], path: &str, callers: usize) -> HashMap<&'static str, f64> {
    let mut rates: HashMap<&str, Vec<f64>> = HashMap::new();
    // In turn, so that all of them see the same machine; the first round warms up.
    for round in 0..=ROUNDS {
        for target in targets {
            let rate = target.rate(path, callers).await;
            rates.entry(target.name).or_default().extend((round > 0).then_some(rate));
        }
    }
    rates.into_iter().map(|(name, rates)| (name, median(rates))).collect()
}

/// Closed loops. Ligand's own rates come back.
async fn side_by_side(targets: &[Target]) -> Vec<f64> {
    let mut ours = Vec::new();
    for case in CASES {
        let rates = medians(targets, case.path, case.callers).await;
        for (name, aim) in [(DIRECT, ""), (HAPROXY, ""), (LIGAND, case.aim)] {
            let (Some(rate), Some(nginx)) = (rates.get(name), rates.get(NGINX)) else { continue };
            row(&format!("{name} {}, {} callers, against nginx", case.name, case.callers), *rate, *nginx, aim);
        }
        ours.push(rates[LIGAND]);
    }
    ours
}

/// What each adds to the latency of the bare upstream, at half of the rate that nginx reaches.
async fn open_loop(targets: &[Target]) {
    let Some(nginx) = targets.iter().find(|target| target.name == NGINX) else { return };
    let half = medians(slice::from_ref(nginx), "/1k", 32).await[NGINX] / 2.0;
    let mut taken: HashMap<&str, [Vec<f64>; 2]> = HashMap::new();
    for _ in 0..ROUNDS {
        for target in targets {
            let call = |number| (target.call)("/1k", number);
            // Its threads are none of the runtime's, which serves meanwhile.
            let latencies = tokio::task::block_in_place(|| latencies(target.address, OPEN, half, LONG, call));
            let at = |share: usize| latencies[latencies.len() * share / 100].as_secs_f64() * 1e6;
            let known = taken.entry(target.name).or_default();
            known[0].push(at(50));
            known[1].push(at(99));
        }
    }
    for (index, share) in ["p50", "p99"].into_iter().enumerate() {
        let latency = |name: &str| taken.get(name).map(|known| median(known[index].clone()));
        let direct = latency(DIRECT).expect("it was measured");
        for (name, aim) in [(HAPROXY, ""), (LIGAND, "≤ 1.50")] {
            let (Some(ours), Some(nginx)) = (latency(name), latency(NGINX)) else { continue };
            let (ours, nginx) = (ours - direct, nginx - direct);
            line(
                &format!("{name} adds at {half:.0}/s, {share}"),
                &format!("{ours:.0} µs"),
                &format!("{nginx:.0} µs"),
                &format!("{:.2}", ours / nginx),
                aim,
            );
        }
    }
}

/// Both are answered with the same page by the vendor.
async fn hub_list(ligand: &Target, hub: &Target) {
    let targets = [ligand.asking(CONTACTS), hub.asking("/contacts?pageSize=100")];
    let rates = medians(&targets, "", 32).await;
    row("hub list of 100 objects against its passthrough", rates[HUB], rates[LIGAND], "≥ 0.20");
}

/// An element with an API key and HubSpot's resources, whose vendor is the upstream.
fn element(upstream: SocketAddr) -> String {
    let bare = ELEMENT.replace("benchkey", KEY).replace("10001", "10002").replace("\"general\"", "\"crm\"");
    let ours = format!("baseUrl = \"http://{upstream}\"\ninclude = \"hubspot/resources.toml\"");
    bare.replace("baseUrl = \"https://bench.example\"", &ours) + "\n[variables.portalId]\nreply = \"/hub_id\"\n"
}

fn new_instance() -> Value {
    json!({ "name": "Bench", "element": { "key": KEY },
            "configuration": { "bench.key": "a-key-of-some-length" } })
}
