//! PostgreSQL away for five seconds while callers go on: who needs it is told so, who does not notices nothing, and a
//! token that came meanwhile is stored when it is back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use ligand::jobs::Jobs;
use ligand::kernel::owner::Owner;
use ligand::sandbox::TOKEN_ROUTES;
use ligand::store::leases;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::caller::Caller;
use crate::support::copies::owner;
use crate::support::fleet::{refreshed, until};
use crate::support::part::{Signal, missing};
use crate::support::postgres::Postgres;
use crate::support::server::run;
use crate::support::{Database, TestServer};

const OUTAGE: Duration = Duration::from_secs(5);
/// After its return, until everything works again.
const RECOVERY: Duration = Duration::from_secs(1);
const TOKEN: &str = "POST /oauth/2026-03/token";

/// A call of the load, and how it ended.
struct Seen {
    began: Instant,
    ended: Instant,
    status: u16,
    retry_after: bool,
}

#[test]
fn five_seconds_without_postgres_are_five_seconds_of_503() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    run(Database::at(postgres.create_database()), |server: TestServer| async move {
        let server = Arc::new(server);
        let caller = server.caller();
        let owner = owner(&server.services).await;
        server.sandbox().set(|switches| switches.rotation = true);
        let [warm, late] = ["Warm", "Late"].map(|name| caller.create_with_code(server.sandbox(), name));
        let (warm, late) = (warm.await["id"].as_i64().expect("an id"), late.await["id"].clone());
        let others = join_all((0..8).map(|_| caller.create_with_key("Other"))).await;
        let stop = CancellationToken::new();
        let jobs = Jobs::start(&server.services, Default::default());
        let clock = tokio::spawn(real_time(Arc::clone(&server), stop.clone()));
        // The instances' own creation is in the feed; afterwards nothing makes the server forget the warm one.
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.services.fresh_token(owner, warm).await.expect("a token");
        let warm_calls = tokio::spawn(warm_calls(Arc::clone(&server), owner, warm, stop.clone()));
        let load = others.iter().enumerate().map(|(number, other)| {
            tokio::spawn(load(caller.clone(), format!("/instances/{}", other["id"]), number % 2 == 0, stop.clone()))
        });
        let load: Vec<JoinHandle<Vec<Seen>>> = load.collect();

        // The vendor rotates before the outage and says so in the middle of it.
        let over = format!("UPDATE credential SET expires_at = refreshed_at WHERE instance_id = {late}");
        server.database.execute(&over);
        let late = format!("/instances/{late}");
        server.sandbox().forget_calls();
        server.sandbox().set(|switches| _ = switches.reply_delay_ms.insert(TOKEN_ROUTES.to_owned(), 2000));
        let (refreshing, path) = (caller.clone(), late.clone());
        let refreshing = tokio::spawn(async move { refreshed(&refreshing, &path).await });
        until("the vendor rotates", async || server.sandbox().spent_refresh_tokens() == 1).await;

        let down = Instant::now();
        postgres.stop(Signal::Interrupt);
        tokio::time::sleep(OUTAGE).await;
        assert!(!refreshing.is_finished(), "the token waits for the database");
        postgres.start_again();
        let up = Instant::now();
        until("it works again", async || caller.get(&late).await.status == 200).await;
        let recovered = up.elapsed();
        tokio::time::sleep(2 * RECOVERY).await;
        stop.cancel();

        println!("recovered after {recovered:?}, a warm call took {:?} at most", warm_calls.await.expect("no failure"));
        assert!(recovered <= RECOVERY, "{recovered:?}");
        let seen: Vec<Seen> = join_all(load).await.into_iter().flat_map(|seen| seen.expect("no panic")).collect();
        assert_eq!(refreshing.await.expect("no panic")["valid"], true);
        check(&seen, down, up);
        clock.await.expect("no panic");
        jobs.stop().await;

        let lease = format!("refresh/{}", late.rsplit('/').next().expect("an id"));
        assert_eq!(server.services.store.read(move |conn| leases::find(conn, &lease)).await.expect("an answer"), None);
        server.sandbox().set(|switches| switches.reply_delay_ms.clear());
        server.advance(TimeDelta::hours(1));
        assert_eq!(refreshed(&caller, &late).await["valid"], true, "the token was stored");
        assert_eq!(server.sandbox().counts(TOKEN).total, 2);
    });
}

/// The injected clock follows the real one: memory is trusted for some seconds only.
async fn real_time(server: Arc<TestServer>, stop: CancellationToken) {
    let mut last = Instant::now();
    while !stop.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.advance(TimeDelta::from_std(last.elapsed()).expect("a short time"));
        last = Instant::now();
    }
}

/// Uses a warm instance all the time: not one call may fail. Gives the longest that one took.
async fn warm_calls(server: Arc<TestServer>, owner: Owner, id: i64, stop: CancellationToken) -> Duration {
    let mut longest = Duration::ZERO;
    while !stop.is_cancelled() {
        let began = Instant::now();
        server.services.fresh_token(owner, id).await.expect("a warm token needs no database");
        longest = longest.max(began.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    longest
}

/// Reads or writes an instance all the time.
async fn load(caller: Caller, path: String, writes: bool, stop: CancellationToken) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !stop.is_cancelled() {
        let began = Instant::now();
        let reply = match writes {
            true => caller.patch(&path, &json!({ "name": "Changed" })).await,
            false => caller.get(&path).await,
        };
        let retry_after = reply.header("retry-after").is_some();
        seen.push(Seen { began, ended: Instant::now(), status: reply.status, retry_after });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen
}

fn check(seen: &[Seen], down: Instant, up: Instant) {
    let refused = seen.iter().filter(|call| call.status != 200);
    let mut count = 0;
    for call in refused {
        assert_eq!((call.status, call.retry_after), (503, true));
        assert!(call.ended >= down, "it failed before the outage");
        assert!(call.began <= up + RECOVERY, "it failed {:?} after the outage", call.began - up);
        count += 1;
    }
    assert!(count > 0, "nobody noticed");
    let after = seen.iter().filter(|call| call.began > up + RECOVERY);
    assert!(after.count() >= 8, "the load went on");
}
