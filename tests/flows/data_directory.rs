//! What is on the disk is made by `serve` and `migrate` alone, is one server's, and is never made anew in the place of
//! something that was lost.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::Database;
use crate::support::caller::Caller;
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Ended, Ligand, with_admin};
use crate::support::server::PASSWORD;

/// All that need a database and make none.
const COMMANDS: &[&[&str]] = &[
    &["users", "list"],
    &["users", "create", "jo@example.com"],
    &["users", "reset", "jo@example.com"],
    &["keys", "status"],
    &["keys", "rotate"],
    &["keys", "rotate", "--session"],
    &["keys", "rotate", "--lookup"],
    &["backup", "copy.db"],
    &["restore", "--mark"],
    &["restore", "no-such-backup.db"],
    &["resume"],
];

/// Every file with its bytes.
fn contents(ligand: &Ligand) -> BTreeMap<String, Vec<u8>> {
    ligand.files().into_iter().map(|file| (file.clone(), fs::read(ligand.path(&file)).expect("a file"))).collect()
}

#[track_caller]
fn refused(ended: &Ended, reason: &str) {
    assert!(!ended.success && ended.errors.contains(reason), "no {reason:?}: {ended:?}");
    assert!(!ended.errors.contains("panicked"), "{ended:?}");
}

#[test]
fn in_a_wrong_directory_no_command_makes_anything() {
    for arguments in COMMANDS {
        let ligand = Ligand::new();
        let ended = ligand.run(arguments);
        assert!(!ended.success && !ended.errors.contains("panicked"), "{arguments:?}: {ended:?}");
        assert!(fs::read_dir(ligand.path("")).expect("a directory").next().is_none(), "{arguments:?} made something");
    }
    let key = Ligand::new().run(&["keys", "new"]).output;
    let keyed = || Ligand::new().set("LIGAND_MASTER_KEY", key.trim());
    refused(&keyed().run(&["users", "list"]), "ligand-data/ligand.db: there is no database of Ligand");
    let elsewhere = keyed().set("DATABASE_URL", "sqlite:typo.db");
    refused(&elsewhere.run(&["users", "list"]), "typo.db: there is no database of Ligand");
    assert_eq!(elsewhere.files(), Vec::<String>::new());
    if let Some(database) = Database::empty_postgres() {
        refused(&keyed().set("DATABASE_URL", &database.url).run(&["users", "list"]), "there is no database of Ligand");
        assert!(!String::from_utf8_lossy(&database.dump()).contains("CREATE TABLE"), "no schema was made");
    }
}

#[test]
fn a_file_of_another_program_is_left_as_it_is() {
    let ligand = Ligand::new().set("DATABASE_URL", "sqlite:notes.db");
    let key = ligand.run(&["keys", "new"]).output;
    let ligand = ligand.set("LIGAND_MASTER_KEY", key.trim());
    Database::at(format!("sqlite:{}", ligand.path("notes.db").display())).execute("CREATE TABLE note (text TEXT)");
    let before = contents(&ligand);
    for arguments in COMMANDS {
        let ended = ligand.run(arguments);
        assert!(!ended.success, "{arguments:?}: {ended:?}");
        let mut after = contents(&ligand);
        after.remove("notes.db.lock");
        assert!(after == before, "{arguments:?} changed {:?}", after.keys());
    }
}

/// A new key would open nothing, and the next copy of it would take the place of the right one.
#[test]
fn a_lost_key_is_told_and_nothing_is_written() {
    for (serve, directory) in [(["serve"].as_slice(), "ligand-data"), (&["serve", "--sandbox"], "ligand-data/sandbox")]
    {
        let ligand = with_admin();
        let server = ligand.serve(&serve[1..]);
        assert_eq!(server.stop(Signal::Terminate).0, 0);
        let key = ligand.path(&format!("{directory}/master.key"));
        let kept = fs::read(&key).expect("the key");
        fs::remove_file(&key).expect("it is lost");
        let before = contents(&ligand);
        let check = [serve, &["--check"]].concat();
        let on = |arguments: &[&'static str]| [arguments, &["--data-dir", directory]].concat();
        let mut commands: Vec<Vec<&str>> = vec![serve.to_vec(), check];
        commands.extend([on(&["users", "list"]), on(&["keys", "status"]), on(&["users", "create", "jo@example.com"])]);
        for arguments in commands {
            refused(&ligand.run(&arguments), &format!("{directory}/master.key"));
            assert!(contents(&ligand) == before, "{arguments:?} wrote something: {:?}", ligand.files());
        }
        fs::write(&key, kept).expect("it is found again");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("and for its owner alone");
        let server = ligand.serve(&serve[1..]);
        runtime().block_on(server.sign_in(ADMIN, PASSWORD));
    }
}

#[test]
fn a_key_is_made_for_a_database_that_holds_nothing_yet() {
    let ligand = with_admin();
    assert!(ligand.run(&["migrate"]).success);
    assert!(!ligand.path("ligand-data/master.key").exists());
    let server = ligand.serve(&[]);
    runtime().block_on(server.sign_in(ADMIN, PASSWORD));
    assert!(ligand.path("ligand-data/master.key").exists());
}

#[test]
fn an_older_schema_is_not_changed_by_a_command() {
    let ligand = with_admin();
    assert_eq!(ligand.serve(&[]).stop(Signal::Terminate).0, 0);
    let database = Database::at(format!("sqlite:{}", ligand.path("ligand-data/ligand.db").display()));
    database.execute(
        "DROP TABLE database_identity; DELETE FROM __diesel_schema_migrations WHERE version = '00000000000007'",
    );
    let before = contents(&ligand);
    refused(&ligand.run(&["users", "list"]), "run `ligand migrate` first");
    assert!(contents(&ligand) == before, "{:?}", ligand.files());
    // Before the new version migrates is when a backup is wanted.
    assert!(ligand.run(&["backup", "before.db"]).success);
    assert!(ligand.run(&["migrate"]).success && ligand.run(&["users", "list"]).success);
}

#[test]
fn a_second_server_on_a_file_is_refused_and_commands_are_not() {
    let ligand = with_admin();
    let first = ligand.serve(&[]);
    std::os::unix::fs::symlink(ligand.path("ligand-data"), ligand.path("other-name")).expect("a link");
    std::os::unix::fs::symlink(ligand.path("ligand-data/ligand.db"), ligand.path("linked.db")).expect("a link");
    for arguments in [
        ["serve"].as_slice(),
        &["serve", "--data-dir", "other-name"],
        &["serve", "--database-url", "sqlite:linked.db"],
        &["serve", "--clone"],
        &["restore", "--mark"],
    ] {
        refused(&ligand.run(arguments), "a server is running on this database");
    }
    for arguments in [["users", "list"].as_slice(), &["keys", "status"], &["migrate"], &["backup", "copy.db"]] {
        let ended = ligand.run(arguments);
        assert!(ended.success, "{arguments:?}: {ended:?}");
    }
    runtime().block_on(async {
        Caller::anonymous(&first.url).get("/elements").await.ok();
    });
    // Another database in the same directory is none of its business.
    let other = ["--database-url", "sqlite:ligand-data/other.db", "--master-key-file", "ligand-data/master.key"];
    drop(ligand.serve(&other));
    // It is killed, and its lock dies with it.
    assert_eq!(first.stop(Signal::Kill).0, 128 + 9);
    let again = ligand.serve(&[]);
    assert!(ligand.run(&["users", "list"]).success);
    assert_eq!(again.stop(Signal::Terminate).0, 0);
}

/// Commands that ended leave nothing behind that belongs to the file.
#[test]
fn the_file_is_whole_after_commands_too() {
    let ligand = with_admin();
    assert!(ligand.run(&["migrate"]).success);
    assert_eq!(ligand.files(), ["ligand-data/ligand.db"]);
    let server = ligand.serve(&[]);
    // It writes no more by then.
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.stop(Signal::Terminate).0, 0);
    assert!(ligand.run(&["users", "create", "jo@example.com"]).success);
    assert!(ligand.run(&["keys", "rotate", "--session"]).success);
    let beside = |file: &String| file.ends_with("-wal") || file.ends_with("-shm");
    assert!(!ligand.files().iter().any(beside), "{:?}", ligand.files());
}
