//! One refresh at a time, whoever asks, in however many processes, and whichever of them dies in the middle.

use std::ops::Range;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;

use crate::support::database::runtime;
use crate::support::fleet::{Fleet, refreshed, until};
use crate::support::part::Signal;
use crate::support::{Caller, Database, Reply};

const CALLERS: usize = 64;
/// Longer than a test waits for anything.
const FOR_EVER: Duration = Duration::from_secs(120);

fn in_the_background(caller: &Caller, path: &str) -> tokio::task::JoinHandle<Reply> {
    let (caller, path) = (caller.clone(), format!("{path}?refresh=true"));
    tokio::spawn(async move { caller.get(&path).await })
}

/// Everybody asks at once, spread over the processes, while the vendor has rotated and takes its time to say so.
async fn race(database: Option<Database>, processes: usize, answers_after: Duration) {
    let Some(database) = database else { return };
    let fleet = Fleet::start(database, processes).await;
    let path = fleet.expired_instance().await;
    fleet.token_calls_take(Duration::ZERO, answers_after);
    let asked = (0..CALLERS).map(|number| in_the_background(&fleet.callers[number % processes], &path));
    for reply in join_all(asked.collect::<Vec<_>>()).await {
        let shown = reply.expect("no panic").ok();
        assert_eq!((&shown["valid"], &shown["invalidReason"]), (&Value::Bool(true), &Value::Null), "{shown}");
    }
    assert_eq!(fleet.token_calls(), 1, "one of all asks the vendor");
    fleet.still_refreshes(&path).await;
}

const SOON: Duration = Duration::from_millis(500);
/// Three times as long as a dead holder keeps its lease.
const LATE: Duration = Duration::from_secs(15);

#[test]
fn one_token_call_for_64_callers_of_one_process_on_sqlite() {
    runtime().block_on(race(Some(Database::sqlite()), 1, SOON));
}

#[test]
fn one_slow_token_call_for_64_callers_of_one_process_on_sqlite() {
    runtime().block_on(race(Some(Database::sqlite()), 1, LATE));
}

#[test]
fn one_token_call_for_64_callers_of_two_processes() {
    runtime().block_on(race(Database::postgres(), 2, SOON));
}

#[test]
fn one_slow_token_call_for_64_callers_of_two_processes() {
    runtime().block_on(race(Database::postgres(), 2, LATE));
}

#[test]
fn one_token_call_for_64_callers_of_three_processes_through_pgbouncer() {
    runtime().block_on(race(Database::through_pgbouncer(), 3, SOON));
}

/// The process that refreshes dies. Where there is another one it waits already, else one is started afterwards. Gives what
/// the next one answers, and how long after the death, or after its start.
async fn after_a_kill(fleet: &mut Fleet, path: &str) -> (Value, Duration) {
    let waiting = fleet.callers.get(1).map(|other| in_the_background(other, path));
    let mut since = Instant::now();
    fleet.kill();
    until("the vendor notices", async || fleet.running_token_calls() == 0).await;
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    let shown = match waiting {
        Some(waiting) => waiting.await.expect("no panic").ok(),
        None => {
            fleet.join().await;
            since = Instant::now();
            refreshed(&fleet.callers[0], path).await
        }
    };
    (shown, since.elapsed())
}

/// What a death costs that is known: nothing where nobody else can be, else two seconds, and one for a busy machine.
const AT_ONCE: Range<Duration> = Duration::ZERO..Duration::from_millis(1_500);
const KNOWN: Range<Duration> = Duration::ZERO..Duration::from_secs(3);
/// Behind a pooler nothing but silence tells, as long as the vendor's answer may take.
const SILENT: Range<Duration> = Duration::from_secs(11)..Duration::from_secs(20);

async fn dies_before_the_vendor_worked(database: Option<Database>, processes: usize, wait: Range<Duration>) {
    let Some(database) = database else { return };
    let mut fleet = Fleet::start_with(database, processes, &[("id = 168\n", "id = 168\ntimeout = 12\n")]).await;
    let path = fleet.expired_instance().await;
    fleet.token_calls_take(FOR_EVER, Duration::ZERO);
    let lost = in_the_background(&fleet.callers[0], &path);
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    let (shown, waited) = after_a_kill(&mut fleet, &path).await;
    assert!(lost.await.is_err(), "its process is dead");
    assert!(wait.contains(&waited), "{waited:?}");
    assert_eq!((&shown["valid"], &shown["invalidReason"]), (&Value::Bool(true), &Value::Null), "{shown}");
    assert_eq!((fleet.token_calls(), fleet.sandbox().spent_refresh_tokens()), (2, 1));
    fleet.still_refreshes(&path).await;
}

async fn dies_after_the_vendor_rotated(database: Option<Database>, processes: usize) {
    let Some(database) = database else { return };
    let mut fleet = Fleet::start(database, processes).await;
    let path = fleet.expired_instance().await;
    fleet.token_calls_take(Duration::ZERO, FOR_EVER);
    let lost = in_the_background(&fleet.callers[0], &path);
    until("the vendor rotates", async || fleet.sandbox().spent_refresh_tokens() == 1).await;
    let (shown, _) = after_a_kill(&mut fleet, &path).await;
    assert!(lost.await.is_err(), "its process is dead");
    assert_eq!(fleet.token_calls(), 2, "one retry");
    assert_eq!(shown["valid"], false, "{shown}");
    let reason = shown["invalidReason"].as_str().expect("a reason");
    assert!(reason.contains("the outcome of the refresh before is unknown"), "{reason}");
    assert!(reason.contains("must authorise again"), "{reason}");
    // A process that was not there says the same; a file takes one process, so there it is a restart.
    if fleet.database.url.starts_with("sqlite:") {
        fleet.kill();
    }
    fleet.join().await;
    for caller in fleet.callers.iter().chain(&fleet.callers) {
        assert_eq!(refreshed(caller, &path).await["invalidReason"], shown["invalidReason"]);
    }
    assert_eq!(fleet.token_calls(), 2, "nobody asks again");
}

#[test]
fn who_dies_before_the_vendor_worked_is_replaced() {
    runtime().block_on(dies_before_the_vendor_worked(Database::postgres(), 2, KNOWN));
}

#[test]
fn who_dies_before_the_vendor_worked_is_replaced_after_a_restart_on_postgres() {
    runtime().block_on(dies_before_the_vendor_worked(Database::postgres(), 1, KNOWN));
}

#[test]
fn who_dies_before_the_vendor_worked_is_replaced_behind_a_pooler() {
    runtime().block_on(dies_before_the_vendor_worked(Database::through_pgbouncer(), 2, SILENT));
}

#[test]
fn who_dies_before_the_vendor_worked_is_replaced_after_a_restart_on_sqlite() {
    runtime().block_on(dies_before_the_vendor_worked(Some(Database::sqlite()), 1, AT_ONCE));
}

#[test]
fn who_dies_after_the_vendor_rotated_leaves_one_retry() {
    runtime().block_on(dies_after_the_vendor_rotated(Database::postgres(), 2));
}

#[test]
fn who_dies_after_the_vendor_rotated_leaves_one_retry_after_a_restart_on_sqlite() {
    runtime().block_on(dies_after_the_vendor_rotated(Some(Database::sqlite()), 1));
}

/// SIGTERM: what the vendor has done already is waited for and stored, whether a caller or the job asked for it.
async fn ends_during_a_refresh(database: Option<Database>) {
    const DUE: &str = "UPDATE credential SET due_at = refreshed_at;
        INSERT INTO instance_usage (instance_id, last_used_at) SELECT instance_id, refreshed_at FROM credential";
    let Some(database) = database else { return };
    let mut fleet = Fleet::start(database, 1).await;
    let path = fleet.expired_instance().await;
    for cause in ["asked", "due"] {
        fleet.db_expire();
        fleet.token_calls_take(Duration::ZERO, Duration::from_secs(2));
        let spent = fleet.sandbox().spent_refresh_tokens();
        let asked = (cause == "asked").then(|| in_the_background(&fleet.callers[0], &path));
        if cause == "due" {
            fleet.database.execute(DUE);
        }
        until("the vendor rotates", async || fleet.sandbox().spent_refresh_tokens() > spent).await;
        let (status, log) = fleet.terminate().await;
        assert_eq!(status, 0, "{log}");
        let line = log.lines().find(|line| line.contains(&format!("cause=\"{cause}\"")));
        assert!(line.is_some_and(|line| line.contains(r#"outcome="refreshed""#)), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        if let Some(asked) = asked {
            assert_eq!(asked.await.expect("no panic").ok()["valid"], true);
        }
        fleet.join().await;
        fleet.still_refreshes(&path).await;
    }
}

#[test]
fn a_refresh_under_way_is_finished_before_the_end() {
    for database in [Some(Database::sqlite()), Database::postgres()] {
        runtime().block_on(ends_during_a_refresh(database));
    }
}

/// The vendor never answers, and the operator loses patience: the lease is given back all the same.
async fn gives_its_lease_back(database: Option<Database>) {
    let Some(database) = database else { return };
    let mut fleet = Fleet::start(database, 1).await;
    let path = fleet.expired_instance().await;
    fleet.token_calls_take(FOR_EVER, Duration::ZERO);
    let lost = in_the_background(&fleet.callers[0], &path);
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    fleet.servers[0].send(Signal::Terminate);
    until("it stops", async || fleet.servers[0].log().contains("stopping")).await;
    // Two signals within a second are one.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (status, log) = fleet.terminate().await;
    assert_eq!(status, 1, "{log}");
    assert!(log.contains("a second signal came") && !log.contains("not given back"), "{log}");
    let answer = lost.await;
    assert!(answer.as_ref().map_or(true, |reply| reply.status >= 500), "{answer:?}");
    fleet.join().await;
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    let before = Instant::now();
    assert_eq!(refreshed(&fleet.callers[0], &path).await["valid"], true);
    assert!(before.elapsed() < Duration::from_secs(3), "{:?}: nobody waits for the dead", before.elapsed());
    assert_eq!((fleet.token_calls(), fleet.sandbox().spent_refresh_tokens()), (2, 1));
    fleet.still_refreshes(&path).await;
}

#[test]
fn who_is_ended_during_a_refresh_leaves_nobody_waiting() {
    for database in [Some(Database::sqlite()), Database::postgres()] {
        runtime().block_on(gives_its_lease_back(database));
    }
}
