//! PostgreSQL goes away, or takes no writes, between what the vendor does and the commit.

use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;

use super::Extent;
use super::spent::{
    Answer, Due, PATIENCE, count, due, lost_codes, lost_grants, many, names, orders, refresh_all, spend_all,
};
use crate::support::Database;
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::part::{Signal, missing};
use crate::support::postgres::Postgres;

/// How long the vendor takes to say what it has done: meanwhile the database goes.
const ANSWERS_AFTER: Duration = Duration::from_millis(2500);

#[test]
fn what_comes_while_postgres_is_away_is_stored_when_it_is_back() {
    let Some(postgres) = Postgres::start() else { return missing("no PostgreSQL on this machine") };
    let extent = Extent::of_this_run();
    let away = extent.of(Duration::from_secs(7), Duration::from_secs(90));
    runtime().block_on(async {
        let fleet = Fleet::start(Database::at(postgres.create_database()), 1).await;
        let outage = async || {
            postgres.stop(Signal::Interrupt);
            tokio::time::sleep(away).await;
            postgres.start_again();
        };
        survives(&fleet, extent, "outage (PostgreSQL away)", away, outage).await;
    });
}

#[test]
fn what_comes_while_postgres_is_read_only_is_stored_when_it_is_not() {
    let Some(database) = Database::postgres() else { return };
    let extent = Extent::of_this_run();
    let away = extent.of(Duration::from_secs(3), Duration::from_secs(10));
    runtime().block_on(async {
        let fleet = Fleet::start(database, 1).await;
        let url = url::Url::parse(&fleet.database.url).expect("a URL");
        let name = url.path().trim_start_matches('/').to_owned();
        let mut elsewhere = url.clone();
        elsewhere.set_path("/postgres");
        let mut operator = diesel::PgConnection::establish(elsewhere.as_str()).expect("PostgreSQL answers");
        // As after a failover: connections end, and what is opened then leads to a server that takes no writes.
        let mut set = |setting: &str| {
            operator.batch_execute(&format!("ALTER DATABASE {name} {setting}")).expect("a setting");
            let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
            operator.batch_execute(&end).expect("connections end");
        };
        let outage = async || {
            set("SET default_transaction_read_only = on");
            tokio::time::sleep(away).await;
            set("RESET default_transaction_read_only");
        };
        survives(&fleet, extent, "outage (PostgreSQL read-only)", away, outage).await;
    });
}

async fn survives(fleet: &Fleet, extent: Extent, how: &str, away: Duration, outage: impl AsyncFnOnce()) {
    let caller = &fleet.callers[0];
    // As many token calls at once as the element allows are sixteen.
    let each = extent.of(5, 8);
    let due: Vec<Due> = due(fleet, &names("token", each)).await;
    let orders = orders(fleet, &names("code", each)).await;
    let all = many(due.len() + orders.len());
    fleet.token_calls_take(Duration::ZERO, ANSWERS_AFTER);
    let asked = async { tokio::join!(refresh_all(caller, &due), spend_all(caller, &orders)) };
    let goes = async {
        until("everything is spent", async || fleet.running_token_calls() == all).await;
        outage().await;
        Instant::now()
    };
    let ((refreshes, creations), back) = tokio::join!(asked, goes);
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    let answers: Vec<&Answer> = refreshes.iter().chain(&creations).collect();
    let mut wrong: Vec<String> =
        answers.iter().filter_map(|answer| answer.complaint(503, "database_unavailable")).collect();
    let late = answers.iter().filter(|answer| answer.took > ANSWERS_AFTER + PATIENCE);
    wrong.extend(late.map(|answer| format!("{} waited for {:?}", answer.name, answer.took)));
    let refused = answers.iter().filter(|answer| answer.reply.status != 200).count();
    let limit = Duration::from_secs(20);
    let lost = lost_grants(fleet, caller, &due, limit).await;
    let lost_codes = lost_codes(fleet, caller, &creations, limit).await;
    extent.report(
        how,
        &[
            ("seconds", away.as_secs()),
            ("grants", many(due.len())),
            ("codes", many(orders.len())),
            ("refused", many(refused)),
            ("wrong_answers", count(&wrong)),
            ("lost_grants", count(&lost)),
            ("lost_codes", count(&lost_codes)),
            ("checked_ms_after", u64::try_from(back.elapsed().as_millis()).expect("a short time")),
        ],
    );
    assert!(lost.is_empty() && lost_codes.is_empty(), "{lost:#?} {lost_codes:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(fleet.sandbox().live_grants(), due.len() + orders.len());
}
