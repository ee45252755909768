//! A token endpoint is down while tokens are over and in use: one call a second looks whether it is back, callers are told
//! when to come again, and it is good again as soon as it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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

    let down = extent.of(Duration::from_secs(4), Duration::from_secs(20));
    let returned = Arc::<AtomicBool>::default();
    let outage = async {
        // The first second is for learning that it is down.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let first = sandbox.counts(TOKEN).total;
        if let Some(set) = set {
            server.advance(set);
        }
        tokio::time::sleep(down).await;
        let probes = sandbox.counts(TOKEN).total - first;
        sandbox.set(|switches| switches.failure = None);
        returned.store(true, Ordering::SeqCst);
        (first, probes, Instant::now())
    };
    let waiting = join_all(tokens.iter().map(|token| until_served(&caller, token, &returned)));
    let ((first, probes, back), waited) = tokio::select! {
        ended = async { tokio::join!(outage, waiting) } => ended,
        never = real_time(server) => match never {},
    };
    let wrong: Vec<String> = waited.iter().flat_map(|(wrong, _)| wrong.clone()).collect();
    let slowest = waited.iter().map(|(_, served)| served.saturating_duration_since(back)).max().expect("some");
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).expect("a short time");
    extent.report(
        if set.is_some() { "token_host_outage (clock set back)" } else { "token_host_outage" },
        &[
            ("seconds", down.as_secs() + 1),
            ("instances", many(INSTANCES)),
            ("calls_in_the_first_second", first),
            ("probes", probes),
            ("wrong_answers", count(&wrong)),
            ("served_after_ms", milliseconds(slowest)),
        ],
    );
    assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(10)]);
    assert!((1..=down.as_secs() + 1).contains(&probes), "{probes} probes in {down:?}");
    assert!(slowest <= RECOVERY, "{slowest:?} after its return");
}

/// The injected clock goes as the real one does.
async fn real_time(server: &TestServer) -> Infallible {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.advance(TimeDelta::from_std(last.elapsed()).expect("a short time"));
        last = Instant::now();
    }
}

/// Uses an instance until its calls are good again. Gives refusals that do not say when to come again, and when it was.
async fn until_served(caller: &Caller, token: &str, returned: &AtomicBool) -> (Vec<String>, Instant) {
    let caller = caller.with_element(token);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut wrong = Vec::new();
    loop {
        let answer = timed("call", caller.request_at_root("GET", "/vendor/account-info/v3/details")).await;
        if answer.reply.status == 200 {
            if !returned.load(Ordering::SeqCst) {
                wrong.push(format!("served while nobody could: {}", words(&answer.reply)));
            }
            return (wrong, Instant::now());
        }
        wrong.extend(refusal(&answer));
        if Instant::now() > deadline {
            wrong.push(format!("never served: {}", words(&answer.reply)));
            return (wrong, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What is wrong with a refusal: it says when it is worth coming again, and nothing of the instance.
fn refusal(answer: &Answer) -> Option<String> {
    let after = answer.reply.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    let right = matches!(answer.reply.status, 502..=504) && after.is_some_and(|seconds| (1..=60).contains(&seconds));
    (!right).then(|| words(&answer.reply))
}
