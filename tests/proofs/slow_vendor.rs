//! A token endpoint that does its work at once and answers later than callers wait: its answer is read all the same.

use std::time::Duration;

use futures_util::future::join_all;

use super::Extent;
use super::spent::{
    Answer, all_spent, count, creation, due, lost_codes, lost_grants, many, names, orders, refresh, refresh_all, timed,
    words,
};
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::{Database, on_both};

on_both!(an_answer_that_nobody_waits_for_is_kept, in |database| {
    runtime().block_on(answers_late(database));
});

async fn answers_late(database: Database) {
    let extent = Extent::of_this_run();
    // An element's own timeout is thirty seconds.
    let changes: &[(&str, &str)] = extent.of(&[("id = 168\n", "id = 168\ntimeout = 1\n")], &[]);
    let timeout = extent.of(Duration::from_secs(1), Duration::from_secs(30));
    let fleet = Fleet::start_with(database, 1, changes).await;
    let caller = &fleet.callers[0];
    // No more of them to one host: the oldest would have to make room.
    let due = due(&fleet, &names("token", 2)).await;
    let orders = orders(&fleet, &names("code", 2)).await;
    fleet.token_calls_take(Duration::ZERO, extent.of(Duration::from_secs(4), Duration::from_secs(45)));
    let request = |at: usize| creation(caller, &orders[at]).header("idempotency-key", format!("late-{at}"));
    let creations = async || join_all((0..orders.len()).map(|at| timed(&orders[at].name, request(at)))).await;
    let (refreshes, created) = tokio::join!(refresh_all(caller, &due), creations());
    let answers: Vec<&Answer> = refreshes.iter().chain(&created).collect();
    let mut wrong: Vec<String> = answers.iter().filter_map(|answer| answer.complaint(504, "vendor_timeout")).collect();
    let in_time = |answer: &&&Answer| answer.reply.status == 504 && answer.took < timeout + Duration::from_secs(2);
    let refused = answers.iter().filter(in_time).count();
    // Whoever asks again while the answer is awaited joins the call, and is told the same.
    let again = refresh(caller, &due[0]).await;
    wrong.extend(again.complaint(504, "vendor_timeout"));
    for answer in &created {
        let Some(id) = answer.instance() else { continue };
        let reply = caller.get(&format!("/instances/{id}")).await;
        if reply.status != 404 || reply.header("retry-after").is_none() {
            wrong.push(format!("{} while it is under way: {}", answer.name, words(&reply)));
        }
    }
    let all = due.len() + orders.len();
    all_spent(&fleet, all, extent.of(Duration::from_secs(10), Duration::from_secs(60))).await;
    let token_calls = fleet.token_calls();
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    until("the answers are stored", async || {
        let repeated = creations().await;
        repeated.iter().all(|answer| answer.reply.status != 504 && answer.reply.status != 503)
    })
    .await;
    let repeated = creations().await;
    for (first, repeated) in created.iter().zip(&repeated) {
        if repeated.reply.status != 200 || repeated.instance() != first.instance() {
            wrong.push(format!("the repeat: {}", words(&repeated.reply)));
        }
    }
    let repeats = fleet.token_calls() - token_calls;
    let limit = Duration::from_secs(10);
    let lost = lost_grants(&fleet, caller, &due, limit).await;
    let lost_codes = lost_codes(&fleet, caller, &created, limit).await;
    extent.report(
        if fleet.database.url.starts_with("sqlite:") { "slow_vendor sqlite" } else { "slow_vendor postgres" },
        &[
            ("grants", many(due.len())),
            ("codes", many(orders.len())),
            ("told_in_time", many(refused)),
            ("token_calls", token_calls + repeats),
            ("wrong_answers", count(&wrong)),
            ("lost_grants", count(&lost)),
            ("lost_codes", count(&lost_codes)),
        ],
    );
    assert!(lost.is_empty() && lost_codes.is_empty(), "{lost:#?} {lost_codes:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(refused, all, "callers go at their time: {answers:#?}");
    assert_eq!(token_calls + repeats, many(all), "each was spent once");
    assert_eq!(fleet.sandbox().live_grants(), all);
}
