//! PostgreSQL goes away and comes back: errors that say so meanwhile, and afterwards everything works without a restart.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use futures_util::future::join_all;
use ligand::store::{StoreFault, principals};

use super::rows::UNTOLD;

use crate::support::caller::{read, with_code};
use crate::support::database::{open, runtime};
use crate::support::fleet::until;
use crate::support::losing_proxy::LosingProxy;
use crate::support::part::{Signal, missing};
use crate::support::pgbouncer::Pgbouncer;
use crate::support::postgres::Postgres;
use crate::support::program::{ADMIN, with_admin};
use crate::support::server::{PASSWORD, run, start_of_time};
use crate::support::{Caller, Database, TestServer};

fn own_server() -> Option<Postgres> {
    let server = Postgres::start();
    if server.is_none() {
        missing("no PostgreSQL on this machine");
    }
    server
}

#[test]
fn callers_get_503_while_it_is_down_and_answers_when_it_is_back() {
    let Some(postgres) = own_server() else { return };
    goes_and_comes(&postgres, Database::at(postgres.create_database()));
}

#[test]
fn behind_a_pooler_callers_get_503_while_it_is_down_and_answers_when_it_is_back() {
    let Some(postgres) = own_server() else { return };
    let Some(pooler) = Pgbouncer::before(&postgres) else { return missing("no pgbouncer on this machine") };
    goes_and_comes(&postgres, Database::behind(&pooler, &postgres.create_database()));
}

fn goes_and_comes(postgres: &Postgres, database: Database) {
    run(database, |server: TestServer| async move {
        let caller = server.caller();
        let instance = caller.create_with_key("Kept").await;
        let path = format!("/instances/{}", instance["id"]);
        // Every pooled connection has been used when the server goes.
        join_all((0..16).map(|_| caller.get("/instances"))).await;
        postgres.stop(Signal::Interrupt);
        for reply in [caller.get(&path).await, caller.delete(&path).await] {
            let message = reply.fails(503, "database_unavailable");
            assert!(!message.contains("127.0.0.1") && !message.contains("connection"), "{message}");
            assert!(reply.header("retry-after").is_some());
        }
        let at_root = |path: &'static str| read(caller.request_at_root("GET", path));
        at_root("/health/ready").await.fails(503, "database_unavailable");
        assert_eq!(at_root("/health/live").await.status, 200);
        postgres.start_again();
        at_root("/health/ready").await.ok();
        assert_eq!(caller.get(&path).await.ok()["name"], "Kept");
        caller.create_with_key("New").await;
        assert_eq!(names(&caller).await, ["Kept", "New"]);
    });
}

/// The vendor has spent the code: the credential waits for the database rather than being lost.
#[test]
fn a_code_that_was_exchanged_while_it_was_down_is_not_lost() {
    let Some(postgres) = own_server() else { return };
    run(Database::at(postgres.create_database()), |server: TestServer| async move {
        let caller = server.caller();
        caller.create_with_key("First").await;
        let code = caller.code(server.sandbox()).await;
        // Until the code is taken the database is there: who cannot write that down sends none.
        let delay = ("/oauth/*/token".to_owned(), 2000);
        server.sandbox().set(|switches| switches.reply_delay_ms = [delay].into());
        let creation = tokio::spawn({
            let caller = caller.clone();
            async move { caller.post("/instances", &with_code("Second", &code)).await }
        });
        while server.sandbox().calls().iter().all(|call| !call.path.ends_with("/token")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        postgres.stop(Signal::Interrupt);
        tokio::time::sleep(Duration::from_millis(2200)).await;
        postgres.start_again();
        creation.await.expect("no panic").ok();
        assert_eq!(names(&caller).await, ["First", "Second"]);
    });
}

/// The commit happened, and its acknowledgement was lost: tried again it meets its own row.
#[test]
fn a_creation_whose_commit_was_not_acknowledged_succeeds_once() {
    let Some(database) = Database::postgres() else { return };
    let url = url::Url::parse(&database.url).expect("a URL");
    let upstream = ("127.0.0.1", url.port().expect("a port")).to_socket_addrs().expect("an address").next();
    let proxy = LosingProxy::before(upstream.expect("an address"));
    let mut through = url.clone();
    through.set_port(Some(proxy.address.port())).expect("it has a host");
    run(Database::at(through.to_string()), |server: TestServer| async move {
        let caller = server.caller();
        let first = caller.create_with_key("First").await;
        proxy.lose_next();
        let second = caller.create_with_key("Second").await;
        assert!(proxy.has_lost());
        assert_eq!(names(&caller).await, ["First", "Second"]);
        let listed = caller.get("/instances").await.ok();
        for (listed, created) in listed.as_array().expect("a list").iter().zip([first, second]) {
            assert_eq!((&listed["id"], &listed["token"]), (&created["id"], &created["token"]));
        }
    });
}

async fn names(caller: &Caller) -> Vec<String> {
    let listed = caller.get("/instances").await.ok();
    let instances = listed.as_array().expect("a list");
    instances.iter().map(|instance| instance["name"].as_str().expect("a name").to_owned()).collect()
}

/// The connections that were idle meanwhile are all dead; one failure is enough to know.
#[test]
fn after_a_restart_unseen_at_most_one_call_fails() {
    let Some(postgres) = own_server() else { return };
    let database = Database::at(postgres.create_database());
    runtime().block_on(async {
        let store = open(&database.url, 8);
        store.migrate().await.expect("the schema migrates");
        let slow_read = || {
            store.read(|conn| {
                std::thread::sleep(Duration::from_millis(50));
                principals::any(conn)
            })
        };
        // Slow enough that each takes a connection of its own.
        assert!(join_all((0..8).map(|_| slow_read())).await.iter().all(Result::is_ok));
        assert!(store.is_steady());
        for _ in 0..2 {
            postgres.stop(Signal::Interrupt);
            postgres.start_again();
            let mut failures = Vec::new();
            for _ in 0..16 {
                failures.extend(store.read(principals::any).await.err());
                let now = start_of_time();
                failures.extend(store.write(move |conn| principals::record_login(conn, 1, now, &UNTOLD)).await.err());
            }
            assert!(failures.len() <= 1, "{failures:?}");
            assert!(failures.iter().all(|fault| matches!(fault, StoreFault::Unavailable(_))), "{failures:?}");
            assert!(!store.is_steady(), "whose sessions are missing may live");
        }
    });
}

/// As after a failover that closed no connection: the session answers, and its writes are refused for good.
#[test]
fn connections_to_a_server_that_takes_no_writes_any_more_are_given_up() {
    let Some(postgres) = own_server() else { return };
    let url = postgres.create_database();
    let name = url.rsplit('/').next().expect("a name");
    let set = |setting: &str| {
        postgres.execute("postgres", &format!("ALTER SYSTEM {setting}"));
        postgres.execute("postgres", "SELECT pg_reload_conf()");
    };
    let sessions = || {
        let of = format!("FROM pg_stat_activity WHERE datname = '{name}'");
        postgres.execute("postgres", &format!("SELECT string_agg(pid::text, ',' ORDER BY pid) {of}"))
    };
    runtime().block_on(async {
        let store = open(&url, 1);
        store.migrate().await.expect("the schema migrates");
        let write = || store.write(move |conn| principals::record_login(conn, 1, start_of_time(), &UNTOLD));
        write().await.expect("it takes writes");
        let first = sessions();
        set("SET default_transaction_read_only = on");
        let refused = async || {
            let fault = write().await.expect_err("it takes none");
            assert!(matches!(fault, StoreFault::Unavailable(_)), "{fault:?}");
        };
        // The setting arrives a moment later.
        until("it takes none", async || write().await.is_err()).await;
        // Older than a second by now, whenever it was opened.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        refused().await;
        store.read(principals::any).await.expect("another connection reads");
        let second = sessions();
        assert_ne!(second, first, "the connection is given up");
        for _ in 0..5 {
            refused().await;
            store.read(principals::any).await.expect("it reads");
        }
        assert_eq!(sessions(), second, "but not all the time: there is no better one");
        set("RESET default_transaction_read_only");
        until("it takes writes again", async || write().await.is_ok()).await;
    });
}

/// Connections are cut again and again: a read has lost nothing, so it is asked once more and nobody hears of it.
#[test]
fn reads_go_on_while_connections_are_cut() {
    let Some(postgres) = own_server() else { return };
    let database = Database::at(postgres.create_database());
    runtime().block_on(async {
        let store = open(&database.url, 8);
        store.migrate().await.expect("the schema migrates");
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                   AND pid <> pg_backend_pid()";
        let cutting = tokio::task::spawn_blocking(move || {
            for _ in 0..8 {
                postgres.execute("postgres", cut);
                std::thread::sleep(Duration::from_millis(100));
            }
            postgres
        });
        let reader = async || {
            let (mut asked, mut failures) = (0, Vec::new());
            while !cutting.is_finished() {
                asked += 1;
                let slow = store.read(|conn| {
                    let found = principals::any(conn);
                    std::thread::sleep(Duration::from_millis(2));
                    found.and_then(|_| principals::any(conn))
                });
                failures.extend(slow.await.err());
            }
            (asked, failures)
        };
        let all = join_all((0..12).map(|_| reader())).await;
        let asked: usize = all.iter().map(|one| one.0).sum();
        let failures: Vec<_> = all.into_iter().flat_map(|one| one.1).collect();
        assert!(asked > 100, "{asked}");
        // Who is cut twice in a row is told.
        assert!(failures.len() <= 1 + asked / 500, "{} of {asked}: {failures:?}", failures.len());
        cutting.await.expect("no panic");
    });
}

/// What an idle server does not know of its connections costs no write either: nothing had begun.
#[test]
fn a_write_that_finds_its_connection_cut_begins_on_another() {
    let Some(postgres) = own_server() else { return };
    let database = Database::at(postgres.create_database());
    runtime().block_on(async {
        let store = open(&database.url, 2);
        store.migrate().await.expect("the schema migrates");
        let now = start_of_time();
        for _ in 0..4 {
            store.write(move |conn| principals::record_login(conn, 1, now, &UNTOLD)).await.expect("it writes");
            postgres.execute(
                "postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                 AND pid <> pg_backend_pid()",
            );
        }
        // The fate of one that was cut in its middle is not known, so it is told and not repeated.
        let runs = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = std::sync::Arc::clone(&runs);
        let cut = store.write(move |conn| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            postgres.execute(
                "postgres",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                 AND pid <> pg_backend_pid()",
            );
            principals::record_login(conn, 1, now, &UNTOLD)
        });
        assert!(matches!(cut.await, Err(StoreFault::Unavailable(_))));
        assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 1);
    });
}

/// Waits until the server says so, and for how long that took.
async fn readiness_becomes(caller: &Caller, status: u16) -> Duration {
    let begun = std::time::Instant::now();
    loop {
        let reply = read(caller.request_at_root("GET", "/health/ready")).await;
        if reply.status == status {
            if status == 503 {
                let message = reply.fails(503, "database_unavailable");
                assert_eq!(message, "The database answers, and nothing can be written to it.");
                assert!(reply.header("retry-after").is_some());
            }
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{reply:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// As after a failover that left this server with the old primary.
#[test]
fn a_database_that_only_reads_is_not_ready() {
    let Some(postgres) = own_server() else { return };
    let database = Database::at(postgres.create_database());
    run(database, |server: TestServer| async move {
        let caller = server.caller();
        readiness_becomes(&caller, 200).await;
        let read_only = |state: &str| {
            postgres.execute("postgres", &format!("ALTER SYSTEM SET default_transaction_read_only = {state}"));
            postgres.execute("postgres", "SELECT pg_reload_conf()");
        };
        for quiet in [true, false] {
            read_only("on");
            if !quiet {
                // Somebody's write fails: that says it at once.
                let body = crate::support::caller::with_key("Refused");
                let _ = tokio::time::timeout(Duration::from_millis(300), caller.post("/instances", &body)).await;
            }
            let noticed = readiness_becomes(&caller, 503).await;
            assert!(noticed < Duration::from_secs(if quiet { 8 } else { 3 }), "{noticed:?}");
            read_only("off");
            let noticed = readiness_becomes(&caller, 200).await;
            assert!(noticed < Duration::from_secs(3), "{noticed:?}");
        }
    });
}

/// A disk that takes nothing more, under SQLite: every write fails, every read succeeds.
#[test]
fn a_disk_that_takes_nothing_is_not_ready() {
    let ligand = with_admin();
    // A limit of sizes of files stands for the disk. Who ignores its signal gets an error.
    let server = ligand.serve_within(r#"trap "" XFSZ; exec "$@""#, &["--sandbox"]);
    let limit = |bytes: &str| {
        let mut prlimit = std::process::Command::new("prlimit");
        let done = prlimit.args(["--pid", &server.pid().to_string(), &format!("--fsize={bytes}:unlimited")]).status();
        assert!(done.expect("prlimit can be started").success());
    };
    runtime().block_on(async {
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        readiness_becomes(&caller, 200).await;
        limit("1");
        let noticed = readiness_becomes(&caller, 503).await;
        assert!(noticed < Duration::from_secs(8), "{noticed:?}");
        caller.get("/organizations/me").await.ok();
        limit("unlimited");
        let noticed = readiness_becomes(&caller, 200).await;
        assert!(noticed < Duration::from_secs(3), "{noticed:?}");
        caller.create_with_key("Stored").await;
    });
}
