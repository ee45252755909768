//! What is on the disk: the file alone after an orderly end, a backup under load, a lost key, a second server, and the
//! sandbox beside its instances.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Extent;
use crate::support::Database;
use crate::support::caller::{Caller, with_code, with_key};
use crate::support::consent::{code, control};
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ligand, Serving, with_admin};
use crate::support::server::PASSWORD;
use crate::support::sqlite_rows::rows;

const DATA: &str = "ligand-data/sandbox";
const CALLERS: usize = 8;

fn count<T>(value: T) -> u64
where
    u64: TryFrom<T>,
{
    u64::try_from(value).unwrap_or_default()
}

async fn create(caller: &Caller, number: usize) -> Result<Value, reqwest::Error> {
    let request = caller.request("POST", "/instances").header("content-type", "application/json");
    let reply = request.body(with_key(&format!("Kept {number}")).to_string()).send().await?;
    assert_eq!(reply.status(), 200);
    Ok(serde_json::from_str(&reply.text().await?).expect("an instance"))
}

async fn create_many(caller: &Caller, each: usize) -> Vec<Value> {
    let callers = (0..CALLERS).map(|_| async {
        let mut made = Vec::new();
        for number in 0..each {
            made.push(create(caller, number).await.expect("the server answers"));
        }
        made
    });
    join_all(callers).await.concat()
}

fn ids(made: &[Value]) -> BTreeSet<String> {
    made.iter().map(|instance| instance["id"].to_string()).collect()
}

/// The ids of a table's rows: the first value of each line.
fn ids_in(tables: &BTreeMap<String, BTreeSet<String>>, table: &str) -> BTreeSet<String> {
    tables[table].iter().map(|row| row.split(',').next().expect("an id").to_owned()).collect()
}

#[test]
fn disk_stop_and_copy() {
    let extent = Extent::of_this_run();
    let rounds = extent.of(3, 24);
    let (mut acknowledged, mut lost, mut not_alone) = (0, 0, 0);
    for round in 0..rounds {
        let ligand = with_admin();
        let server = ligand.serve(&["--sandbox"]);
        let made = runtime().block_on(async {
            let caller = server.sign_in(ADMIN, PASSWORD).await;
            create_many(&caller, extent.of(4, 20) + round % 5).await
        });
        let (status, log) = server.stop(Signal::Terminate);
        assert_eq!(status, 0, "{log}");
        let left = ["-wal", "-shm"].iter().filter(|suffix| ligand.path(&format!("{DATA}/ligand.db{suffix}")).exists());
        not_alone += left.count();
        let copy = ligand.path("copy.db");
        fs::copy(ligand.path(&format!("{DATA}/ligand.db")), &copy).expect("a copy of the file alone");
        let found = ids_in(&rows(&copy), "instance");
        acknowledged += made.len();
        lost += ids(&made).difference(&found).count();
        assert_eq!(ids_in(&rows(&copy), "credential"), found);
    }
    let counts = [
        ("rounds", count(rounds)),
        ("acknowledged", count(acknowledged)),
        ("lost", count(lost)),
        ("files_beside", count(not_alone)),
    ];
    extent.report("disk_stop_and_copy", &counts);
    assert_eq!((lost, not_alone), (0, 0));
}

/// Creates until it is told to stop. What was acknowledged, in order, is counted in `answers`.
async fn load(caller: Caller, stop: Arc<AtomicBool>, answers: Arc<AtomicUsize>) -> Vec<(usize, Value)> {
    let mut made = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let created = create(&caller, made.len()).await.expect("the server answers");
        made.push((answers.fetch_add(1, Ordering::SeqCst), created));
    }
    made
}

/// A backup in the middle of it: everything that was acknowledged when the command began is in it, row by row as it is in
/// the original.
#[test]
fn disk_backup_under_load() {
    let extent = Extent::of_this_run();
    let (backups, between) = (extent.of(2, 12), extent.of(30, 400));
    let ligand = with_admin();
    let server = ligand.serve(&["--sandbox"]);
    let (stop, answers) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let runtime = runtime();
    let caller = runtime.block_on(server.sign_in(ADMIN, PASSWORD));
    let callers: Vec<_> =
        (0..CALLERS).map(|_| runtime.spawn(load(caller.clone(), Arc::clone(&stop), Arc::clone(&answers)))).collect();
    let mut begun = Vec::new();
    for number in 0..backups {
        while answers.load(Ordering::SeqCst) < between * (number + 1) {
            std::thread::sleep(Duration::from_millis(5));
        }
        begun.push(answers.load(Ordering::SeqCst));
        let ended = ligand.run(&["backup", &format!("copy{number}.db"), "--data-dir", DATA]);
        assert!(ended.success, "{ended:?}");
    }
    stop.store(true, Ordering::Relaxed);
    let made: Vec<(usize, Value)> =
        callers.into_iter().flat_map(|caller| runtime.block_on(caller).expect("no call fails")).collect();
    let (status, log) = server.stop(Signal::Terminate);
    assert_eq!(status, 0, "{log}");
    let original = rows(&ligand.path(&format!("{DATA}/ligand.db")));

    let (mut expected, mut lost, mut different) = (0, 0, 0);
    for (number, begun) in begun.iter().enumerate() {
        let copy = ligand.path(&format!("copy{number}.db"));
        let restored = restored(&ligand, &copy);
        let (copy, restored) = (rows(&copy), restored);
        let before: Vec<Value> =
            made.iter().filter(|(order, _)| order < begun).map(|(_, instance)| instance.clone()).collect();
        expected += before.len();
        lost += ids(&before).difference(&ids_in(&restored, "instance")).count();
        for (table, rows) in &copy {
            // What a restore marks, and what changes with every write or every second.
            if !["lease", "change", "id_block", "database_identity"].contains(&table.as_str()) {
                different += rows.symmetric_difference(&restored[table]).count();
            }
        }
        for table in ["instance", "instance_tag", "credential", "app_user", "organization", "data_key"] {
            different += copy[table].difference(&original[table]).count();
        }
    }
    let counts = [
        ("backups", count(backups)),
        ("acknowledged", count(made.len())),
        ("acknowledged_before", count(expected)),
        ("lost", count(lost)),
        ("different_rows", count(different)),
    ];
    extent.report("disk_backup_under_load", &counts);
    assert_eq!((lost, different), (0, 0));
}

/// The rows of a copy after it was restored elsewhere with the key, which serves and ends in order.
fn restored(ligand: &Ligand, copy: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let other = with_admin();
    fs::create_dir_all(other.path(DATA)).expect("a directory");
    fs::copy(ligand.path(&format!("{DATA}/master.key")), other.path(&format!("{DATA}/master.key"))).expect("the key");
    let ended = other.run(&["restore", copy.to_str().expect("a path"), "--data-dir", DATA]);
    assert!(ended.success, "{ended:?}");
    let rows = rows(&other.path(&format!("{DATA}/ligand.db")));
    let server = other.serve(&["--sandbox"]);
    runtime().block_on(async {
        let listed = server.sign_in(ADMIN, PASSWORD).await.get("/instances/count").await.ok();
        assert_eq!(listed["totalInstances"], rows["instance"].len());
    });
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    rows
}

/// The key is lost and comes back: nothing is made in its place, and everything opens again.
#[test]
fn disk_lost_key() {
    let extent = Extent::of_this_run();
    let (ligand, rounds) = (with_admin(), extent.of(1, 8));
    let (mut made, mut header) = (Vec::<Value>::new(), None::<String>);
    for _ in 0..rounds {
        let server = ligand.serve(&["--sandbox"]);
        runtime().block_on(async {
            let caller = match &header {
                None => server.sign_in(ADMIN, PASSWORD).await,
                Some(header) => Caller::anonymous(&server.url).with(header),
            };
            made.extend(create_many(&caller, 2).await);
            for instance in &made {
                let found = caller.get(&format!("/instances/{}", instance["id"])).await.ok();
                assert_eq!(found["token"], instance["token"]);
            }
            header = caller.authorization;
        });
        server.stop(Signal::Terminate);
        let key = ligand.path(&format!("{DATA}/master.key"));
        let kept = fs::read(&key).expect("the key");
        fs::remove_file(&key).expect("it is lost");
        let files = ligand.files();
        for arguments in [["serve", "--sandbox"].as_slice(), &["users", "list", "--data-dir", DATA]] {
            let ended = ligand.run(arguments);
            assert!(!ended.success && ended.errors.contains("master.key"), "{ended:?}");
        }
        assert_eq!(ligand.files(), files, "nothing was made");
        fs::write(&key, kept).expect("it is found again");
    }
    extent.report("disk_lost_key", &[("rounds", count(rounds)), ("instances", count(made.len()))]);
}

/// Servers that start on one file at the same moment: one serves, and it does so undisturbed.
#[test]
fn disk_two_servers() {
    let extent = Extent::of_this_run();
    let (rounds, contenders) = (extent.of(1, 10), 3);
    let ligand = with_admin();
    assert_eq!(ligand.serve(&["--sandbox"]).stop(Signal::Terminate).0, 0);
    let mut refused = 0;
    for _ in 0..rounds {
        let started: Vec<Serving> = (0..contenders).map(|_| ligand.start(&["--sandbox"])).collect();
        let told =
            |server: &Serving| (server.log().contains("ready listen="), server.log().contains("a server is running"));
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while started.iter().any(|server| told(server) == (false, false)) {
            assert!(std::time::Instant::now() < deadline, "{:?}", started.iter().map(Serving::log).collect::<Vec<_>>());
            std::thread::sleep(Duration::from_millis(10));
        }
        let (serving, others): (Vec<_>, Vec<_>) = started.into_iter().partition(|server| told(server).0);
        assert_eq!(serving.len(), 1, "one of them serves");
        refused += others.len();
        runtime().block_on(async {
            let caller = serving[0].sign_in(ADMIN, PASSWORD).await;
            create_many(&caller, 1).await;
        });
    }
    extent.report("disk_two_servers", &[("rounds", count(rounds)), ("refused", count(refused))]);
    assert_eq!(refused, rounds * (contenders - 1));
}

/// A token that is young and good would not be renewed.
fn expire(ligand: &Ligand) {
    let database = Database::at(format!("sqlite:{}", ligand.path(&format!("{DATA}/ligand.db")).display()));
    database.execute("UPDATE credential SET expires_at = refreshed_at");
}

/// Killed right behind an acknowledged creation from a code: instance and grant are both there.
#[test]
fn disk_sandbox_restart() {
    let extent = Extent::of_this_run();
    let (ligand, rounds) = (with_admin(), extent.of(2, 30));
    let (mut made, mut header, mut dead) = (Vec::<Value>::new(), None::<String>, 0);
    for round in 0..=rounds {
        let server = ligand.serve(&["--sandbox"]);
        runtime().block_on(async {
            let caller = match &header {
                None => server.sign_in(ADMIN, PASSWORD).await,
                Some(header) => Caller::anonymous(&server.url).with(header),
            };
            control(&server, json!({ "rotation": true })).await;
            expire(&ligand);
            for instance in &made {
                let shown = caller.get(&format!("/instances/{}?refresh=true", instance["id"])).await;
                dead += usize::from(shown.status != 200 || shown.json()["valid"] != true);
            }
            if round < rounds {
                let code = code(&server).await;
                made.push(caller.post("/instances", &with_code("Kept", &code)).await.ok());
            }
            header = caller.authorization;
        });
        server.stop(Signal::Kill);
    }
    let counts = [("kills", count(rounds + 1)), ("instances", count(made.len())), ("dead", count(dead))];
    extent.report("disk_sandbox_restart", &counts);
    assert_eq!(dead, 0);
}
