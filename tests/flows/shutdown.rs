//! The end that was asked for twice, or that takes too long: what was not finished is told.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use crate::support::caller::{Caller, with_key};
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, Serving, with_admin};
use crate::support::server::PASSWORD;

const DATABASE: &str = "ligand-data/sandbox/ligand.db";

/// A server with a creation that waits for the database, which another process holds.
async fn with_a_creation_that_cannot_end(ligand: &Ligand) -> (Serving, SqliteConnection) {
    let server = ligand.serve(&["--sandbox"]);
    let caller: Caller = server.sign_in(ADMIN, PASSWORD).await;
    caller.create_with_key("First").await;
    let path = ligand.path(DATABASE);
    let mut other = SqliteConnection::establish(path.to_str().expect("a path")).expect("a connection");
    other.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").expect("the file is locked");
    tokio::spawn(async move {
        let sent = caller.request("POST", "/instances").header("content-type", "application/json");
        sent.body(with_key("Second").to_string()).send().await
    });
    // Longer than a busy database makes it wait, so that it is surely at it.
    while !server.log().contains("a credential waits for the database") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
            let before = Instant::now();
            let (status, log) = server.stop(last);
            assert!(before.elapsed() < Duration::from_secs(1), "{:?}: {log}", before.elapsed());
            assert_eq!(status, 1, "{log}");
            let dropped = "stopped before everything was finished, because a second signal came; dropped: open requests, tasks (1)";
            assert!(log.contains(dropped) && !log.contains("panicked"), "{log}");
        });
    }
}

/// In real time, because a process has no other.
#[test]
fn what_is_not_finished_after_30_s_is_dropped() {
    runtime().block_on(async {
        let ligand = with_admin();
        let (server, _lock) = with_a_creation_that_cannot_end(&ligand).await;
        let before = Instant::now();
        let (status, log) =
            tokio::task::spawn_blocking(move || server.stop(Signal::Terminate)).await.expect("no panic");
        let took = before.elapsed();
        assert!((29..33).contains(&took.as_secs()), "{took:?}: {log}");
        assert_eq!(status, 1, "{log}");
        assert!(log.contains("because 30 s were over; dropped: open requests, tasks (1)"), "{log}");
    });
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
        for signal in [Signal::Terminate, Signal::Interrupt] {
            let server = ligand.serve(&[]);
            // Its connection stays open and idle.
            let _caller = server.sign_in(ADMIN, PASSWORD).await;
            let (status, log) = tokio::task::spawn_blocking(move || server.stop(signal)).await.expect("no panic");
            assert_eq!(status, 0, "{log}");
            assert!(log.contains("stopping") && !log.contains("dropped"), "{log}");
        }
    });
}
