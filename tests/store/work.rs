//! Work that is due: order within a lane, claims of several processes, and that a claim looks at nothing but heads.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::Text;
use futures_util::future::join_all;
use ligand::kernel::owner::Owner;
use ligand::store::work::{self, Attempt, Fate, LARGEST_BODY, NewWork, Row, Share};
use ligand::store::{Store, StoreFault, claims, processes};

use super::on_both_databases;
use super::rows::now;
use crate::support::Database;
use crate::support::database::{open, runtime};

const KIND: &str = "step";

fn new(organization: i64, about: i64, lane: Option<&str>) -> NewWork {
    NewWork {
        owner: Owner { organization, account: organization },
        kind: KIND,
        about,
        party: 1,
        lane: lane.map(str::to_owned),
        parked: false,
        due_at: now(),
        attempts: 0,
        created_at: now(),
        body: String::new(),
    }
}

async fn insert(store: &Store, rows: Vec<NewWork>) -> Result<(), StoreFault> {
    store.write(move |conn| work::insert(conn, &rows)).await
}

async fn claim_at(store: &Store, process: i64, each: usize, at: DateTime<Utc>) -> Vec<Row> {
    let due = store.read(move |conn| claims::look(conn, process, "", at)).await.expect("a look").due;
    let rooms: Vec<(Share, usize)> = due.into_iter().map(|share| (share, each)).collect();
    store.write(move |conn| claims::claim(conn, process, &rooms, at)).await.expect("a claim")
}

async fn claim(store: &Store, process: i64, each: usize) -> Vec<Row> {
    claim_at(store, process, each, now()).await
}

async fn settle(store: &Store, row: &Row, fate: Fate) -> bool {
    let (row, attempt) = (row.clone(), Attempt { status: None, error: Some("No.".to_owned()), fate });
    store.write(move |conn| work::settle(conn, &row, &attempt)).await.expect("it is written")
}

fn about(rows: &[Row]) -> Vec<i64> {
    let mut about: Vec<i64> = rows.iter().map(|row| row.about).collect();
    about.sort_unstable();
    about
}

on_both_databases!(rows_of_a_lane_run_one_at_a_time_in_their_order, |database| async move {
    let store = open(&database.url, 4);
    let lanes = [(1, Some("a")), (2, Some("a")), (3, Some("b")), (4, None), (5, None), (6, Some("a"))];
    insert(&store, lanes.map(|(about, lane)| new(1, about, lane)).to_vec()).await.expect("they are written");
    insert(&store, vec![new(1, 7, Some("b"))]).await.expect("it is written");
    let rows = claim(&store, 7, 9).await;
    assert_eq!(about(&rows), [1, 3, 4, 5]);
    assert!(claim(&store, 8, 9).await.is_empty());
    let of = |about: i64| rows.iter().find(|row| row.about == about).expect("it was claimed");
    assert!(settle(&store, of(1), Fate::Done).await);
    assert!(settle(&store, of(4), Fate::Done).await);
    let later = now() + TimeDelta::minutes(1);
    assert!(settle(&store, of(3), Fate::Again { due_at: later, parked: false }).await);
    let second = claim(&store, 8, 9).await;
    assert_eq!(about(&second), [2], "behind what is tried again nothing goes on");
    assert!(settle(&store, &second[0], Fate::GivenUp { forgotten_at: Some(later) }).await);
    assert_eq!(about(&claim(&store, 8, 9).await), [6], "what is given up holds up nobody");
    let third = claim_at(&store, 8, 9, later).await;
    assert_eq!((about(&third), third[0].attempts, third[0].refusal.as_deref()), (vec![3], 2, Some("No.")));
    assert!(settle(&store, &third[0], Fate::Again { due_at: later, parked: true }).await);
    assert_eq!(about(&claim_at(&store, 8, 9, later).await), [3, 7], "nor does what is parked");
    assert_eq!(store.write(move |conn| work::wake(conn, KIND, &[2, 5], now())).await.expect("it is written"), 1);
    assert_eq!(about(&claim(&store, 8, 9).await), [2], "by hand it is tried once more");
    assert_eq!(store.write(move |conn| work::purge(conn, later)).await.expect("it is written"), 0);
});

on_both_databases!(what_processes_died_of_again_and_again_waits, |database| async move {
    let store = open(&database.url, 4);
    let rows = vec![new(1, 1, None), NewWork { attempts: 3, ..new(1, 2, None) }];
    insert(&store, rows).await.expect("they are written");
    assert_eq!(claim(&store, 7, 9).await.len(), 2);
    let later = now() + TimeDelta::minutes(1);
    assert_eq!(store.write(move |conn| claims::release(conn, 7, 0, later)).await.expect("it is written"), 2);
    let [first] = claim(&store, 8, 9).await.try_into().expect("one row");
    assert_eq!(first.about, 1);
    let row = store.read(|conn| work::find(conn, KIND, 2)).await.expect("a read").expect("a row");
    assert_eq!((row.process, DateTime::<Utc>::from(row.due_at)), (None, later));
});

on_both_databases!(a_claim_ends_with_its_process_and_who_comes_late_changes_nothing, |database| async move {
    let store = open(&database.url, 4);
    insert(&store, vec![new(1, 1, Some("a")), new(1, 2, Some("a"))]).await.expect("they are written");
    let [mine] = claim(&store, 7, 9).await.try_into().expect("one row");
    let beats = |count: u32| {
        let store = store.clone();
        async move {
            for _ in 0..count {
                store.write(|conn| processes::beat(conn, 7, now())).await.expect("a sign of life");
            }
        }
    };
    beats(2).await;
    let seen = store.read(|conn| claims::look(conn, 8, "", now())).await.expect("a look");
    assert_eq!(seen.others, [(7, 2)]);
    beats(1).await;
    assert_eq!(store.write(|conn| claims::release(conn, 7, 2, now())).await.expect("it is written"), 0, "it lives");
    assert_eq!(store.write(|conn| claims::release(conn, 7, 3, now())).await.expect("it is written"), 1);
    let [theirs] = claim(&store, 8, 9).await.try_into().expect("one row");
    assert_eq!((theirs.about, theirs.attempts), (1, 2));
    assert!(!settle(&store, &mine, Fate::Done).await, "another process has it");
    assert!(claim(&store, 7, 9).await.is_empty(), "and what is behind it still waits");
    assert!(settle(&store, &theirs, Fate::Done).await);
    let [next] = claim(&store, 8, 9).await.try_into().expect("one row");
    store.write(|conn| claims::release_except(conn, 8, &[])).await.expect("it is written");
    assert_eq!(about(&claim(&store, 7, 9).await), [next.about], "given back in order");
    store.write(|conn| processes::leave(conn, 7)).await.expect("it is written");
    assert_eq!(about(&claim(&store, 8, 9).await), [next.about]);
});

on_both_databases!(what_is_too_large_or_there_already_is_refused, |database| async move {
    let store = open(&database.url, 2);
    let large = NewWork { body: "x".repeat(LARGEST_BODY), ..new(1, 1, None) };
    assert!(matches!(insert(&store, vec![large]).await, Err(StoreFault::Refused(_))));
    insert(&store, vec![new(1, 1, None)]).await.expect("it is written");
    assert!(matches!(insert(&store, vec![new(1, 1, Some("a"))]).await, Err(StoreFault::Conflict(_))));
    assert_eq!(about(&claim(&store, 7, 9).await), [1]);
});

on_both_databases!(several_claim_and_settle_and_put_in_at_once_and_none_is_lost_or_overtaken, |database| async move {
    const LANES: i64 = 5;
    const OF_EACH: i64 = 12;
    let stores = [open(&database.url, 4), open(&database.url, 4), open(&database.url, 4)];
    let done = std::sync::Mutex::new(Vec::new());
    let put_in = async |lane: i64| {
        for number in 0..OF_EACH {
            let name = format!("lane {lane}");
            insert(&stores[0], vec![new(1 + lane % 2, lane * 100 + number, Some(&name))]).await.expect("it is written");
        }
    };
    let take_out = async |process: i64| {
        let store = &stores[usize::try_from(process).expect("a number") % 3];
        while done.lock().expect("nobody panicked").len() < usize::try_from(LANES * OF_EACH).expect("a number") {
            for row in claim(store, process, 2).await {
                done.lock().expect("nobody panicked").push((row.about, process));
                assert!(settle(store, &row, Fate::Done).await);
            }
            tokio::task::yield_now().await;
        }
    };
    futures_util::join!(join_all((0..LANES).map(put_in)), join_all((1..=3).map(take_out)));
    let done = done.into_inner().expect("nobody panicked");
    let mut lanes = BTreeMap::<i64, Vec<i64>>::new();
    done.iter().for_each(|(about, _)| lanes.entry(about / 100).or_default().push(about % 100));
    for lane in lanes.values() {
        assert_eq!(*lane, (0..OF_EACH).collect::<Vec<_>>(), "each once, in its order");
    }
    assert_eq!(lanes.len(), 5);
});

on_both_databases!(one_tenants_backlog_hides_nobody, |database| async move {
    let store = open(&database.url, 2);
    insert(&store, (0..600).map(|about| new(1, about, None)).collect()).await.expect("they are written");
    let late = NewWork { due_at: now() + TimeDelta::seconds(1), ..new(2, 1000, None) };
    insert(&store, vec![late]).await.expect("it is written");
    let seen = store.read(|conn| claims::look(conn, 7, "", now() + TimeDelta::seconds(1))).await.expect("a look");
    assert_eq!(seen.due.iter().map(|share| share.organization).collect::<HashSet<_>>(), HashSet::from([1, 2]));
});

/// A backlog: 100 lanes of four organizations, each a thousand deep.
const LANES: f64 = 100.0;

/// `numbers`: a query with the lane `l` and the place in it `n`.
fn fill(database: &Database, numbers: &str, at: &str) {
    database.execute(&format!(
        "INSERT INTO work (organization_id, account_id, kind, about, share, lane, state, is_head, due_at, attempts, body, created_at) \
         SELECT l % 4, 1, 'step', l * 1000 + n, 'step/' || (l % 4) || '/1', 'lane ' || l, 'waiting', n = 0, {at}, 0, '', {at} \
         FROM ({numbers}) AS numbers ORDER BY n, l"
    ));
}

fn texts(in_postgres: bool) -> [String; 3] {
    let rooms: Vec<_> =
        (0..4).map(|organization| (Share { kind: KIND.to_owned(), organization, party: 1 }, 8)).collect();
    [claims::text_of_oldest(), claims::text_of_shares(), claims::text_of_claim(&rooms, in_postgres)]
}

#[test]
fn a_claim_reads_heads_alone_on_sqlite() {
    let database = Database::sqlite();
    runtime().block_on(async { open(&database.url, 1).migrate().await.expect("the schema migrates") });
    let numbers = "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < 99999) \
                   SELECT i % 100 AS l, i / 100 AS n FROM c";
    fill(&database, numbers, "'2026-01-01T00:00:00.000000Z'");
    let path = database.url.strip_prefix("sqlite:").expect("a path");
    let mut conn = SqliteConnection::establish(path).expect("a connection");
    for text in texts(false) {
        let plan = format!("EXPLAIN QUERY PLAN {}", text.replace("$1", "''").replace("$2", "''"));
        let plan: Vec<String> = steps(&mut conn, &plan);
        let reads: Vec<&String> =
            plan.iter().filter(|step| step.contains("work") && !step.contains("AUTOMATIC")).collect();
        assert!(!reads.is_empty(), "{plan:?}");
        for read in reads {
            let by_heads = ["work_by_due", "work_by_share"].iter().any(|index| read.contains(index));
            assert!(by_heads || read.contains("USING INTEGER PRIMARY KEY"), "{read} of {plan:?}");
        }
    }
}

/// The steps of a plan.
fn steps(conn: &mut SqliteConnection, plan: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    diesel::sql_query(plan).load::<Step>(conn).expect("a plan").into_iter().map(|step| step.detail).collect()
}

#[test]
fn a_claim_reads_heads_alone_on_postgres() {
    let Some(database) = Database::postgres() else { return };
    let numbers = "SELECT i % 100 AS l, i / 100 AS n FROM generate_series(0, 99999) AS i";
    fill(&database, numbers, "TIMESTAMPTZ '2026-01-01'");
    let mut conn = PgConnection::establish(&database.url).expect("a connection");
    for analyzed in [false, true] {
        if analyzed {
            database.execute("ANALYZE work");
        }
        for text in texts(true) {
            let (first, second) = if text.contains("line") {
                ("''", "TIMESTAMPTZ '2026-02-01'")
            } else {
                ("TIMESTAMPTZ '2026-02-01'", "7")
            };
            // A claim changes something, and here nothing shall stay changed.
            let plan = format!("EXPLAIN (ANALYZE, FORMAT TEXT) {}", text.replace("$1", first).replace("$2", second));
            let plan = conn.test_transaction(|conn| explained(conn, &plan));
            let touched = touched(&plan);
            assert!(!plan.iter().any(|line| line.contains("Seq Scan on work")), "{plan:#?}");
            assert!(touched <= 4.0 * LANES, "{touched} rows of 100,000: {plan:#?}");
        }
    }
}

fn explained(conn: &mut PgConnection, plan: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
        step: String,
    }
    Ok(diesel::sql_query(plan).load::<Step>(conn)?.into_iter().map(|step| step.step).collect())
}

/// Rows of the table that a plan read or dropped, over all its loops.
fn touched(plan: &[String]) -> f64 {
    let number = |line: &str, name: &str| {
        let rest = line.split_once(name)?.1;
        rest.split(|c: char| !c.is_ascii_digit() && c != '.').next()?.parse::<f64>().ok()
    };
    let scans = plan.iter().filter(|line| line.contains("Scan") && line.contains(" work"));
    let read = |line: &String| {
        let actual = line.split_once("(actual ")?.1;
        Some(number(actual, "rows=")? * number(actual, "loops=")?)
    };
    let dropped = plan.iter().filter_map(|line| number(line, "Rows Removed by Filter: "));
    scans.filter_map(read).sum::<f64>() + dropped.sum::<f64>()
}
