//! Decisions that go by the wording of other libraries, because these have no kinds for them: each real text is made here, so that
//! another wording is noticed where it is harmless.

use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::result::Error;
use diesel::{Connection as _, PgConnection, SqliteConnection};
use ligand::store::StoreFault;
use tempfile::TempDir;

use crate::support::Database;

/// Signs of `store/fault.rs` whose texts are not made here, and why.
const NOT_MADE: &[(&str, &str)] = &[
    ("disk I/O error", "a disk that fails: `proofs/disk.rs` and `proofs/full_disk.rs` have one"),
    ("connection to server", "of a connection that is opened, as a pooler passes it on: `store/outage.rs`"),
    ("could not connect", "the same, of servers before PostgreSQL 14"),
    ("the database system is", "the same, of a server that starts or stops: `store/outage.rs`"),
    ("remaining connection slots", "the same, of a server with no room"),
    ("terminating connection", "a server says it, and closes: which of both is read first is chance"),
    ("could not receive data from server", "a network that breaks"),
    ("could not send data to server", "a network that breaks"),
    ("SSL connection has been closed", "a network that breaks under TLS"),
];

/// The text, of what is an outage.
fn outage(error: Error) -> String {
    match StoreFault::from(error) {
        StoreFault::Unavailable(text) => text,
        other => panic!("it is no outage: {other}"),
    }
}

fn sqlite_texts() -> Vec<String> {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("wording.db");
    let open = || SqliteConnection::establish(path.to_str().expect("a text")).expect("the file opens");
    let (mut holder, mut other) = (open(), open());
    holder.batch_execute("CREATE TABLE t (x BLOB); BEGIN EXCLUSIVE").expect("it is held");
    let locked = outage(other.batch_execute("BEGIN IMMEDIATE").expect_err("it is held"));
    // What `switch_to_wal` waits for.
    let wal = other.batch_execute("PRAGMA journal_mode = WAL").expect_err("it is held");
    assert!(matches!(&wal, Error::DatabaseError(_, info) if info.message().contains("locked")), "{wal}");
    holder.batch_execute("COMMIT; PRAGMA max_page_count = 4").expect("it is small");
    let full = holder.batch_execute("INSERT INTO t VALUES (zeroblob(100000))").expect_err("it is full");
    vec![locked, outage(full)]
}

/// None where there is no PostgreSQL.
fn postgres_texts() -> Option<Vec<String>> {
    let database = Database::postgres()?;
    let open = || PgConnection::establish(&database.url).expect("PostgreSQL answers");
    let (mut holder, mut other) = (open(), open());
    holder.batch_execute("CREATE TABLE wording_a (); CREATE TABLE wording_b ()").expect("tables");
    let mut texts = Vec::new();
    let late = other.batch_execute("SET statement_timeout = 20; SELECT pg_sleep(10)").expect_err("it is late");
    texts.push(outage(late));
    holder.batch_execute("BEGIN; LOCK TABLE wording_a").expect("it is held");
    // What was set with the statement that failed went with it.
    other.batch_execute("SET lock_timeout = 20").expect("it is set");
    let locked = other.batch_execute("BEGIN; LOCK TABLE wording_a").expect_err("it is held");
    texts.push(outage(locked));

    // Each waits for the other: the one whose patience is over first is told so.
    other.batch_execute("ROLLBACK; RESET lock_timeout; BEGIN; LOCK TABLE wording_b").expect("it is held");
    let both = std::thread::spawn(move || {
        let ended = holder.batch_execute("LOCK TABLE wording_b");
        drop(holder.batch_execute("ROLLBACK"));
        ended
    });
    let ours = other.batch_execute("LOCK TABLE wording_a");
    drop(other.batch_execute("ROLLBACK"));
    let theirs = both.join().expect("it ends");
    texts.push(outage(ours.and(theirs).expect_err("one of them gives way")));

    let ended = other.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").expect_err("it is over");
    texts.push(outage(ended));
    texts.push(outage(other.batch_execute("SELECT 1").expect_err("nobody is there")));
    Some(texts)
}

#[test]
fn every_sign_of_an_outage_is_in_a_real_text() {
    let source =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/fault.rs")).expect("it is there");
    let list =
        source.split("const SIGNS: &[&str] = &[").nth(1).and_then(|rest| rest.split("];").next()).expect("a list");
    let signs: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(signs.len() > 10, "{signs:?}");
    let mut texts = sqlite_texts();
    let Some(of_postgres) = postgres_texts() else { return };
    texts.extend(of_postgres);
    for sign in &signs {
        let made = texts.iter().any(|text| text.contains(sign));
        let excused = NOT_MADE.iter().any(|(known, _)| known == sign);
        assert!(made || excused, "`{sign}` is in none of {texts:#?}");
    }
    for (sign, _) in NOT_MADE {
        assert!(signs.contains(sign), "`{sign}` is no sign any more");
    }
    for text in &texts {
        assert!(signs.iter().any(|sign| text.contains(sign)), "{text}");
    }
}
