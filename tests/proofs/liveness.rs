//! Another process goes on within two seconds of a death, and nobody who lives is taken for dead.

use std::time::{Duration, Instant};

use ligand::kernel::entropy::{SeededEntropy, bytes};

use super::Extent;
use crate::support::caller::with_code;
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::{Caller, Database};

const FOR_EVER: Duration = Duration::from_secs(120);

/// Milliseconds below a bound, from the seed.
struct Chance(SeededEntropy);

impl Chance {
    fn below(&self, bound: u64) -> u64 {
        u64::from_be_bytes(bytes(&self.0)) % bound
    }
}

/// What a killed process had in its hands.
#[derive(Clone, Copy)]
enum Held {
    Refresh,
    Key,
}

/// Kills the first process while it holds something, and has the next one do it. How long that took: from the death where
/// somebody waits already, else from the next one's start.
async fn after_a_kill(fleet: &mut Fleet, held: Held, round: usize, delay: u64) -> Duration {
    let alone = fleet.servers.len() == 1;
    let path = fleet.expired_instance().await;
    let key = format!("key-{round}");
    let body = with_code(&key, &fleet.callers[0].code(fleet.sandbox()).await);
    let ask = |caller: &Caller| {
        let (caller, path, key, body) = (caller.clone(), format!("{path}?refresh=true"), key.clone(), body.clone());
        tokio::spawn(async move {
            match held {
                Held::Refresh => caller.get(&path).await,
                Held::Key => Fleet::create_once(&caller, &key, &body).await,
            }
        })
    };
    fleet.token_calls_take(FOR_EVER, Duration::ZERO);
    let lost = ask(&fleet.callers[0]);
    until("the token call runs", async || fleet.running_token_calls() == 1).await;
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let waiting = fleet.callers.get(1).filter(|_| matches!(held, Held::Refresh)).map(&ask);
    let mut since = Instant::now();
    fleet.kill();
    assert!(lost.await.is_err(), "its process is dead");
    until("the vendor notices", async || fleet.running_token_calls() == 0).await;
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    if alone {
        fleet.join().await;
        since = Instant::now();
    }
    let reply = match waiting {
        Some(waiting) => waiting.await,
        None => ask(&fleet.callers[0]).await,
    };
    let waited = since.elapsed();
    let shown = reply.expect("no panic").ok();
    assert_eq!(shown["valid"], true, "{shown}");
    if !alone {
        fleet.join().await;
    }
    waited
}

/// Cuts every connection of a process that has sent a token which the vendor has rotated. How many token calls there were.
async fn after_cuts(fleet: &Fleet, chance: &Chance) -> u64 {
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    let path = fleet.expired_instance().await;
    fleet.token_calls_take(Duration::ZERO, Duration::from_secs(4));
    let ask = |caller: &Caller| {
        let (caller, path) = (caller.clone(), format!("{path}?refresh=true"));
        tokio::spawn(async move { caller.get(&path).await })
    };
    let spent = fleet.sandbox().spent_refresh_tokens();
    let holder = ask(&fleet.callers[0]);
    until("the vendor rotates", async || fleet.sandbox().spent_refresh_tokens() > spent).await;
    let other = ask(&fleet.callers[1]);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(chance.below(1_500))).await;
        fleet.db_cut_sessions_of_holder("refresh");
    }
    for reply in [holder, other] {
        assert_eq!(reply.await.expect("no panic").ok()["valid"], true);
    }
    fleet.token_calls()
}

#[test]
fn liveness() {
    let extent = Extent::of_this_run();
    let chance = Chance(SeededEntropy::new(extent.seed));
    let of_round = |round: usize| if round.is_multiple_of(2) { Held::Refresh } else { Held::Key };
    let ms = |time: Duration| u64::try_from(time.as_millis()).expect("a short time");
    let postgres = Database::postgres();
    runtime().block_on(async {
        let (kills, mut slowest_restart) = (extent.of(2, 30), Duration::ZERO);
        let mut fleet = Fleet::start(Database::sqlite(), 1).await;
        for round in 0..kills {
            let waited = after_a_kill(&mut fleet, of_round(round), round, chance.below(1_200)).await;
            slowest_restart = slowest_restart.max(waited);
        }
        extent.report("liveness on sqlite", &[("kills", kills as u64), ("slowest_ms", ms(slowest_restart))]);
        assert!(slowest_restart < Duration::from_millis(1_500), "{slowest_restart:?}");

        let Some(database) = postgres else { return };
        let (cuts, mut slowest, mut robbed) = (extent.of(1, 30), Duration::ZERO, 0);
        let mut fleet = Fleet::start(database, 2).await;
        for round in 0..kills {
            let waited = after_a_kill(&mut fleet, of_round(round), round, chance.below(1_200)).await;
            slowest = slowest.max(waited);
        }
        for _ in 0..cuts {
            robbed += after_cuts(&fleet, &chance).await - 1;
        }
        let counts = [("kills", kills as u64), ("slowest_ms", ms(slowest)), ("cuts", 2 * cuts), ("robbed", robbed)];
        extent.report("liveness on postgres", &counts);
        assert!(slowest < Duration::from_secs(3), "{slowest:?}");
        assert_eq!(robbed, 0);
    });
}
