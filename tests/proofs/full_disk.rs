//! A disk that is full when the vendor has rotated: what was given waits for room.

use std::time::Duration;

use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, PgConnection};
use futures_util::future::join_all;
use ligand::store::StoreFault;

use super::Extent;
use super::spent::{
    Answer, Due, Order, count, due, lost_codes, lost_grants, many, names, orders, refresh_all, spend_all, timed,
    unspent_again, words,
};
use crate::support::caller::with_code;
use crate::support::database::runtime;
use crate::support::failing_writes::{FailingWrites, Failure};
use crate::support::fleet::{Fleet, until};
use crate::support::part::missing;
use crate::support::postgres::Postgres;
use crate::support::server::run;
use crate::support::small_disk::SmallDisk;
use crate::support::{Database, TestServer};

const FULL: Failure = Failure { state: "53100", words: "could not extend file: No space left on device" };

const MOVED: &str = "ALTER TABLE credential SET TABLESPACE small; ALTER TABLE instance SET TABLESPACE small;
    CREATE TABLE ballast (bytes TEXT) TABLESPACE small; ALTER TABLE ballast ALTER bytes SET STORAGE PLAIN";
/// Pages that a failed statement took are not given back. Then the rows' own pages: the next version of a row needs a new one.
const FILL: &str = "DO $$ BEGIN
        LOOP INSERT INTO ballast SELECT repeat('x', 7000) FROM generate_series(1, 50); END LOOP;
    EXCEPTION WHEN disk_full THEN NULL; END $$;
    DO $$ BEGIN
        LOOP
            BEGIN
                UPDATE credential SET version = version WHERE instance_id = (SELECT min(instance_id) FROM credential);
            EXCEPTION WHEN disk_full THEN EXIT;
            END;
        END LOOP;
    END $$";

/// What is asked while the disk is full.
struct Asked {
    due: Vec<Due>,
    orders: Vec<Order>,
}

impl Asked {
    async fn of(fleet: &Fleet, extent: Extent) -> Self {
        let due = due(fleet, &names("token", extent.of(40, 150))).await;
        Self { orders: orders(fleet, &names("code", extent.of(10, 30))).await, due }
    }

    /// Asks for everything, makes room, and counts what was lost. `fill`: for a disk that is not full at first.
    async fn while_full(
        &self,
        fleet: &Fleet,
        extent: Extent,
        how: &str,
        fill: impl AsyncFnOnce(),
        make_room: impl FnOnce(),
    ) {
        let caller = &fleet.callers[0];
        let (refreshes, creations, ()) =
            tokio::join!(refresh_all(caller, &self.due), spend_all(caller, &self.orders), fill());
        let answers = || refreshes.iter().chain(&creations);
        let (refused, all) = (answers().filter(|answer| answer.reply.status != 200).count(), answers().count());
        let wrong: Vec<String> = answers().filter_map(|answer| answer.complaint(503, "database_unavailable")).collect();
        let spent = fleet.token_calls();
        make_room();
        let limit = extent.of(Duration::from_secs(20), Duration::from_secs(60));
        let lost = lost_grants(fleet, caller, &self.due, limit).await;
        let (creations, unspent) = unspent_again(caller, &self.orders, creations).await;
        let lost_codes = lost_codes(fleet, caller, &creations, limit).await;
        extent.report(
            how,
            &[
                ("grants", many(self.due.len())),
                ("codes", many(self.orders.len())),
                ("refused", many(refused)),
                ("spent_meanwhile", spent),
                ("codes_unspent", many(unspent)),
                ("wrong_answers", count(&wrong)),
                ("lost_grants", count(&lost)),
                ("lost_codes", count(&lost_codes)),
            ],
        );
        assert!(lost.is_empty() && lost_codes.is_empty(), "{lost:#?} {lost_codes:#?}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(refused > 0, "nothing met the full disk");
        // A refresh token that is sent twice ends its grant.
        assert!(spent <= many(all), "{spent}: nothing was spent twice");
        assert_eq!(fleet.sandbox().live_grants(), all);
    }
}

#[test]
fn what_comes_while_a_tablespace_is_full_is_stored_when_there_is_room() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    let extent = Extent::of_this_run();
    let disk = SmallDisk::mount("16m");
    runtime().block_on(async {
        let fleet = Fleet::start(Database::at(postgres.create_database()), 1).await;
        let asked = Asked::of(&fleet, extent).await;
        let Some(disk) = disk else {
            let failing = FailingWrites::before(&fleet.database);
            let names = asked.due.iter().map(|due| &due.name).chain(asked.orders.iter().map(|order| &order.name));
            failing.strike(names.map(|name| (name.clone(), FULL)));
            return asked
                .while_full(&fleet, extent, "full_disk (SQLSTATE 53100)", async || {}, || failing.lift())
                .await;
        };
        fleet.database.execute(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path.display()));
        fleet.database.execute(MOVED);
        fleet.database.execute("VACUUM FULL credential");
        // Whoever may still look at old rows keeps their room from being used again.
        let mut looks = PgConnection::establish(&fleet.database.url).expect("PostgreSQL answers");
        looks.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").expect("a snapshot");
        fleet.database.execute(FILL);
        let make_room = || {
            looks.batch_execute("COMMIT").expect("the snapshot goes");
            fleet.database.execute("DROP TABLE ballast");
        };
        asked.while_full(&fleet, extent, "full_disk (tablespace on tmpfs)", async || {}, make_room).await;
    });
}

/// The program's files may not grow: every write fails, as on a full disk.
#[test]
fn what_comes_while_the_file_may_not_grow_is_stored_when_it_may() {
    let extent = Extent::of_this_run();
    runtime().block_on(async {
        let fleet = Fleet::start(Database::sqlite(), 1).await;
        let asked = Asked::of(&fleet, extent).await;
        let process = fleet.servers[0].pid().to_string();
        let limit = |bytes: &str| {
            let mut limit = std::process::Command::new("prlimit");
            limit.args(["--pid", &process, &format!("--fsize={bytes}:")]);
            assert!(limit.status().expect("prlimit can be started").success());
        };
        fleet.token_calls_take(Duration::ZERO, Duration::from_secs(1));
        let fill = async || {
            // Fourteen of the tokens that one organization has of an element are renewed at once.
            let spent = 14 + many(asked.orders.len());
            until("the vendor is at it", async || fleet.running_token_calls() == spent).await;
            // Of SQLite's log of writes this is the first pages, where it seldom is; its shared memory has this size.
            limit("32768");
        };
        let make_room = || {
            fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
            limit("unlimited");
        };
        asked.while_full(&fleet, extent, "full_disk (SQLite, RLIMIT_FSIZE)", fill, make_room).await;
    });
}

/// `max_page_count` counts for the connection that sets it, so this is in the tests' own process.
#[test]
fn what_comes_while_sqlite_may_take_no_page_is_stored_when_it_may() {
    run(Database::sqlite(), |server: TestServer| async move {
        let extent = Extent::of_this_run();
        let (caller, sandbox) = (server.caller(), server.sandbox());
        sandbox.set(|switches| switches.rotation = true);
        let (grants, codes) = (extent.of(40, 150), extent.of(10, 30));
        let mut paths = Vec::new();
        for number in 0..grants {
            let created = caller.create_with_code(sandbox, &format!("token {number}")).await;
            paths.push(format!("/instances/{}", created["id"]));
        }
        // Whatever is written needs a new page.
        server.database.execute(
            "CREATE TABLE ballast (bytes BLOB);
             CREATE TRIGGER grows_by_one BEFORE INSERT ON credential BEGIN INSERT INTO ballast VALUES (zeroblob(9000)); END;
             CREATE TRIGGER grows BEFORE UPDATE ON credential BEGIN INSERT INTO ballast VALUES (zeroblob(9000)); END;",
        );
        server.advance(TimeDelta::hours(1));
        let mut orders = Vec::new();
        for number in 0..codes {
            orders.push(with_code(&format!("code {number}"), &caller.code(sandbox).await));
        }
        sandbox.forget_calls();
        let pages = async |most: i64| {
            let set = move |conn: &mut _| {
                let conn: &mut ligand::store::AnyConn = conn;
                conn.batch_execute(&format!("PRAGMA max_page_count = {most}")).map_err(StoreFault::from)
            };
            server.services.store.write(set).await.expect("the limit is set");
        };
        // Less than there are means: no more than there are.
        pages(1).await;
        let refresh = |path: &String| {
            let request = caller.request("GET", &format!("{path}?refresh=true"));
            let path = path.clone();
            async move { timed(&path, request).await }
        };
        let create = |body: &serde_json::Value| {
            let request = caller.request("POST", "/instances").header("content-type", "application/json");
            let (name, request) = (body["name"].to_string(), request.body(body.to_string()));
            async move { timed(&name, request).await }
        };
        let (refreshes, creations) =
            tokio::join!(join_all(paths.iter().map(refresh)), join_all(orders.iter().map(create)));
        let answers: Vec<&Answer> = refreshes.iter().chain(&creations).collect();
        let refused = answers.iter().filter(|answer| answer.reply.status != 200).count();
        let wrong: Vec<String> =
            answers.iter().filter_map(|answer| answer.complaint(503, "database_unavailable")).collect();
        pages(1_000_000_000).await;
        until("all is stored", async || server.services.detached.running() == 0).await;
        // Refused before anything was spent: an id is drawn first, and a new block of ids needs room, too.
        let mut all = Vec::new();
        for (body, answer) in orders.iter().zip(creations) {
            all.push(if answer.instance().is_some() { answer } else { create(body).await });
        }
        let creations = all;
        let calls = sandbox.counts("POST /oauth/2026-03/token").total;
        let created = creations.iter().filter_map(|answer| Some(format!("/instances/{}", answer.instance()?)));
        let paths: Vec<String> = paths.iter().cloned().chain(created).collect();
        server.advance(TimeDelta::hours(1));
        let renewed = join_all(paths.iter().map(refresh)).await;
        let good = renewed.iter().filter(|answer| answer.reply.status == 200 && answer.reply.json()["valid"] == true);
        let lost = grants + codes - good.count();
        extent.report(
            "full_disk (SQLite, max_page_count)",
            &[
                ("grants", many(grants)),
                ("codes", many(codes)),
                ("refused", many(refused)),
                ("spent_meanwhile", calls),
                ("wrong_answers", count(&wrong)),
                ("lost", many(lost)),
            ],
        );
        let renewed: Vec<String> = renewed.iter().map(|answer| words(&answer.reply)).collect();
        assert_eq!(lost, 0, "{renewed:#?}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(refused > 0, "nothing met the full disk");
        assert!((many(codes) + 1..=many(grants + codes)).contains(&calls), "{calls}: nothing was spent twice");
        assert_eq!(sandbox.live_grants(), grants + codes);
    });
}
