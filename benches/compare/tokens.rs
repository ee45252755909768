//! Fresh tokens: how fast a warm one is, what an entry in memory costs, and how many a slow token endpoint lets through.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ligand::kernel::clock::{Clock as _, SystemClock};
use ligand::kernel::owner::Owner;
use ligand::service::{Parts, Services};

use crate::rows::{line, row};
use crate::sides::{Compared, extent};
use crate::support::copies::{FIRST, copy};
use crate::support::database::runtime;
use crate::support::server::Setup;
use crate::support::{Database, TestServer};

const WARM: i64 = 100_000;
const DUE: i64 = 10_000;
const TOKEN: &str = "POST /oauth/2026-03/token";
const TIME: Duration = Duration::from_secs(2);
const ENDPOINT: Duration = Duration::from_millis(50);

pub fn measure_warm() {
    runtime().block_on(async {
        let server = TestServer::start(Database::sqlite(), Setup::default()).await;
        // The measurement takes the machine's clock: the tokens must be good by it.
        server.advance(SystemClock.now().signed_duration_since(server.services.now()));
        let warm = extent(WARM, 1_000);
        let (services, owner) = with_copies(&server, warm).await;
        let before = resident();
        for id in FIRST..FIRST + warm {
            services.live_instance(owner, id).await.expect("an instance");
        }
        let bytes = (resident() - before) / warm as f64;
        line(&format!("a warm instance in memory, of {warm}"), &format!("{bytes:.0} B"), "", "", "");
        let rate = warm_rate(services, owner, warm).await;
        line("warm fresh_token on one core", &format!("{rate:.0}/s"), "", "", "≥ 500 k");
    });
}

/// One task on one thread, with the machine's own clock, all over the instances.
async fn warm_rate(services: Services, owner: Owner, warm: i64) -> f64 {
    let services = Services::new(Parts { clock: Arc::new(SystemClock), ..Parts::clone(&services) });
    let run = async move {
        let (started, mut done, mut id) = (Instant::now(), 0_i64, 0_i64);
        while started.elapsed() < extent(TIME, Duration::from_millis(20)) {
            // A second's reading of the feed, as the job does it.
            services.feed_trust.was_read(services.now().timestamp());
            for _ in 0..1000 {
                id = (id + 7919) % warm;
                black_box(services.fresh_token(owner, FIRST + id).await.expect("a token"));
            }
            done += 1000;
        }
        done as f64 / started.elapsed().as_secs_f64()
    };
    tokio::spawn(run).await.expect("it ends well")
}

/// Many that expire in the same minute, renewed by the job against an endpoint that takes its time.
pub fn measure_refreshes(name: &str, database: Database) {
    runtime().block_on(async {
        let server = TestServer::start(database, Setup::default()).await;
        let many = extent(DUE, 500);
        let (_, owner) = with_copies(&server, many).await;
        let now = server.services.now();
        (FIRST..FIRST + many).for_each(|id| server.services.usage.note(id, now));
        server.services.write_all_usage().await.expect("the usage");
        let delay = u64::try_from(ENDPOINT.as_millis()).expect("milliseconds");
        server.sandbox().set(|switches| _ = switches.delay_ms.insert("/oauth/*/token".to_owned(), delay));
        server.sandbox().forget_calls();
        server.advance(TimeDelta::minutes(27));
        let started = Instant::now();
        while server.services.refresh_due().await.expect("a look") > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let rate = many as f64 / started.elapsed().as_secs_f64();
        let counts = server.sandbox().counts(TOKEN);
        assert_eq!(i64::try_from(counts.total).expect("a number"), many, "none is lost, none is taken twice");
        assert!(counts.peak <= 16, "{} at once", counts.peak);
        server.services.fresh_token(owner, FIRST).await.expect("a token");
        // The job leaves a quarter of the sixteen calls to callers who wait.
        let most = 12.0 / ENDPOINT.as_secs_f64();
        let compared = Compared::of(&[rate], &[most]);
        row(&format!("{many} due refreshes at 50 ms each, {name}"), compared, "≥ 0.80");
    });
}

async fn with_copies(server: &TestServer, count: i64) -> (Services, Owner) {
    let created = server.caller().create_with_code(server.sandbox(), "Pattern").await;
    let owner = copy(&server.services, created["id"].as_i64().expect("an id"), count).await;
    // The pattern itself is out of it.
    server.caller().delete(&format!("/instances/{}", created["id"])).await;
    (server.services.clone(), owner)
}

/// Bytes that this process holds.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process's status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a resident size");
    line.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok()).expect("kilobytes") * 1024.0
}
