//! `kill -9` while the database refuses what the vendor gave: what was acknowledged is there afterwards, whatever becomes
//! of the rest.

use std::time::Duration;

use super::Extent;
use super::spent::{Due, count, due, lost_codes, lost_grants, many, names, orders, refresh_all, spend_all, words};
use crate::support::database::runtime;
use crate::support::failing_writes::{FailingWrites, Failure};
use crate::support::fleet::{Fleet, until};
use crate::support::{Database, on_both};

on_both!(what_was_acknowledged_survives_a_kill_after_a_failure, in |database| {
    runtime().block_on(survives(database));
});

async fn survives(database: Database) {
    let extent = Extent::of_this_run();
    let mut fleet = Fleet::start(database, 1).await;
    let each = extent.of(4, 40);
    let failing = FailingWrites::before(&fleet.database);
    let full =
        Failure { state: if fleet.database.url.starts_with("sqlite:") { "ABORT" } else { "53100" }, words: "full" };
    let mut all: Vec<Due> = due(&fleet, &names("token", 2 * each)).await;
    let unlucky = all.split_off(each);
    let orders = orders(&fleet, &names("code", 2 * each)).await;
    let struck =
        unlucky.iter().map(|due| due.name.clone()).chain(orders[each..].iter().map(|order| order.name.clone()));
    failing.strike(struck.map(|name| (name, full)));

    // Half of it meets the failure. What does not is acknowledged beside it.
    let caller = fleet.callers[0].clone();
    let refused = tokio::spawn({
        let caller = caller.clone();
        async move {
            let (refreshes, creations) =
                tokio::join!(refresh_all(&caller, &unlucky), spend_all(&caller, &orders[each..]));
            (unlucky, refreshes, creations, orders)
        }
    });
    let (unlucky, refreshes, creations, orders) = refused.await.expect("no panic");
    let (acknowledged_refreshes, acknowledged) =
        tokio::join!(refresh_all(&caller, &all), spend_all(&caller, &orders[..each]));
    assert!(acknowledged_refreshes.iter().chain(&acknowledged).all(|answer| answer.reply.status == 200));
    let refused = refreshes.iter().chain(&creations).filter(|answer| answer.reply.status != 200).count();
    fleet.kill();
    until("the vendor notices", async || fleet.running_token_calls() == 0).await;
    failing.lift();
    fleet.join().await;

    let caller = &fleet.callers[0];
    let limit = Duration::from_secs(20);
    let lost = lost_grants(&fleet, caller, &all, limit).await;
    let lost_codes = lost_codes(&fleet, caller, &acknowledged, limit).await;
    // The rest died with the process. It is there, and says what it is.
    let mut missing = Vec::new();
    for due in &unlucky {
        let reply = caller.get(&due.path).await;
        if reply.status != 200 {
            missing.push(format!("{}: {}", due.name, words(&reply)));
        }
    }
    let database = if fleet.database.url.starts_with("sqlite:") { "killed sqlite" } else { "killed postgres" };
    extent.report(
        database,
        &[
            ("acknowledged", many(all.len() + acknowledged.len())),
            ("refused", many(refused)),
            ("lost_grants", count(&lost)),
            ("lost_codes", count(&lost_codes)),
            ("missing", count(&missing)),
        ],
    );
    assert!(lost.is_empty() && lost_codes.is_empty() && missing.is_empty(), "{lost:#?} {lost_codes:#?} {missing:#?}");
    assert_eq!(refused, 2 * each, "all of these met the failure");
}
