//! A change of the master key with 100,000 credentials, while calls go on, killed in the middle and resumed.

use crate::sides::extent;
use crate::support::Database;
use crate::support::database::runtime;
use crate::support::key_change::change_key;
use crate::support::program::with_admin;

const CREDENTIALS: i64 = 100_000;

/// No baseline: a duration, and the promise that no call fails.
pub fn measure(name: &str, database: &Database) {
    let ligand = with_admin().set("DATABASE_URL", &database.url);
    let many = extent(CREDENTIALS, 3_000);
    let report = runtime().block_on(change_key(ligand, database, many));
    let seconds = (report.until_killed + report.resumed).as_secs_f64();
    println!(
        "{:<54} {seconds:>8.1} s  with a kill after {:.1} s; {} calls meanwhile, none failed",
        format!("re-sealing {many} credentials, {name}"),
        report.until_killed.as_secs_f64(),
        report.calls
    );
}
