//! PostgreSQL as people run it who outgrow one machine: a primary with a synchronous standby, and a `DATABASE_URL` with both.
//! The primary is killed under load and the standby promoted, again and again: nothing acknowledged is lost, no id is given
//! twice, no change is missed, no grant is spent in vain, and calls are good again soon.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Extent;
use crate::support::Database;
use crate::support::caller::{Caller, Reply, read, with_key};
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, refreshed};
use crate::support::part::{Signal, missing};
use crate::support::postgres::{Postgres, free_port};

const PROCESSES: usize = 2;
/// Each of them has so many callers who create, and one for each grant who has it renewed.
const CREATORS: usize = 3;
const GRANTS: usize = 6;
/// Instances that one process knows by heart and the other deletes meanwhile.
const DELETED: usize = 60;
/// The vendor rotates and takes its time to say so: some token calls begin before the kill and end after it. Whoever took
/// their process for dead meanwhile would send a spent token.
const TOKEN_CALL: Duration = Duration::from_millis(700);
/// From the promotion until calls are good again.
const RECOVERY: Duration = Duration::from_secs(2);
/// From a change until every process acts on it: the feed is read once a second.
const NOTICED: Duration = Duration::from_secs(3);
const STANDBY: &str = "other";

#[test]
fn nothing_is_lost() {
    let extent = Extent::of_this_run();
    let Some(primary) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    runtime().block_on(prove(extent, primary));
}

async fn prove(extent: Extent, mut primary: Postgres) {
    let standby_port = free_port();
    let database = Database::at(address_of(&primary, standby_port));
    let mut standby = primary.start_standby(STANDBY, standby_port);
    primary.commit_with(Some(STANDBY));
    let fleet = Fleet::start(database, PROCESSES).await;
    // Over a second after they came: who asks for one then has it renewed.
    fleet.sandbox().set(|switches| switches.token_lifetime = 1);
    let grants = join_all((0..GRANTS).map(|_| fleet.callers[0].create_with_code(fleet.sandbox(), "Grant"))).await;
    let grants: Vec<String> = grants.iter().map(|created| format!("/instances/{}", created["id"])).collect();

    let (rounds, mut sum) = (extent.of(1, 8), Counts::default());
    for round in 0..rounds {
        let before = extent.of(500, 1_500) + (extent.seed * 7919 + round * 104_729) % 700;
        let away = Duration::from_millis(extent.of(300, 500 + 1_000 * (round % 3)));
        let seen = fail_over(&fleet, &grants, (&primary, &standby), (Duration::from_millis(before), away)).await;
        sum.check(&fleet, seen).await;
        // The next round's primary has a standby again, where the old primary was.
        let new = standby;
        if round + 1 < rounds {
            standby = new.start_standby(STANDBY, primary.port);
            new.commit_with(Some(STANDBY));
        } else {
            standby = primary;
        }
        primary = new;
    }
    drop(standby);
    let rotated = fleet.sandbox().spent_refresh_tokens();
    assert!(rotated >= GRANTS, "{rotated}: hardly a token was renewed");
    let lost = join_all(grants.iter().map(|path| is_lost(&fleet, path))).await;
    let lost_grants = lost.into_iter().filter(|lost| *lost).count();
    assert_eq!((lost_grants, fleet.sandbox().live_grants()), (0, GRANTS));
    let leases = "SELECT count(*) FROM lease WHERE name LIKE 'refresh/%'";
    assert_eq!(primary.execute(DATABASE, leases), "0", "work of nobody is left");
    sum.report(extent, rounds, u64::try_from(rotated).expect("a number"));
}

const DATABASE: &str = "ligand";

/// Both servers, in the order in which they are tried.
fn address_of(primary: &Postgres, standby_port: u16) -> String {
    primary.execute("postgres", &format!("CREATE DATABASE {DATABASE}"));
    let url = primary.url_of(DATABASE);
    let host = format!("127.0.0.1:{}", primary.port);
    let both = url.replace(&host, &format!("{host},127.0.0.1:{standby_port}"));
    assert_ne!(both, url);
    format!("{both}?target_session_attrs=read-write")
}

/// A call, its answer and its time.
struct Seen {
    began: Instant,
    ended: Instant,
    reply: Reply,
}

async fn watched(call: impl Future<Output = Reply>) -> Seen {
    let began = Instant::now();
    let reply = call.await;
    Seen { began, ended: Instant::now(), reply }
}

struct FailedOver {
    promoted: Instant,
    /// By process.
    creations: Vec<Vec<Seen>>,
    refreshes: Vec<Seen>,
    /// With the token of what was deleted.
    deletions: Vec<(String, Seen)>,
}

/// Load, the kill, a while without anybody who takes writes, the promotion, and load again.
async fn fail_over(
    fleet: &Fleet,
    grants: &[String],
    (primary, standby): (&Postgres, &Postgres),
    (before, away): (Duration, Duration),
) -> FailedOver {
    fleet.token_calls_take(Duration::ZERO, TOKEN_CALL);
    let doomed = join_all((0..DELETED).map(|_| fleet.callers[0].create_with_key("Doomed"))).await;
    let stop = CancellationToken::new();
    let creators: Vec<JoinHandle<Vec<Seen>>> = (0..PROCESSES * CREATORS)
        .map(|number| tokio::spawn(create(fleet.callers[number % PROCESSES].clone(), stop.clone())))
        .collect();
    let refreshers: Vec<JoinHandle<Vec<Seen>>> = fleet
        .callers
        .iter()
        .flat_map(|caller| grants.iter().map(|path| tokio::spawn(refresh(caller.clone(), path.clone(), stop.clone()))))
        .collect();
    // The second process knows each of them; the first deletes them all the while.
    let tokens: Vec<String> = doomed.iter().map(|one| one["token"].as_str().expect("a token").to_owned()).collect();
    let warm = join_all(tokens.iter().map(|token| use_it(&fleet.callers[1], token))).await;
    assert!(warm.iter().all(|reply| reply.status == 200), "{warm:?}");
    let time = before + away + RECOVERY;
    let pause = time / u32::try_from(DELETED).expect("a small number");
    let deleter = tokio::spawn(delete(fleet.callers[0].clone(), doomed, pause));

    tokio::time::sleep(before).await;
    primary.stop(Signal::Kill);
    tokio::time::sleep(away).await;
    standby.promote();
    let promoted = Instant::now();
    tokio::time::sleep(RECOVERY + Duration::from_millis(500)).await;
    let deletions = deleter.await.expect("no panic");
    stop.cancel();
    let mut creations: Vec<Vec<Seen>> = (0..PROCESSES).map(|_| Vec::new()).collect();
    for (number, creator) in creators.into_iter().enumerate() {
        creations[number % PROCESSES].extend(creator.await.expect("no panic"));
    }
    let refreshes = join_all(refreshers).await.into_iter().flat_map(|seen| seen.expect("no panic")).collect();
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    FailedOver { promoted, creations, refreshes, deletions }
}

/// Creates all the time.
async fn create(caller: Caller, stop: CancellationToken) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !stop.is_cancelled() {
        seen.push(watched(caller.post("/instances", &with_key("Acknowledged"))).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    seen
}

/// Has a token renewed again and again; the vendor rotates each time.
async fn refresh(caller: Caller, path: String, stop: CancellationToken) -> Vec<Seen> {
    let mut seen = Vec::new();
    while !stop.is_cancelled() {
        seen.push(watched(caller.get(&format!("{path}?refresh=true"))).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    seen
}

/// Deletes one after another, each once.
async fn delete(caller: Caller, doomed: Vec<Value>, pause: Duration) -> Vec<(String, Seen)> {
    let mut seen = Vec::new();
    for instance in doomed {
        let deleted = watched(caller.delete(&format!("/instances/{}", instance["id"]))).await;
        seen.push((instance["token"].as_str().expect("a token").to_owned(), deleted));
        tokio::time::sleep(pause).await;
    }
    seen
}

/// A call to the vendor through an instance, which needs nothing of the database where it is known.
async fn use_it(caller: &Caller, token: &str) -> Reply {
    let caller = caller.with(&format!("Element {token}"));
    read(caller.request_at_root("GET", "/vendor/crm/v3/objects/contacts?limit=1")).await
}

async fn is_lost(fleet: &Fleet, path: &str) -> bool {
    for caller in &fleet.callers {
        let shown = refreshed(caller, path).await;
        if shown["valid"] != true || !shown["invalidReason"].is_null() {
            return true;
        }
    }
    false
}

#[derive(Default)]
struct Counts {
    /// Ids with their tokens, of all rounds.
    acknowledged: BTreeMap<i64, String>,
    refreshes: u64,
    deletions: u64,
    refused: u64,
    slowest: Duration,
}

impl Counts {
    /// Everything of one round that must hold.
    async fn check(&mut self, fleet: &Fleet, seen: FailedOver) {
        let FailedOver { promoted, creations, refreshes, deletions } = seen;
        for of_process in &creations {
            let good = of_process.iter().find(|call| call.reply.status == 200 && call.ended > promoted);
            let after = good.expect("calls are good again").ended - promoted;
            self.slowest = self.slowest.max(after);
        }
        assert!(self.slowest <= RECOVERY, "{:?} after the promotion", self.slowest);
        let deleted = deletions.iter().map(|(_, call)| call);
        for call in creations.iter().flatten().chain(&refreshes).chain(deleted) {
            if call.reply.status != 200 {
                call.reply.fails(503, "database_unavailable");
                assert!(call.reply.header("retry-after").is_some(), "{:?}", call.reply);
                assert!(call.began <= promoted + RECOVERY, "refused {:?} after the promotion", call.began - promoted);
                self.refused += 1;
            }
        }
        for call in creations.iter().flatten().filter(|call| call.reply.status == 200) {
            let created = call.reply.ok();
            let token = created["token"].as_str().expect("a token").to_owned();
            let id = created["id"].as_i64().expect("an id");
            assert_eq!(self.acknowledged.insert(id, token), None, "the id {id} was given twice");
        }
        self.refreshes += count(refreshes.iter());
        self.deletions += count(deletions.iter().map(|(_, call)| call));
        self.all_are_there(fleet).await;
        for (token, call) in deletions.iter().filter(|(_, call)| call.reply.status == 200) {
            let deadline = call.ended.max(promoted) + NOTICED;
            while use_it(&fleet.callers[1], token).await.status == 200 {
                assert!(Instant::now() < deadline, "a change was missed: the other process still uses what is deleted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Whichever process is asked, each once and with its token.
    async fn all_are_there(&self, fleet: &Fleet) {
        for caller in &fleet.callers {
            let mut found = BTreeMap::new();
            let mut next = String::new();
            loop {
                let page = caller.get(&format!("/instances?pageSize=200&nextPage={next}")).await;
                for one in page.ok().as_array().expect("a list") {
                    let token = one["token"].as_str().expect("a token").to_owned();
                    assert_eq!(found.insert(one["id"].as_i64().expect("an id"), token), None, "{one}");
                }
                match page.header("elements-next-page-token") {
                    Some(token) => next = token.to_owned(),
                    None => break,
                }
            }
            let lost = self.acknowledged.iter().filter(|(id, token)| found.get(id) != Some(token));
            assert_eq!(lost.collect::<Vec<_>>(), [], "acknowledged and lost");
        }
    }

    fn report(&self, extent: Extent, rounds: u64, rotated: u64) {
        let acknowledged = u64::try_from(self.acknowledged.len()).expect("a number");
        extent.report(
            "failover",
            &[
                ("failovers", rounds),
                ("acknowledged", acknowledged),
                ("refreshes", self.refreshes),
                ("rotated", rotated),
                ("deletions", self.deletions),
                ("refused", self.refused),
                ("good_again_ms", u64::try_from(self.slowest.as_millis()).expect("a short time")),
                ("lost", 0),
                ("twice", 0),
                ("missed", 0),
            ],
        );
    }
}

fn count<'a>(calls: impl Iterator<Item = &'a Seen>) -> u64 {
    calls.filter(|call| call.reply.status == 200).map(|_| 1).sum()
}
