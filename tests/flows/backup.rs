//! Copies: made beside a running server, put back where nothing is lost by it, and treated as what they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::support::caller::{Caller, read};
use crate::support::database::runtime;
use crate::support::key_change::new_key;
use crate::support::part::Signal;
use crate::support::postgres::postgres;
use crate::support::program::{ADMIN, Ended, Ligand, Serving, with_admin};
use crate::support::server::PASSWORD;
use crate::support::sqlite_rows::rows;

#[track_caller]
fn refused(ended: &Ended, reason: &str) {
    assert!(!ended.success && ended.errors.contains(reason), "no {reason:?}: {ended:?}");
    assert!(!ended.errors.contains("panicked"), "{ended:?}");
}

#[track_caller]
fn succeeds(ended: &Ended) -> &str {
    assert!(ended.success, "{ended:?}");
    &ended.output
}

fn key() -> String {
    new_key()
}

/// A program with a key of its own, and its database in the clear of any data directory.
fn program(key: &str) -> Ligand {
    with_admin().set("LIGAND_MASTER_KEY", key).set("DATABASE_URL", "sqlite:ligand.db")
}

async fn instances(server: &Serving, count: usize) -> (Caller, Vec<serde_json::Value>) {
    let caller = server.sign_in(ADMIN, PASSWORD).await;
    let mut made = Vec::new();
    for number in 0..count {
        made.push(caller.create_with_key(&format!("Kept {number}")).await);
    }
    (caller, made)
}

#[test]
fn a_backup_is_private_says_that_the_key_is_missing_and_never_writes_over_anything() {
    let ligand = program(&key());
    let server = ligand.serve(&["--sandbox"]);
    runtime().block_on(instances(&server, 3));
    let said = ligand.run(&["backup", "copy.db"]);
    assert!(succeeds(&said).contains("copy.db holds 1 organizations and 3 instances"), "{said:?}");
    assert!(said.output.contains("master key is not in it"), "{said:?}");
    let mode = fs::metadata(ligand.path("copy.db")).expect("the copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(ligand.path("copy.db")).expect("the copy");
    refused(&ligand.run(&["backup", "copy.db"]), "copy.db: it exists, and is not written over");
    refused(&ligand.run(&["backup", "ligand.db"]), "ligand.db: it exists");
    refused(&ligand.run(&["backup", "no/such/directory/copy.db"]), "No such file or directory");
    assert!(fs::read(ligand.path("copy.db")).expect("the copy") == before);
    let names = fs::read_dir(ligand.path("")).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let drafts: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".copy")).collect();
    assert!(drafts.is_empty(), "{drafts:?}");
    // A quote in a name is a part of the name.
    succeeds(&ligand.run(&["backup", "it's here.db"]));
    assert_eq!(rows(&ligand.path("it's here.db"))["instance"].len(), 3);
}

#[test]
fn a_damaged_database_makes_no_backup() {
    let ligand = program(&key());
    let server = ligand.serve(&["--sandbox"]);
    runtime().block_on(instances(&server, 40));
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    let path = ligand.path("ligand.db");
    let mut bytes = fs::read(&path).expect("the file");
    let (from, to) = (bytes.len() / 4, bytes.len() - 4096);
    bytes[from..to].fill(0xa5);
    fs::write(&path, bytes).expect("the disk is bad");
    let ended = ligand.run(&["backup", "copy.db"]);
    assert!(!ended.success && !ended.errors.contains("panicked"), "{ended:?}");
    assert!(!ligand.path("copy.db").exists(), "a half backup never has the name");
}

#[test]
fn what_was_backed_up_is_restored_with_every_instance() {
    let key = key();
    let ligand = program(&key);
    let server = ligand.serve(&["--sandbox"]);
    let (caller, made) = runtime().block_on(instances(&server, 5));
    succeeds(&ligand.run(&["backup", "copy.db"]));
    runtime().block_on(caller.create_with_key("After the copy"));
    drop(server);

    let other = program(&key);
    fs::copy(ligand.path("copy.db"), other.path("copy.db")).expect("it is carried there");
    let said = other.run(&["restore", "copy.db"]);
    assert!(succeeds(&said).contains("5 instances, and the key opens them"), "{said:?}");
    assert!(said.output.contains("`ligand resume`"), "{said:?}");
    let mode = fs::metadata(other.path("ligand.db")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!other.files().iter().any(|file| file.contains("-wal") || file.contains("-shm")), "{:?}", other.files());
    refused(&other.run(&["restore", "copy.db"]), "ligand.db holds data, and is not written over");

    let server = other.serve(&["--sandbox"]);
    assert!(server.log().contains("RESTORED"), "{}", server.log());
    refused(&other.run(&["restore", "copy.db"]), "a server is running on this database");
    let caller = Caller::anonymous(&server.url).with(caller.authorization.as_deref().expect("a header"));
    runtime().block_on(async {
        for instance in &made {
            let found = caller.get(&format!("/instances/{}", instance["id"])).await.ok();
            assert_eq!((&found["token"], &found["name"]), (&instance["token"], &instance["name"]));
        }
        // Somebody may hold the numbers that were given out after the copy was made.
        let fresh = caller.create_with_key("After the restore").await["id"].as_i64().expect("an id");
        assert!(fresh > made[4]["id"].as_i64().expect("an id") + 100_000, "{fresh}");
    });
    let resumed = other.run(&["resume"]);
    assert!(succeeds(&resumed).contains("refresh tokens are sent again"), "{resumed:?}");
    assert_eq!(succeeds(&other.run(&["resume"])), "there was nothing to resume\n");
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    let server = other.serve(&["--sandbox"]);
    assert!(!server.log().contains("RESTORED"), "{}", server.log());
}

#[test]
fn a_restore_that_would_not_open_or_would_lose_something_is_refused() {
    let key = key();
    let ligand = program(&key);
    let server = ligand.serve(&["--sandbox"]);
    runtime().block_on(instances(&server, 1));
    succeeds(&ligand.run(&["backup", "copy.db"]));
    drop(server);
    let there = |key: &str| {
        let other = program(key);
        fs::copy(ligand.path("copy.db"), other.path("copy.db")).expect("it is carried there");
        other
    };
    let nothing_came_of_it = |other: &Ligand| assert!(!other.path("ligand.db").exists(), "{:?}", other.files());

    let id = key.split(':').next().expect("an id");
    let wrong = there(&new_key());
    refused(&wrong.run(&["restore", "copy.db"]), &format!("its key {id} is not in the ring"));
    nothing_came_of_it(&wrong);
    let same_id = there(&format!("{id}:{}", new_key().split(':').nth(1).expect("a key")));
    refused(&same_id.run(&["restore", "copy.db"]), "the ring has another key under the same id");
    nothing_came_of_it(&same_id);
    let keyless = there("");
    refused(&keyless.run(&["restore", "copy.db"]), "ligand-data/master.key");
    nothing_came_of_it(&keyless);

    let other = there(&key);
    fs::write(other.path("text.db"), "no database").expect("a file");
    assert!(!other.run(&["restore", "text.db"]).success);
    refused(&other.run(&["restore", "nothing.db"]), "it is no database of Ligand");
    nothing_came_of_it(&other);
    let mut bytes = fs::read(other.path("copy.db")).expect("the copy");
    let half = bytes.len() / 2;
    bytes[half..half + 8192].fill(0x5a);
    fs::write(other.path("bad.db"), &bytes).expect("a bad copy");
    assert!(!other.run(&["restore", "bad.db"]).success);
    fs::write(other.path("half.db"), &bytes[..half]).expect("half a copy");
    assert!(!other.run(&["restore", "half.db"]).success);
    nothing_came_of_it(&other);
    // SQLite would take it for a part of the file that comes.
    fs::write(other.path("ligand.db-wal"), "left").expect("a file");
    refused(&other.run(&["restore", "copy.db"]), "ligand.db-wal is left of another database");
    fs::remove_file(other.path("ligand.db-wal")).expect("it is moved away");
    // An empty database is no loss.
    succeeds(&other.run(&["migrate"]));
    succeeds(&other.run(&["restore", "copy.db"]));
    assert_eq!(rows(&other.path("ligand.db"))["instance"].len(), 1);
}

/// A copy of the file and of what SQLite keeps beside it, as operators make it of a server that was killed.
#[test]
fn a_wal_beside_the_file_is_restored_with_it() {
    let key = key();
    let ligand = program(&key);
    let server = ligand.serve(&["--sandbox"]);
    runtime().block_on(instances(&server, 4));
    assert_eq!(server.stop(Signal::Kill).0, 128 + 9);
    let other = program(&key);
    for suffix in ["", "-wal"] {
        fs::copy(ligand.path(&format!("ligand.db{suffix}")), other.path(&format!("copy.db{suffix}"))).expect("a copy");
    }
    assert!(succeeds(&other.run(&["restore", "copy.db"])).contains("4 instances"));
    assert_eq!(rows(&other.path("ligand.db"))["instance"].len(), 4);
}

/// Runs what was printed, with PostgreSQL's programs and the password where libpq looks for it.
fn run_printed(printed: &str, programs: &Path, password: &str, directory: &Path) {
    let ligand = Path::new(env!("CARGO_BIN_EXE_ligand")).parent().expect("a directory").display().to_string();
    let path = format!("{}:{ligand}:{}", programs.display(), std::env::var("PATH").expect("a PATH"));
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", printed]).current_dir(directory).env("PATH", path).env("PGPASSWORD", password);
    let ran = shell.output().expect("sh can be started");
    assert!(ran.status.success(), "{printed}: {}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn for_postgres_the_right_commands_are_printed_and_they_work() {
    let Some(server) = postgres() else { return };
    let url = server.create_database();
    let password = url::Url::parse(&url).expect("a URL").password().expect("a password").to_owned();
    let key = key();
    let ligand = with_admin().set("LIGAND_MASTER_KEY", &key).set("DATABASE_URL", &url);
    let serving = ligand.serve(&["--sandbox"]);
    let (caller, made) = runtime().block_on(instances(&serving, 3));
    let printed = ligand.run(&["backup", "copy.dump"]);
    refused(&printed, "PostgreSQL makes its own backups, so none was made here");
    assert!(printed.output.contains("pg_dump --format=custom --file='copy.dump'"), "{printed:?}");
    assert!(!printed.output.contains(&password) && !printed.errors.contains(&password), "{printed:?}");
    assert!(!ligand.path("copy.dump").exists());
    run_printed(&printed.output, server.programs(), &password, &ligand.path(""));
    let mode = fs::metadata(ligand.path("copy.dump")).expect("the copy").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(serving);

    let restored_url = server.create_database();
    let other = with_admin().set("LIGAND_MASTER_KEY", &key).set("DATABASE_URL", &restored_url);
    fs::copy(ligand.path("copy.dump"), other.path("copy.dump")).expect("it is carried there");
    let printed = other.run(&["restore", "copy.dump"]);
    refused(&printed, "PostgreSQL restores its own backups, so nothing was done here");
    let (first, second) = printed.output.split_once(" && ").expect("two commands");
    assert_eq!(second.trim(), "ligand restore --mark");
    run_printed(first, server.programs(), &password, &other.path(""));
    // Who forgets the second one is told.
    let unmarked = other.run(&["serve", "--sandbox"]);
    refused(&unmarked, "this database was copied or moved since it was served last");
    assert!(succeeds(&other.run(&["restore", "--mark"])).contains("`ligand resume`"));
    let serving = other.serve(&["--sandbox"]);
    assert!(serving.log().contains("RESTORED"), "{}", serving.log());
    runtime().block_on(async {
        let caller = Caller::anonymous(&serving.url).with(caller.authorization.as_deref().expect("a header"));
        for instance in &made {
            let found = caller.get(&format!("/instances/{}", instance["id"])).await.ok();
            assert_eq!(found["token"], instance["token"]);
        }
        assert_eq!(read(caller.request_at_root("GET", "/health/ready")).await.ok(), json!({ "status": "ready" }));
    });
    succeeds(&other.run(&["resume"]));
}
