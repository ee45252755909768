//! `make bench`: what Ligand adds to the raw thing, each row against its own baseline in the same run, and again with a
//! million instances stored. Both sides share the cores with the load generator, so rows compare and heights do not. With
//! `against OLD_BINARY` another build of the program instead of the raw thing (`against.rs`).

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

mod against;
mod fairness;
mod key_change;
mod load;
mod open_loop;
mod proxy;
mod rows;
mod sides;
mod start;
mod tokens;

#[path = "../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::atomic::Ordering;

use support::Database;

fn main() -> ExitCode {
    // `cargo test --benches` and `cargo bench -- --list` must not start a measurement.
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return ExitCode::SUCCESS;
    }
    sides::BRIEF.store(std::env::args().any(|argument| argument == "--brief"), Ordering::Relaxed);
    // All of it, or what is named: `cargo bench -- proxy`.
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if let Some(("against", programs)) = named.split_first().map(|(part, rest)| (part.as_str(), rest)) {
        return against::measure(programs);
    }
    let wanted = |part: &str| named.is_empty() || named.iter().any(|name| name == part);
    // With its log, as it runs in earnest: `make bench` sends it to a file.
    ligand::telemetry::start("info").expect("a log");
    rows::line("", "Ligand", "baseline", "ratio", "aim");
    if wanted("start") {
        start::measure();
    }
    if wanted("proxy") {
        proxy::measure([Database::sqlite(), Database::sqlite()]);
    }
    if wanted("tokens") {
        tokens::measure_warm();
    }
    for (name, fresh) in [("SQLite", (|| Some(Database::sqlite())) as fn() -> _), ("PostgreSQL", Database::postgres)] {
        let (Some(one), Some(other)) = (fresh(), fresh()) else {
            println!("{name}: none on this machine, skipped");
            continue;
        };
        if wanted("rows") {
            rows::measure(name, [one, other]);
        }
        if wanted("tokens") {
            fresh().into_iter().for_each(|database| tokens::measure_refreshes(name, database));
        }
        if wanted("fairness") {
            fresh().into_iter().for_each(|database| fairness::measure(name, database));
        }
        if wanted("keys") {
            fresh().into_iter().for_each(|database| key_change::measure(name, &database));
        }
    }
    ExitCode::SUCCESS
}
