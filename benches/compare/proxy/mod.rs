//! Calls through an instance against other proxies, side by side on one upstream.

mod others;
pub mod upstream;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{each, http, rate};
use crate::open_loop::latencies;
use crate::rows::{ELEMENT, line, row, store_many};
use crate::sides::{Compared, WINDOW, extent, in_turn, median, side};
use crate::support::copies::{FIRST, copy, token_of};
use crate::support::database::runtime;
use crate::support::server::Setup;
use crate::support::{Database, TestServer};
use others::{HAPROXY, NGINX, NGINX_BUFFERS};
use upstream::CONTACTS;

/// Rounds of the open loop; the median counts.
const ROUNDS: usize = 3;
const LONG: Duration = Duration::from_secs(3);
/// Its callers.
const OPEN: u64 = 64;
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
        rate(self.address, callers, WINDOW, move |number| call(&path, number)).await
    }
}

/// The element's key.
const KEY: &str = "benchvendor";
const LIGAND: &str = "passthrough";
const HUB: &str = "hub list";
const DIRECT: &str = "direct";

pub fn measure([few, many]: [Database; 2]) {
    runtime().block_on(async {
        let upstream = upstream::serve().await;
        let elements = tempfile::tempdir().expect("a directory");
        std::fs::write(elements.path().join("benchvendor.toml"), element(upstream)).expect("an element file");
        let setup = || Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
        let server = TestServer::start(few, setup()).await;
        let (_, token) = instance(&server).await;
        let one = token.clone();
        let ligand = Target::ligand(LIGAND, address(&server), "/vendor", move |_| one.clone());
        let user = server.admin.user_secret.expose().to_owned();
        let hub = Target::ligand(HUB, address(&server), "/hubs/crm", move |_| format!("{token}, User {user}"));

        let others = others::start(upstream);
        let mut targets = vec![Target::bare(DIRECT, upstream), ligand.clone()];
        targets.extend(others.iter().map(|other| Target::bare(other.name, other.address)));
        side_by_side(&targets).await;
        open_loop(&targets).await;
        // Both are answered with the same page by the vendor.
        let page = [hub.asking("/contacts?pageSize=100"), ligand.asking(CONTACTS)];
        row("hub list of 100 objects against its passthrough", against(&page, "", 32).await, "≥ 0.20");

        let server = TestServer::start(many, setup()).await;
        let (id, _) = instance(&server).await;
        let (many, over) = (extent(MANY, 2_000), extent(SPREAD, 1_000));
        copy(&server.services, id, over).await;
        store_many(&server.database, id, many - over);
        let spread = move |number: u64| token_of(FIRST + i64::try_from(number).expect("a number") * 7919 % over);
        let spread = Target::ligand(LIGAND, address(&server), "/vendor", spread);
        // Each of them was called before, as in the long run.
        let call = Arc::clone(&spread.call);
        each(spread.address, 32, over.unsigned_abs(), move |number| call("/1k", number)).await;
        let sides = [spread, ligand];
        for case in CASES {
            let name = format!("{LIGAND} {}, {} callers, a million", case.name, case.callers);
            row(&name, against(&sides, case.path, case.callers).await, "≥ 0.90");
        }
    });
}

/// Id and token of a new instance.
async fn instance(server: &TestServer) -> (i64, String) {
    let created = server.caller().post("/instances", &new_instance()).await.ok();
    (created["id"].as_i64().expect("an id"), created["token"].as_str().expect("a token").to_owned())
}

fn address(server: &TestServer) -> SocketAddr {
    server.url.trim_start_matches("http://").parse().expect("an address")
}

/// The rates of each, round by round.
async fn rates(targets: &[Target], path: &str, callers: usize) -> Vec<Vec<f64>> {
    let sides: Vec<_> = targets.iter().map(|target| side(move || target.rate(path, callers))).collect();
    in_turn(&sides).await
}

/// The first against the second.
async fn against(targets: &[Target; 2], path: &str, callers: usize) -> Compared {
    let rates = rates(targets, path, callers).await;
    Compared::of(&rates[0], &rates[1])
}

/// Closed loops.
async fn side_by_side(targets: &[Target]) {
    for case in CASES {
        let rates = rates(targets, case.path, case.callers).await;
        let of =
            |name: &str| targets.iter().zip(&rates).find(|(target, _)| target.name == name).map(|(_, rates)| rates);
        for (name, aim) in [(DIRECT, ""), (HAPROXY, ""), (NGINX_BUFFERS, ""), (LIGAND, case.aim)] {
            let (Some(rate), Some(nginx)) = (of(name), of(NGINX)) else { continue };
            let name = format!("{name} {}, {} callers, against nginx", case.name, case.callers);
            row(&name, Compared::of(rate, nginx), aim);
        }
    }
}

/// What each adds to the latency of the bare upstream, at half of the rate that nginx reaches.
async fn open_loop(targets: &[Target]) {
    let Some(nginx) = targets.iter().find(|target| target.name == NGINX) else { return };
    let half = median(rates(slice::from_ref(nginx), "/1k", 32).await.remove(0)) / 2.0;
    let mut taken: HashMap<&str, [Vec<f64>; 2]> = HashMap::new();
    for _ in 0..extent(ROUNDS, 1) {
        for target in targets {
            let call = |number| (target.call)("/1k", number);
            // Its thread is none of the runtime's workers, which serve meanwhile.
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

/// An element with an API key and HubSpot's resources, whose vendor is the upstream.
pub fn element(upstream: SocketAddr) -> String {
    let bare = ELEMENT.replace("benchkey", KEY).replace("10001", "10002").replace("\"general\"", "\"crm\"");
    let ours = format!("baseUrl = \"http://{upstream}\"\ninclude = \"hubspot/resources.toml\"");
    bare.replace("baseUrl = \"https://bench.example\"", &ours) + "\n[variables.portalId]\nreply = \"/hub_id\"\n"
}

pub fn new_instance() -> Value {
    json!({ "name": "Bench", "element": { "key": KEY },
            "configuration": { "bench.key": "a-key-of-some-length" } })
}
