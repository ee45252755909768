//! An orderly end while the database still refuses what the vendor gave: a journal keeps it, and the next process stores it.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use super::Extent;
use super::spent::{
    Answer, Due, count, creation, due, lost_codes, lost_grants, many, names, orders, refresh_all, spend_all,
};
use crate::support::database::runtime;
use crate::support::failing_writes::{FailingWrites, Failure};
use crate::support::fleet::{Fleet, until};
use crate::support::part::{Signal, missing};
use crate::support::postgres::Postgres;
use crate::support::{Database, on_both};

on_both!(what_is_not_stored_at_the_end_is_stored_by_the_next_process, in |database| {
    let extent = Extent::of_this_run();
    runtime().block_on(async {
        let sqlite = database.url.starts_with("sqlite:");
        let mut fleet = Fleet::start(database, 1).await;
        let spent = Spent::of(&fleet, extent).await;
        let failing = FailingWrites::before(&fleet.database);
        let full = Failure { state: if sqlite { "ABORT" } else { "58030" }, words: "it is on fire" };
        failing.strike(spent.names().map(|name| (name.clone(), full)));
        let answers = spent.ask(&fleet).await;
        let written = ends(&mut fleet, extent).await;
        failing.lift();
        let how = if sqlite { "orderly sqlite" } else { "orderly postgres" };
        spent.is_taken_up(&mut fleet, extent, how, &answers, written).await;
    });
});

#[test]
fn what_is_not_stored_when_postgres_is_away_at_the_end_is_stored_by_the_next_process() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    let extent = Extent::of_this_run();
    runtime().block_on(async {
        let mut fleet = Fleet::start(Database::at(postgres.create_database()), 1).await;
        let spent = Spent::of(&fleet, extent).await;
        fleet.token_calls_take(Duration::ZERO, Duration::from_secs(2));
        let all = many(spent.due.len() + spent.orders.len());
        let goes = async {
            until("everything is spent", async || fleet.running_token_calls() == all).await;
            postgres.stop(Signal::Interrupt);
        };
        let (answers, ()) = tokio::join!(spent.ask(&fleet), goes);
        fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
        let written = ends(&mut fleet, extent).await;
        postgres.start_again();
        spent.is_taken_up(&mut fleet, extent, "orderly (PostgreSQL away)", &answers, written).await;
    });
}

/// Whatever the program does between the vendor's answer and what it tells callers.
#[test]
fn what_nobody_was_told_of_when_the_end_came_is_stored_by_the_next_process() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    let extent = Extent::of_this_run();
    runtime().block_on(async {
        let mut fleet = Fleet::start(Database::at(postgres.create_database()), 1).await;
        let spent = Spent::of(&fleet, extent).await;
        fleet.token_calls_take(Duration::ZERO, Duration::from_secs(2));
        let caller = fleet.callers[0].clone();
        let all = many(spent.due.len() + spent.orders.len());
        let refreshes = spent.due.iter().map(|due| caller.request("GET", &format!("{}?refresh=true", due.path)));
        let requests = refreshes.chain(spent.orders.iter().map(|order| creation(&caller, order)));
        // Nobody hears what comes of them.
        let asked: Vec<_> = requests.map(|request| tokio::spawn(async move { request.send().await.is_ok() })).collect();
        until("everything is spent", async || fleet.running_token_calls() == all).await;
        postgres.stop(Signal::Interrupt);
        until("the vendor has answered", async || fleet.running_token_calls() == 0).await;
        fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
        let written = ends(&mut fleet, Extent { full: false, ..extent }).await;
        asked.iter().for_each(tokio::task::JoinHandle::abort);
        postgres.start_again();
        fleet.join().await;
        let caller = &fleet.callers[0];
        let limit = Duration::from_secs(20);
        let deadline = Instant::now() + limit;
        let count_there = async || caller.get("/instances/count").await.json()["totalInstances"].as_u64().unwrap_or(0);
        while count_there().await < all && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let lost_codes = all - count_there().await;
        let lost = lost_grants(&fleet, caller, &spent.due, limit).await;
        let live = many(fleet.sandbox().live_grants());
        extent.report(
            "orderly (nobody was told)",
            &[
                ("grants", many(spent.due.len())),
                ("codes", many(spent.orders.len())),
                ("journals", many(written.count)),
                ("lost_grants", count(&lost)),
                ("lost_codes", lost_codes),
            ],
        );
        assert!(lost.is_empty(), "{lost:#?}\n{}", written.log);
        assert_eq!((lost_codes, live), (0, all), "{}", written.log);
    });
}

struct Spent {
    due: Vec<Due>,
    orders: Vec<super::spent::Order>,
}

impl Spent {
    async fn of(fleet: &Fleet, extent: Extent) -> Self {
        let each = extent.of(4, 8);
        let due = due(fleet, &names("token", each)).await;
        Self { orders: orders(fleet, &names("code", each)).await, due }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.due.iter().map(|due| &due.name).chain(self.orders.iter().map(|order| &order.name))
    }

    /// The answers to creations.
    async fn ask(&self, fleet: &Fleet) -> Vec<Answer> {
        let caller = &fleet.callers[0];
        let (refreshes, creations) = tokio::join!(refresh_all(caller, &self.due), spend_all(caller, &self.orders));
        let wrong: Vec<String> =
            refreshes.iter().chain(&creations).filter_map(|it| it.complaint(503, "database_unavailable")).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(refreshes.iter().chain(&creations).all(|answer| answer.reply.status == 503), "it was refused");
        creations
    }

    async fn is_taken_up(&self, fleet: &mut Fleet, extent: Extent, how: &str, answers: &[Answer], written: Journals) {
        fleet.join().await;
        let caller = &fleet.callers[0];
        let calls = fleet.token_calls();
        let limit = Duration::from_secs(20);
        // Nobody asks for anything before it is stored: a token that is sent twice would end its grant.
        let lost = lost_grants(fleet, caller, &self.due, limit).await;
        let lost_codes = lost_codes(fleet, caller, answers, limit).await;
        let left = journals(fleet).len();
        extent.report(
            how,
            &[
                ("grants", many(self.due.len())),
                ("codes", many(self.orders.len())),
                ("journals", many(written.count)),
                ("journals_left", many(left)),
                ("lost_grants", count(&lost)),
                ("lost_codes", count(&lost_codes)),
            ],
        );
        assert!(lost.is_empty() && lost_codes.is_empty(), "{lost:#?} {lost_codes:#?}\n{}", written.log);
        assert_eq!((written.count, left), (1, 0), "one file of the process, gone when it was taken up");
        assert_eq!(fleet.sandbox().live_grants(), self.due.len() + self.orders.len());
        assert!(fleet.token_calls() <= calls + many(2 * self.due.len() + self.orders.len()), "no call was made twice");
    }
}

struct Journals {
    count: usize,
    log: String,
}

/// SIGTERM, and a second one for whoever does not want to wait: at full size nobody is impatient.
async fn ends(fleet: &mut Fleet, extent: Extent) -> Journals {
    if !extent.full {
        fleet.servers[0].send(Signal::Terminate);
        // Two within a second are one.
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    let (_, log) = fleet.terminate().await;
    let journals = journals(fleet);
    for (path, text) in &journals {
        let mode = std::fs::metadata(path).expect("the journal").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        assert!(!text.is_empty());
        // The vendor's refresh tokens are UUIDs, and its access tokens begin like this.
        assert!(!has_uuid(text), "a token in the clear");
        assert!(
            !["refresh_token", "refreshToken", "access_token", "accessToken"].iter().any(|word| text.contains(word))
        );
    }
    Journals { count: journals.len(), log }
}

/// Files of the data directory that are made for what is not stored.
fn journals(fleet: &Fleet) -> Vec<(std::path::PathBuf, String)> {
    let files = fleet.ligand.files();
    let paths = files.iter().filter(|file| file.starts_with("ligand-data/") && file.contains("journal"));
    let read = |file: &String| {
        let path = fleet.ligand.path(file);
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned();
        (path, text)
    };
    paths.map(read).collect()
}

fn has_uuid(text: &str) -> bool {
    let is_uuid = |window: &[u8]| {
        window.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    text.as_bytes().windows(36).any(is_uuid)
}
