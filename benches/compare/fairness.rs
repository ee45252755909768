//! What an organization notices of another one that writes as fast as it can: its PATCH, alone and beside that, in turn.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::load::{BUFFER, Reply, closed_loop, http};
use crate::rows::{ELEMENT, line};
use crate::sides::{extent, median};
use crate::support::caller::BASE;
use crate::support::database::runtime;
use crate::support::server::Setup;
use crate::support::{Caller, Database, TestServer};

/// Calls of the one that floods, at once.
const FLOOD: usize = 64;
/// Of a link that it makes.
const BYTES: usize = 60_000;
const WINDOW: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 7;
/// Between two calls of the other one.
const PAUSE: Duration = Duration::from_millis(5);

pub fn measure(name: &str, database: Database) {
    runtime().block_on(async {
        let elements = tempfile::tempdir().expect("a directory");
        std::fs::write(elements.path().join("benchkey.toml"), ELEMENT).expect("an element file");
        let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
        let server = TestServer::start(database, setup).await;
        let address: SocketAddr = server.url.trim_start_matches("http://").parse().expect("an address");
        let (quiet, busy) = (server.caller(), server.stranger().await);
        let new =
            json!({ "name": "Bench", "element": { "key": "benchkey" }, "configuration": { "bench.key": "a-key" } });
        let id = quiet.post("/instances", &new).await.ok()["id"].clone();
        let patch = call(&quiet, "PATCH", &format!("/instances/{id}"), &json!({ "name": "Renamed" }));
        let link = |key: &str| {
            let body = json!({ "elements": ["benchkey"], "configuration": { "bench.key": key } });
            call(&busy, "POST", "/connect/links", &body)
        };
        let floods = [("links of 60 KB", link(&"x".repeat(BYTES))), ("small links", link("x"))];
        for (what, flood) in floods {
            let (mut alone, mut beside, mut rates) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..extent(ROUNDS, 1) {
                alone.push(latencies(address, &patch).await);
                let goes_on = Arc::new(AtomicBool::new(true));
                let (request, on) = (flood.clone(), Arc::clone(&goes_on));
                let started = Instant::now();
                let flooding = tokio::spawn(async move {
                    closed_loop(address, FLOOD, move |_| request.clone(), move |_| on.load(Ordering::Relaxed)).await
                });
                beside.push(latencies(address, &patch).await);
                goes_on.store(false, Ordering::Relaxed);
                rates.push(flooding.await.expect("it ends well") as f64 / started.elapsed().as_secs_f64());
            }
            for (part, at) in [("p50", 0.5), ("p99", 0.99)] {
                let of = |rounds: &[Vec<f64>]| rounds.iter().map(|times| quantile(times, at)).collect::<Vec<_>>();
                let (alone, beside) = (of(&alone), of(&beside));
                let ratio = median(alone.iter().zip(&beside).map(|(alone, beside)| beside / alone).collect());
                let [alone, beside] = [alone, beside].map(|times| format!("{:.1} ms", median(times) * 1000.0));
                let rate = median(rates.clone());
                line(
                    &format!("{part} of a PATCH beside {rate:.0} {what} a second, {name}"),
                    &beside,
                    &alone,
                    &format!("{ratio:.2}"),
                    "≤ 3",
                );
            }
        }
    });
}

fn call(caller: &Caller, method: &str, path: &str, body: &Value) -> Vec<u8> {
    let authorization = caller.authorization.as_deref().expect("an authorization");
    http(method, &format!("{BASE}{path}"), authorization, &body.to_string())
}

/// Of one call after the other, in seconds.
async fn latencies(address: SocketAddr, request: &[u8]) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("no delay");
    let (began, mut buffer, mut times) = (Instant::now(), vec![0; BUFFER], Vec::new());
    while began.elapsed() < extent(WINDOW, Duration::from_millis(50)) {
        let sent = Instant::now();
        stream.write_all(request).await.expect("a sent request");
        let mut reply = Reply::default();
        while !reply.is_whole(&buffer) {
            let read = stream.read(reply.space(&mut buffer)).await.expect("a reply");
            reply.took(read);
        }
        times.push(sent.elapsed().as_secs_f64());
        tokio::time::sleep(PAUSE).await;
    }
    times
}

fn quantile(times: &[f64], at: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * at).round() as usize]
}
