//! Who died is replaced as soon as that can be known, and who lives is not, whatever becomes of its connections.

use std::ops::Range;
use std::process::Command;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use serde_json::Value;

use crate::support::caller::with_code;
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, refreshed, until};
use crate::support::part::{Signal, missing};
use crate::support::postgres::Postgres;
use crate::support::{Caller, Database, Reply};

const FOR_EVER: Duration = Duration::from_secs(120);
const KEY: &str = "once";
/// One second for a busy machine is in each.
const AT_ONCE: Range<Duration> = Duration::ZERO..Duration::from_millis(1_500);
const KNOWN: Range<Duration> = Duration::ZERO..Duration::from_secs(3);
/// As long as an element's token call may take, unless it says otherwise.
const TOKEN_CALL: Duration = Duration::from_secs(30);
const SILENT: Range<Duration> = Duration::from_secs(8)..Duration::from_secs(20);

fn create_in_the_background(caller: &Caller, body: &Value) -> tokio::task::JoinHandle<Reply> {
    let (caller, body) = (caller.clone(), body.clone());
    tokio::spawn(async move { Fleet::create_once(&caller, KEY, &body).await })
}

/// The process that has an `Idempotency-Key` is killed: whoever repeats the call has it soon.
async fn a_key_is_free(database: Option<Database>, processes: usize, wait: Range<Duration>) {
    let Some(database) = database else { return };
    let mut fleet = Fleet::start(database, processes).await;
    let body = with_code("Once", &fleet.callers[0].code(fleet.sandbox()).await);
    fleet.token_calls_take(FOR_EVER, Duration::ZERO);
    let lost = create_in_the_background(&fleet.callers[0], &body);
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    let mut since = Instant::now();
    fleet.kill();
    until("the vendor notices", async || fleet.running_token_calls() == 0).await;
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    if processes == 1 {
        fleet.join().await;
        since = Instant::now();
    }
    assert!(lost.await.is_err(), "its process is dead");
    let created = Fleet::create_once(&fleet.callers[0], KEY, &body).await;
    let waited = since.elapsed();
    assert_eq!(created.ok()["name"], "Once");
    assert!(wait.contains(&waited), "{waited:?}");
    assert_eq!(Fleet::create_once(&fleet.callers[0], KEY, &body).await.text, created.text);
    assert_eq!(fleet.callers[0].get("/instances/count").await.ok()["totalInstances"], 1);
}

#[test]
fn a_key_is_free_when_its_process_was_killed() {
    runtime().block_on(a_key_is_free(Database::postgres(), 2, KNOWN));
}

#[test]
fn a_key_is_free_after_a_restart_on_postgres() {
    runtime().block_on(a_key_is_free(Database::postgres(), 1, KNOWN));
}

#[test]
fn a_key_is_free_after_a_restart_on_sqlite() {
    runtime().block_on(a_key_is_free(Some(Database::sqlite()), 1, AT_ONCE));
}

/// Nobody can tell whether the process lives, and its code may be spent: it is sent again when its token call must be over.
#[test]
fn a_key_with_a_code_is_free_behind_a_pooler_when_its_token_call_must_be_over() {
    runtime().block_on(async {
        let Some(database) = Database::through_pgbouncer() else { return };
        let mut fleet = Fleet::start(database, 2).await;
        let body = with_code("Once", &fleet.callers[0].code(fleet.sandbox()).await);
        fleet.token_calls_take(FOR_EVER, Duration::ZERO);
        let lost = create_in_the_background(&fleet.callers[0], &body);
        until("the token call runs", async || fleet.running_token_calls() == 1).await;
        let since = Instant::now();
        fleet.kill();
        until("the vendor notices", async || fleet.running_token_calls() == 0).await;
        fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
        assert!(lost.await.is_err(), "its process is dead");
        let refused = Fleet::create_once(&fleet.callers[0], KEY, &body).await;
        refused.fails(409, "idempotency_conflict");
        assert!(SILENT.contains(&since.elapsed()), "{:?}", since.elapsed());
        let rest: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("a time");
        tokio::time::sleep(Duration::from_secs(rest)).await;
        let created = Fleet::create_once(&fleet.callers[0], KEY, &body).await;
        assert_eq!(created.ok()["name"], "Once");
        let waited = since.elapsed();
        assert!((TOKEN_CALL..TOKEN_CALL + SILENT.end).contains(&waited), "{waited:?}");
    });
}

/// Ended by two signals, before its work did.
async fn a_key_is_given_back(database: Option<Database>, processes: usize) {
    let Some(database) = database else { return };
    let mut fleet = Fleet::start(database, processes).await;
    let body = with_code("Once", &fleet.callers[0].code(fleet.sandbox()).await);
    fleet.token_calls_take(FOR_EVER, Duration::ZERO);
    let lost = create_in_the_background(&fleet.callers[0], &body);
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    fleet.servers[0].send(Signal::Terminate);
    until("it stops", async || fleet.servers[0].log().contains("stopping")).await;
    // Two signals within a second may be one.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (status, log) = fleet.terminate().await;
    assert_eq!(status, 1, "{log}");
    let answer = lost.await;
    assert!(answer.as_ref().map_or(true, |reply| reply.status >= 500), "{answer:?}");
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    if processes == 1 {
        fleet.join().await;
    }
    let since = Instant::now();
    Fleet::create_once(&fleet.callers[0], KEY, &body).await.ok();
    assert!(AT_ONCE.contains(&since.elapsed()), "{:?}", since.elapsed());
}

#[test]
fn who_is_ended_gives_its_keys_back() {
    runtime().block_on(async {
        a_key_is_given_back(Some(Database::sqlite()), 1).await;
        a_key_is_given_back(Database::through_pgbouncer(), 2).await;
    });
}

/// A slow first call in another process: the repeated one is told that it runs, as soon as that is known, and gets its
/// answer when there is one.
async fn a_living_process_keeps_its_key(database: Option<Database>) {
    let Some(database) = database else { return };
    let fleet = Fleet::start(database, 2).await;
    let body = with_code("Once", &fleet.callers[0].code(fleet.sandbox()).await);
    fleet.token_calls_take(Duration::from_secs(12), Duration::ZERO);
    let first = create_in_the_background(&fleet.callers[0], &body);
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    let mut refused = 0;
    let repeated = loop {
        let since = Instant::now();
        let reply = Fleet::create_once(&fleet.callers[1], KEY, &body).await;
        if reply.status == 200 {
            break reply;
        }
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
        reply.fails(409, "idempotency_conflict");
        assert_eq!(reply.header("retry-after"), Some("1"));
        refused += 1;
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    assert!(refused > 2, "{refused}");
    assert_eq!(repeated.text, first.await.expect("no panic").text);
    assert_eq!(fleet.token_calls(), 1);
}

#[test]
fn a_living_process_keeps_its_key_longer_than_anybody_is_silent() {
    runtime().block_on(async {
        a_living_process_keeps_its_key(Database::postgres()).await;
        a_living_process_keeps_its_key(Database::through_pgbouncer()).await;
    });
}

fn refresh_in_the_background(caller: &Caller, path: &str) -> tokio::task::JoinHandle<Reply> {
    let (caller, path) = (caller.clone(), format!("{path}?refresh=true"));
    tokio::spawn(async move { caller.get(&path).await })
}

/// The vendor has rotated and takes its time to say so. Meanwhile the holder loses every connection, again and again.
async fn disturbed(mut fleet: Fleet, mut disturb: impl AsyncFnMut(&mut Fleet)) {
    let path = fleet.expired_instance().await;
    fleet.token_calls_take(Duration::ZERO, Duration::from_secs(9));
    let holder = refresh_in_the_background(&fleet.callers[0], &path);
    until("the vendor rotates", async || fleet.sandbox().spent_refresh_tokens() == 1).await;
    let stop = Instant::now() + Duration::from_secs(20);
    let other = {
        let (caller, path) = (fleet.callers[1].clone(), format!("{path}?refresh=true"));
        // It asks all the time: whoever is told that the database is away asks again.
        tokio::spawn(async move {
            loop {
                let reply = caller.get(&path).await;
                if reply.status != 503 || Instant::now() > stop {
                    return reply;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    disturb(&mut fleet).await;
    assert_eq!(holder.await.expect("no panic").ok()["valid"], true);
    assert_eq!(other.await.expect("no panic").ok()["valid"], true);
    assert_eq!((fleet.token_calls(), fleet.sandbox().spent_refresh_tokens()), (1, 1), "nobody robbed the holder");
    for caller in &fleet.callers {
        assert_eq!(refreshed(caller, &path).await["invalidReason"], Value::Null);
    }
}

#[test]
fn a_holder_whose_sessions_are_cut_is_not_robbed() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        disturbed(Fleet::start(database, 2).await, async |fleet| {
            for pause in [1_300, 1_700, 900, 1_450] {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                fleet.db_cut_sessions_of_holder("refresh");
            }
        })
        .await;
    });
}

/// All sessions are gone with the server, and the holder is the last to come back: it stands still meanwhile, as one does
/// whose way to the new server is longer.
async fn last_to_come_back(postgres: &Postgres, goes_away: impl Fn()) {
    let fleet = Fleet::start(Database::at(postgres.create_database()), 2).await;
    disturbed(fleet, async |fleet| {
        tokio::time::sleep(Duration::from_millis(500)).await;
        fleet.servers[0].send(Signal::Stop);
        let mut witness = PgConnection::establish(&fleet.database.url).expect("PostgreSQL answers");
        goes_away();
        while witness.batch_execute("SELECT 1").is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The other process is back by then, and has time to believe what is not so.
        until("PostgreSQL answers", async || PgConnection::establish(&fleet.database.url).is_ok()).await;
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        fleet.servers[0].send(Signal::Continue);
    })
    .await;
}

#[test]
fn a_holder_is_not_robbed_when_postgres_is_restarted() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    runtime().block_on(last_to_come_back(&postgres, || {
        postgres.stop(Signal::Interrupt);
        postgres.start_again();
    }));
}

/// One backend that is killed takes all others along, and the server's memory, but not its start time.
#[test]
fn a_holder_is_not_robbed_when_postgres_crashes() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    runtime().block_on(last_to_come_back(&postgres, || {
        let backends = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'
            AND pid <> pg_backend_pid() LIMIT 1";
        let backend = postgres.execute("postgres", backends);
        assert!(Command::new("kill").args(["-9", &backend]).status().expect("kill can be started").success());
    }));
}
