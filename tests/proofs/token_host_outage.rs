//! A token endpoint is down while tokens are over and in use: one call a second looks whether it is back, callers are told
//! when to come again, and it is good again as soon as it is.

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use ligand::sandbox::{Failure, TOKEN_ROUTES};

use super::Extent;
use super::spent::{Answer, count, many, timed, words};
use crate::support::server::run;
use crate::support::{Caller, Database, TestServer};

const INSTANCES: usize = 20;
const TOKEN: &str = "POST /oauth/2026-03/token";
/// Until everybody is served again.
const RECOVERY: Duration = Duration::from_secs(2);
/// Between two calls of each, by the injected clock: how busy this machine is does not matter.
const STEP: Duration = Duration::from_millis(100);
/// Over at any time that this test knows.
const OVER: &str = "UPDATE credential SET expires_at = '2020-01-01T00:00:00.000000Z'";

#[test]
fn its_return_is_noticed_within_two_seconds() {
    run(Database::sqlite(), |server: TestServer| async move {
        outage(&server, None).await;
    });
}

#[test]
fn its_return_is_noticed_although_somebody_set_the_clock_back() {
    run(Database::sqlite(), |server: TestServer| async move {
        outage(&server, Some(TimeDelta::hours(-1))).await;
    });
}

async fn outage(server: &TestServer, set: Option<TimeDelta>) {
    let extent = Extent::of_this_run();
    let (caller, sandbox) = (server.caller(), server.sandbox());
    sandbox.set(|switches| switches.rotation = true);
    let mut tokens = Vec::new();
    for number in 0..INSTANCES {
        let created = caller.create_with_code(sandbox, &format!("Waits {number}")).await;
        tokens.push(created["token"].as_str().expect("a token").to_owned());
    }
    server.database.execute(OVER);
    sandbox.forget_calls();
    sandbox.set(|switches| switches.failure = Some(Failure { times: None, ..Failure::of(TOKEN_ROUTES, 503, 1) }));

    let callers: Vec<Caller> = tokens.iter().map(|token| caller.with_element(token)).collect();
    let mut wrong = Vec::new();
    // The first second is for learning that it is down.
    for _ in 0..steps(Duration::from_secs(1)) {
        wrong.extend(refused(server, &callers).await);
    }
    let first = sandbox.counts(TOKEN).total;
    if let Some(set) = set {
        server.advance(set);
    }
    let down = extent.of(Duration::from_secs(4), Duration::from_secs(20));
    for _ in 0..steps(down) {
        wrong.extend(refused(server, &callers).await);
    }
    let probes = sandbox.counts(TOKEN).total - first;
    sandbox.set(|switches| switches.failure = None);
    let mut until_served = Duration::ZERO;
    while !ask(server, &callers).await.iter().all(|answer| answer.reply.status == 200) {
        until_served += STEP;
        assert!(until_served < 30 * RECOVERY, "it is never served again");
    }
    extent.report(
        if set.is_some() { "token_host_outage (clock set back)" } else { "token_host_outage" },
        &[
            ("seconds", down.as_secs() + 1),
            ("instances", many(INSTANCES)),
            ("calls_in_the_first_second", first),
            ("probes", probes),
            ("wrong_answers", count(&wrong)),
            ("served_after_ms", u64::try_from(until_served.as_millis()).expect("a short time")),
        ],
    );
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(10)]);
    assert!((down.as_secs() - 1..=down.as_secs() + 1).contains(&probes), "{probes} probes in {down:?}");
    assert!(until_served <= RECOVERY, "{until_served:?} after its return");
    assert_eq!(sandbox.live_grants(), INSTANCES);
}

fn steps(time: Duration) -> u128 {
    time.as_millis() / STEP.as_millis()
}

/// Everybody calls once, a step later.
async fn ask(server: &TestServer, callers: &[Caller]) -> Vec<Answer> {
    server.advance(TimeDelta::from_std(STEP).expect("a short time"));
    let path = "/vendor/account-info/v3/details";
    join_all(callers.iter().map(|caller| timed("call", caller.request_at_root("GET", path)))).await
}

/// The same while nobody can be served. Gives answers that nobody should get.
async fn refused(server: &TestServer, callers: &[Caller]) -> Vec<String> {
    ask(server, callers).await.iter().filter_map(refusal).collect()
}

/// What is wrong with a refusal: it says when it is worth coming again, and nothing of the instance.
fn refusal(answer: &Answer) -> Option<String> {
    let after = answer.reply.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    let right = matches!(answer.reply.status, 502..=504) && after.is_some_and(|seconds| (1..=60).contains(&seconds));
    (!right).then(|| words(&answer.reply))
}
