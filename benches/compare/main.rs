//! `make bench`: what Ligand adds to the raw thing, each row against its own baseline in the same run. Both sides share the
//! cores with the load generator, so rows compare and heights do not.

#![allow(
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    unused_macros,
    reason = "a benchmark may fail loudly and print; it uses a part of the tests' support"
)]

mod load;
mod rows;
mod start;

#[path = "../../tests/support/mod.rs"]
mod support;

use support::Database;

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` must not start a measurement.
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return;
    }
    // With its log, as it runs in earnest; `make bench` sends that to a file.
    ligand::telemetry::start("info").expect("a log");
    println!("{:<44} {:>12} {:>12} {:>8} {:>8}", "", "Ligand", "baseline", "ratio", "aim");
    start::measure();
    rows::measure("SQLite", Database::sqlite());
    match Database::postgres() {
        Some(database) => rows::measure("PostgreSQL", database),
        None => println!("PostgreSQL: none on this machine, skipped"),
    }
}
