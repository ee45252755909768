//! Memory stays within its bounds whatever callers do, comes back afterwards, and others hardly notice (ARCHITECTURE.md,
//! "How much memory").

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Extent;
use crate::support::caller::{BASE, Caller, read, with_key};
use crate::support::database::runtime;
use crate::support::program::{ADMIN, Ligand, Serving, with_admin};
use crate::support::server::PASSWORD;

const MEGABYTE: u64 = 1 << 20;

/// A server, its administrator, and a caller of another organization with an instance of its own.
struct Stage {
    server: Serving,
    caller: Caller,
    other: Caller,
    path: String,
    extent: Extent,
    _ligand: Ligand,
}

impl Stage {
    async fn start() -> Self {
        let ligand = with_admin().set("LIGAND_TRUSTED_PROXIES", "127.0.0.1/32");
        // As in `deploy`.
        let ligand = ligand.set("MALLOC_MMAP_THRESHOLD_", "65536").set("MALLOC_TRIM_THRESHOLD_", "131072");
        let server = ligand.serve(&["--sandbox"]);
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        // Beside the running server, on its database.
        let directory = ligand.path("ligand-data/sandbox");
        let directory = directory.to_str().expect("a path");
        std::fs::write(ligand.path("password"), PASSWORD).expect("it is written");
        let created = ligand.run(&[
            "users",
            "create",
            "other@other.example",
            "--password-file",
            "password",
            "--data-dir",
            directory,
        ]);
        assert!(created.success, "{created:?}");
        let other = server.sign_in("other@other.example", PASSWORD).await;
        let instance = other.create_with_key("Other").await;
        let path = format!("/instances/{}", instance["id"]);
        Self { server, caller, other, path, extent: Extent::of_this_run(), _ligand: ligand }
    }

    /// Does something while the other organization reads; gives what came of it, the most memory, and how long the slowest
    /// hundredth of the reads took at least.
    async fn beside<T>(&self, work: impl Future<Output = T>) -> (T, u64, Duration) {
        let over = Arc::new(AtomicBool::new(false));
        let (other, path, watched) = (self.other.clone(), self.path.clone(), Arc::clone(&over));
        let reads = tokio::spawn(async move {
            let mut times = Vec::new();
            while !watched.load(Ordering::Relaxed) {
                let started = Instant::now();
                other.get(&path).await.ok();
                times.push(started.elapsed());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            times.sort_unstable();
            times[times.len() * 99 / 100]
        });
        let most = AtomicU64::new(0);
        let watch = async {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(self.server.resident(), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let work = async {
            let done = work.await;
            over.store(true, Ordering::Relaxed);
            done
        };
        let (done, ()) = tokio::join!(work, watch);
        (done, most.into_inner(), reads.await.expect("reads"))
    }

    /// How long those reads take when nothing else happens.
    async fn quiet(&self) -> Duration {
        let pause = self.extent.of(Duration::from_millis(500), Duration::from_secs(5));
        self.beside(tokio::time::sleep(pause)).await.2
    }

    /// What memory may be. A build for tests is larger by itself: there it counts from what it was at the start.
    fn bound(&self, start: u64, megabytes: u64) -> u64 {
        self.extent.of(start + (megabytes - 25) * MEGABYTE, megabytes * MEGABYTE)
    }

    /// Memory once it is no more than that, or after a while.
    async fn settled(&self, most: u64) -> u64 {
        let started = Instant::now();
        while self.server.resident() > most && started.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        self.server.resident()
    }

    fn not_much_slower(&self, quiet: Duration, beside: Duration) {
        // In a build for tests, beside other tests, only a standstill can be told.
        let least = self.extent.of(Duration::from_secs(3), Duration::from_millis(10));
        assert!(beside <= least.max(quiet * 3), "{beside:?} beside, {quiet:?} alone");
    }
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(MEGABYTE)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("short")
}

#[test]
fn sixty_wrong_sign_ins_leave_nothing() {
    runtime().block_on(async {
        let stage = Stage::start().await;
        let start = stage.server.resident();
        let quiet = stage.quiet().await;
        let anonymous = Caller::anonymous(&stage.server.url);
        let sign_ins = (0..60).map(|number| {
            let body = json!({ "username": format!("nobody-{number}@example.com"), "password": "wrong password" });
            let request = anonymous.request("POST", "/authentication").header("content-type", "application/json");
            let request = request.header("x-forwarded-for", format!("198.51.100.{number}")).body(body.to_string());
            async move { read(request).await.status }
        });
        let (statuses, most, beside) = stage.beside(futures_util::future::join_all(sign_ins)).await;
        assert_eq!(statuses, [401; 60]);
        let after = stage.settled(stage.bound(start, 70)).await;
        stage.extent.report(
            "memory sign-ins",
            &[
                ("start_mb", megabytes(start)),
                ("most_mb", megabytes(most)),
                ("after_mb", megabytes(after)),
                ("others_p99_us", micros(beside)),
                ("alone_p99_us", micros(quiet)),
            ],
        );
        assert!(most <= stage.bound(start, 90), "{} MB", megabytes(most));
        assert!(after <= stage.bound(start, 70), "{} MB", megabytes(after));
        stage.not_much_slower(quiet, beside);
    });
}

#[test]
fn four_hundred_unfinished_bodies_share_a_budget() {
    runtime().block_on(async {
        let stage = Stage::start().await;
        let start = stage.server.resident();
        let quiet = stage.quiet().await;
        let authorization = stage.caller.authorization.clone().expect("a header");
        let head = format!(
            "POST {BASE}/instances HTTP/1.1\r\nhost: ligand\r\nauthorization: {authorization}\r\n\
             content-type: application/json\r\ncontent-length: 1048000\r\n\r\n{{\"name\":\""
        );
        // The small run gives up on them before the server does.
        let patience = stage.extent.of(Duration::from_secs(3), Duration::from_secs(30));
        let bodies = (0..400).map(|_| unfinished(&stage.server.url, &head, patience));
        let (statuses, most, beside) = stage.beside(futures_util::future::join_all(bodies)).await;
        let told = |status: &str| statuses.iter().filter(|known| **known == status).count();
        // Room for some, 503 for the others, and nobody waits for ever.
        assert!(told("503") > 200, "{statuses:?}");
        assert!(stage.extent.of(true, told("503") + told("400") == 400), "{statuses:?}");
        let after = stage.settled(stage.bound(start, 70)).await;
        // A body of the usual size never needed room.
        stage.caller.create_with_key("Afterwards").await;
        stage.extent.report(
            "memory bodies",
            &[
                ("start_mb", megabytes(start)),
                ("most_mb", megabytes(most)),
                ("after_mb", megabytes(after)),
                ("refused", told("503") as u64),
                ("others_p99_us", micros(beside)),
                ("alone_p99_us", micros(quiet)),
            ],
        );
        // On a busy machine more of them are read before the first is refused.
        let during = stage.extent.of(start + 180 * MEGABYTE, 150 * MEGABYTE);
        assert!(most <= during, "{} MB", megabytes(most));
        assert!(after <= stage.bound(start, 70), "{} MB", megabytes(after));
        stage.not_much_slower(quiet, beside);
    });
}

/// Sends a megabyte that lacks its end. Gives the status that comes back, or nothing.
async fn unfinished(url: &str, head: &str, patience: Duration) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("the server listens");
    let (mut reader, mut writer) = stream.split();
    let send = async {
        // It may be refused, and the connection ended, before all is sent.
        if writer.write_all(head.as_bytes()).await.is_ok() {
            let _ = writer.write_all(&[b'x'; 1_000_000]).await;
        }
        std::future::pending::<()>().await;
    };
    let mut reply = [0; 12];
    tokio::select! {
        read = tokio::time::timeout(patience, reader.read_exact(&mut reply)) => match read {
            Ok(Ok(_)) => String::from_utf8_lossy(&reply[9..]).into_owned(),
            _ => String::new(),
        },
        () = send => String::new(),
    }
}

#[test]
fn a_churn_of_instances_leaves_nothing() {
    runtime().block_on(async {
        let stage = Stage::start().await;
        let (warming, rounds) = (stage.extent.of(60, 10_000), stage.extent.of(240, 90_000));
        churn(&stage, warming).await;
        let start = stage.server.resident();
        churn(&stage, rounds).await;
        let after = stage.server.resident();
        let counts = [("instances", rounds as u64), ("start_mb", megabytes(start)), ("after_mb", megabytes(after))];
        stage.extent.report("memory churn", &counts);
        // What an instance left before was 0.65 KB: fifty-eight megabytes.
        assert!(after <= start + 8 * MEGABYTE, "{} MB, then {} MB", megabytes(start), megabytes(after));
    });
}

/// Creates, uses by token, shows and deletes, eight at a time.
async fn churn(stage: &Stage, instances: usize) {
    let one = async |number: usize| {
        for round in 0..instances / 8 {
            let body = with_key(&format!("Churn {number} {round}"));
            let created = loop {
                let reply = stage.caller.post("/instances", &body).await;
                // The sandbox shares the machine with other tests, and may be slow.
                if reply.status != 502 {
                    break reply.ok();
                }
            };
            let path = format!("/instances/{}", created["id"]);
            let token = created["token"].as_str().expect("a token");
            stage.caller.with_element(token).get("/instances/configuration").await.ok();
            stage.caller.get(&path).await.ok();
            assert_eq!(stage.caller.send("DELETE", &path, &Value::Null).await.status, 200);
        }
    };
    futures_util::future::join_all((0..8).map(one)).await;
}
