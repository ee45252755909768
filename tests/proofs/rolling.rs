//! Two servers behind nginx and behind HAProxy, restarted in turn under load: no call fails, POSTs among them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::Extent;
use crate::support::Database;
use crate::support::caller::{Caller, with_key};
use crate::support::database::runtime;
use crate::support::fleet::Fleet;
use crate::support::part::Signal;
use crate::support::reverse_proxy::ReverseProxy;

/// Shorter than `deploy` says: long enough for two health checks, and for a load that uses every connection.
const DRAIN: &str = "3";
/// What nginx remembers of a server that refused, and HAProxy's next check.
const BETWEEN: Duration = Duration::from_millis(2500);
/// Callers through each proxy.
const CALLERS: u64 = 6;

#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    created: AtomicU64,
    worst_ms: AtomicU64,
    failures: std::sync::Mutex<Vec<String>>,
}

impl Seen {
    async fn call(&self, caller: &Caller, number: u64, path: &str) {
        let post = number.is_multiple_of(4);
        let request = match post {
            true => caller
                .request("POST", "/instances")
                .header("content-type", "application/json")
                .body(with_key(&format!("Rolled {number}")).to_string()),
            false => caller.request("GET", path),
        };
        let begun = Instant::now();
        let outcome = match request.send().await {
            Ok(reply) => match (reply.status().as_u16(), reply.text().await) {
                (200, Ok(_)) => Ok(()),
                (status, text) => Err(format!("{status}: {text:?}")),
            },
            Err(error) => Err(format!("{error:?}")),
        };
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.worst_ms.fetch_max(took, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Ok(()) if post => drop(self.created.fetch_add(1, Ordering::Relaxed)),
            Ok(()) => {}
            Err(reason) => {
                let what = if post { "POST" } else { "GET" };
                self.failures.lock().expect("no test panicked here").push(format!("{what} after {took} ms: {reason}"));
            }
        }
    }
}

#[test]
fn servers_are_restarted_in_turn_and_no_call_fails() {
    let extent = Extent::of_this_run();
    let (turns, calls): (u64, u64) = (extent.of(1, 3), extent.of(600, 10_000));
    let pause = Duration::from_millis(extent.of(80, 25));
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let mut fleet = Fleet::start_set(database, 2, &[("LIGAND_DRAIN", DRAIN)]).await;
        let addresses = [0, 1].map(|server| fleet.servers[server].url.trim_start_matches("http://").to_owned());
        let addresses = [addresses[0].as_str(), addresses[1].as_str()];
        let proxies = (ReverseProxy::nginx(&addresses), ReverseProxy::haproxy(&addresses));
        let (Some(nginx), Some(haproxy)) = proxies else { return };
        let direct = fleet.callers[0].clone();
        let path = format!("/instances/{}", direct.create_with_key("First").await["id"]);
        let (done, seen) = (Arc::new(AtomicBool::new(false)), [Seen::default(), Seen::default()].map(Arc::new));
        let mut running = Vec::new();
        for (seen, proxy) in seen.iter().zip([&nginx, &haproxy]) {
            for caller in 0..CALLERS {
                let (seen, done, path) = (Arc::clone(seen), Arc::clone(&done), path.clone());
                let through = Caller::anonymous(&proxy.url).with(direct.authorization.as_deref().expect("a header"));
                running.push(tokio::spawn(async move {
                    let mut number = caller;
                    while !done.load(Ordering::Relaxed) || seen.calls.load(Ordering::Relaxed) < calls / 2 {
                        seen.call(&through, number, &path).await;
                        number += CALLERS + 1;
                        tokio::time::sleep(pause).await;
                    }
                }));
            }
        }
        for _ in 0..2 * turns {
            tokio::time::sleep(BETWEEN).await;
            let mut server = fleet.servers.remove(0);
            let server = tokio::task::spawn_blocking(move || {
                let status = server.stop_in_place(Signal::Terminate);
                assert_eq!(status, 0, "{}", server.log());
                server.start_again();
                server
            });
            fleet.servers.push(server.await.expect("no panic"));
        }
        done.store(true, Ordering::Relaxed);
        join_all(running).await.into_iter().for_each(|ended| ended.expect("no panic"));
        let sum = |of: fn(&Seen) -> u64| seen.iter().map(|seen| of(seen)).sum::<u64>();
        let created = sum(|seen| seen.created.load(Ordering::Relaxed));
        let failures = seen.each_ref().map(|seen| seen.failures.lock().expect("no test panicked here").clone());
        let survivor =
            Caller::anonymous(&fleet.servers[0].url).with(direct.authorization.as_deref().expect("a header"));
        let stored = survivor.get("/instances/count").await.ok()["totalInstances"].as_u64().expect("a number");
        extent.report(
            "rolling",
            &[
                ("restarts", 2 * turns),
                ("calls_nginx", seen[0].calls.load(Ordering::Relaxed)),
                ("calls_haproxy", seen[1].calls.load(Ordering::Relaxed)),
                ("created", created),
                ("stored", stored),
                ("worst_ms", seen.iter().map(|seen| seen.worst_ms.load(Ordering::Relaxed)).max().unwrap_or_default()),
                ("failed_nginx", u64::try_from(failures[0].len()).expect("a number")),
                ("failed_haproxy", u64::try_from(failures[1].len()).expect("a number")),
            ],
        );
        assert!(failures.iter().all(Vec::is_empty), "{failures:?}\nnginx: {}\nhaproxy: {}", nginx.log(), haproxy.log());
        // The first was made before the load.
        assert_eq!(stored, created + 1, "what was acknowledged is there once");
    });
}
