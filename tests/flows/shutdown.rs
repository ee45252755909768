//! The end that was asked for twice, or that takes too long: what was not finished is told.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use serde_json::json;

use crate::support::caller::{Caller, read, with_code, with_key};
use crate::support::consent::code;
use crate::support::database::runtime;
use crate::support::fleet::until;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, Serving, with_admin};
use crate::support::server::PASSWORD;
use crate::support::vendor::elements;

const DATABASE: &str = "ligand-data/sandbox/ligand.db";

/// A server with a creation whose code is spent and that waits for the database, which another process holds.
async fn with_a_creation_that_cannot_end(ligand: &Ligand) -> (Serving, SqliteConnection) {
    let server = ligand.serve(&["--sandbox"]);
    let caller: Caller = server.sign_in(ADMIN, PASSWORD).await;
    caller.create_with_key("First").await;
    let code = code(&server).await;
    let path = ligand.path(DATABASE);
    let mut other = SqliteConnection::establish(path.to_str().expect("a path")).expect("a connection");
    let vendor = Caller::anonymous(&server.vendor);
    let control = vendor.request_at_root("PATCH", "/control").header("content-type", "application/json");
    read(control.body(json!({ "replyDelayMs": 2000 }).to_string())).await.ok();
    tokio::spawn(async move {
        let sent = caller.request("POST", "/instances").header("content-type", "application/json");
        sent.body(with_code("Second", &code).to_string()).send().await
    });
    while read(vendor.request_at_root("GET", "/control")).await.ok()["calls"]["POST /oauth/2026-03/token"]["total"] != 1
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The code was taken before it was sent, and its reply is on its way.
    other.batch_execute("PRAGMA busy_timeout = 1000; BEGIN IMMEDIATE").expect("the file is locked");
    tokio::time::sleep(Duration::from_millis(2300)).await;
    (server, other)
}

fn listens(server: &Serving) -> bool {
    std::net::TcpStream::connect(server.url.trim_start_matches("http://")).is_ok()
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for last in [Signal::Terminate, Signal::Interrupt] {
        runtime().block_on(async {
            let ligand = with_admin();
            let (mut server, _lock) = with_a_creation_that_cannot_end(&ligand).await;
            server.send(Signal::Terminate);
            while listens(&server) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            // The same once more, as from a supervisor and a shell: it does not count.
            server.send(last);
            tokio::time::sleep(Duration::from_millis(1100)).await;
            assert!(!server.log().contains("dropped"), "{}", server.log());
            let before = Instant::now();
            let (status, log) = server.stop(last);
            assert!(before.elapsed() < Duration::from_secs(1), "{:?}: {log}", before.elapsed());
            assert_eq!(status, 1, "{log}");
            let dropped = "stopped before everything was finished, because a second signal came; dropped: requests (1), tasks (1)";
            assert!(log.contains(dropped) && !log.contains("panicked"), "{log}");
        });
    }
}

/// In real time, because a process has no other.
#[test]
fn what_is_not_finished_after_30_s_is_dropped() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let base = format!("http://{}", silent.local_addr().expect("an address"));
    let changes = [("https://api.hubapi.com", base.as_str()), ("id = 168\n", "id = 168\ntimeout = 120\n")];
    let elements = elements(&[("hubspotcrm", &changes)]);
    let ligand = with_admin()
        .set("LIGAND_ELEMENTS_DIR", elements.path().to_str().expect("a path"))
        .set("LIGAND_OUTBOUND_ALLOW", "127.0.0.0/8");
    runtime().block_on(async {
        let server = ligand.serve(&[]);
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        tokio::spawn(async move { caller.post("/instances", &with_key("Never")).await });
        let asked = tokio::task::spawn_blocking(move || silent.accept().map(|(vendor, _)| (silent, vendor)));
        let _vendor = asked.await.expect("no panic").expect("the key is verified");
        let (took, status, log) = terminated(server).await;
        assert!((29..33).contains(&took.as_secs()), "{took:?}: {log}");
        assert_eq!(status, 1, "{log}");
        assert!(log.contains("because 30 s were over; dropped: requests (1), tasks (1)"), "{log}");
    });
}

/// Whoever kills what does not end does so after 30 s: the journal is written before.
#[test]
fn what_the_database_does_not_take_is_in_a_journal_after_20_s() {
    runtime().block_on(async {
        let ligand = with_admin();
        let (server, lock) = with_a_creation_that_cannot_end(&ligand).await;
        let (took, status, log) = terminated(server).await;
        assert!((19..23).contains(&took.as_secs()), "{took:?}: {log}");
        assert_eq!(status, 1, "{log}");
        assert!(log.contains("because the database does not take what was got from vendors"), "{log}");
        drop(lock);
        let server = ligand.serve(&["--sandbox"]);
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        until("the next start stores it", async || caller.get("/instances").await.ok()[1]["name"] == "Second").await;
    });
}

async fn terminated(server: Serving) -> (Duration, i32, String) {
    let before = Instant::now();
    let stopped = tokio::task::spawn_blocking(move || server.stop(Signal::Terminate));
    let (status, log) = stopped.await.expect("no panic");
    (before.elapsed(), status, log)
}

/// Somebody reads in the file all the time, so that what was written last cannot come into it.
#[test]
fn a_file_that_is_not_whole_without_its_wal_is_no_good_end() {
    let ligand = with_admin();
    let server = ligand.serve(&["--sandbox"]);
    let path = ligand.path(DATABASE);
    let mut other = SqliteConnection::establish(path.to_str().expect("a path")).expect("a connection");
    other.batch_execute("BEGIN; SELECT count(*) FROM instance").expect("it reads");
    runtime().block_on(async {
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        caller.create_with_key("In the -wal").await;
    });
    let (status, log) = server.stop(Signal::Terminate);
    assert_eq!(status, 1, "{log}");
    assert!(log.contains("its `-wal` file is part of it: the database is not available"), "{log}");
}

#[test]
fn who_has_nothing_to_finish_ends_well() {
    runtime().block_on(async {
        let ligand = with_admin();
        for signal in [Signal::Terminate, Signal::Interrupt, Signal::Hangup] {
            // Whoever runs the tests may have them survive a hang-up, and then so would the server.
            let server = ligand.serve_within(r#"exec env --default-signal=HUP "$@""#, &[]);
            // Its connection stays open and idle.
            let _caller = server.sign_in(ADMIN, PASSWORD).await;
            let (status, log) = tokio::task::spawn_blocking(move || server.stop(signal)).await.expect("no panic");
            assert_eq!(status, 0, "{log}");
            assert!(log.contains("stopping") && !log.contains("dropped"), "{log}");
        }
    });
}

/// SIGTERM with time for proxies to notice: told at once, still served, and every answer is the last on its connection.
#[test]
fn who_drains_says_so_and_goes_on_serving() {
    runtime().block_on(async {
        let mut server = with_admin().set("LIGAND_DRAIN", "2").serve(&[]);
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        let health = |path: &'static str| read(Caller::anonymous(&server.url).request_at_root("GET", path));
        let before = health("/health/ready").await;
        assert_eq!((before.status, before.header("connection")), (200, None));
        server.send(Signal::Terminate);
        let begun = Instant::now();
        let health = |path: &'static str| read(Caller::anonymous(&server.url).request_at_root("GET", path));
        while health("/health/ready").await.status == 200 {
            assert!(begun.elapsed() < Duration::from_secs(1), "it does not tell");
        }
        let stopping = health("/health/ready").await;
        assert_eq!(stopping.fails(503, "not_ready"), "The server is stopping.");
        assert!(stopping.header("retry-after").is_some());
        let live = health("/health/live").await;
        let served = caller.get("/organizations/me").await;
        for reply in [&stopping, &live, &served, &caller.get("/instances/0").await] {
            assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
        }
        assert_eq!((live.status, served.status), (200, 200));
        assert!(begun.elapsed() < Duration::from_secs(2), "too slow to tell");
        let (status, log) = tokio::task::spawn_blocking(move || server.stop(Signal::Nothing)).await.expect("no panic");
        let took = begun.elapsed();
        assert_eq!(status, 0, "{log}");
        assert!((2..5).contains(&took.as_secs()), "{took:?}: {log}");
        assert!(!log.contains("ERROR") && !log.contains("dropped"), "{log}");
    });
}

/// A second signal that is meant ends the drain, and nothing is said of what never was.
#[test]
fn a_drain_is_ended_by_a_second_signal_and_drops_nothing() {
    let mut server = with_admin().set("LIGAND_DRAIN", "60").serve(&[]);
    server.send(Signal::Terminate);
    std::thread::sleep(Duration::from_millis(1200));
    let before = Instant::now();
    let (status, log) = server.stop(Signal::Terminate);
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}: {log}", before.elapsed());
    assert_eq!(status, 0, "{log}");
    assert!(log.contains("stopped early, because a second signal came; nothing was under way"), "{log}");
}

/// `nohup` and its like: who was started to survive a hang-up does.
#[test]
fn a_hangup_is_ignored_where_the_process_was_started_so() {
    let mut server = with_admin().serve_ignoring_hangups(&[]);
    server.send(Signal::Hangup);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.readiness(), Some(200));
    assert_eq!(server.stop(Signal::Terminate).0, 0);
}
