//! `cargo bench --bench compare -- against OLD_BINARY`: the program before a change and the one with it, side by side as
//! they run in earnest. The old one runs twice: what two equals differ by is the control. Where a busy machine makes even
//! equals differ too much, the processor time of a call decides.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use crate::load::{http, rate};
use crate::proxy::upstream::{self, CONTACTS};
use crate::proxy::{element, new_instance};
use crate::sides::{WINDOW, extent, in_rounds, median, side};
use crate::support::Database;
use crate::support::caller::BASE;
use crate::support::database::runtime;
use crate::support::program::{ADMIN, Ligand, PROGRAM, Serving};
use crate::support::server::{MASTER_KEY, PASSWORD};

/// Odd: the median counts.
const ROUNDS: usize = 25;
const CALLERS: usize = 32;
/// What a row may be worse by.
const BOUND: f64 = 0.03;
/// A control that differs by more says that the machine was too busy to tell.
const BUSY: f64 = 0.10;

/// The paths of the old program and, where it is not this build's, of the new one.
pub fn measure(programs: &[String]) -> ExitCode {
    let (old, new) = match programs {
        [old] => (old.as_str(), PROGRAM),
        [old, new] => (old.as_str(), new.as_str()),
        _ => {
            println!("usage: cargo bench --bench compare -- against OLD_BINARY [NEW_BINARY]");
            return ExitCode::FAILURE;
        }
    };
    let [Some(old), Some(new)] = [old, new].map(absolute) else { return ExitCode::FAILURE };
    println!("old: {}\nnew: {}", old.display(), new.display());
    print_line("", ["OLD /s", "NEW /s", "NEW/OLD", "OLD/OLD (control)", "time/call (control)"]);
    let rows: Vec<Row> = runtime().block_on(async {
        let mut rows = measure_on("SQLite", || Some(None), &old, &new).await;
        rows.extend(measure_on("PostgreSQL", || Database::empty_postgres().map(Some), &old, &new).await);
        rows
    });
    // What processor times of equals differ by, of all rows: each has one figure and no spread.
    let noise = rows.iter().map(|row| (row.cost_control - 1.0).abs()).fold(0.0, f64::max);
    let worse: Vec<&str> = rows.iter().filter(|row| row.is_worse(noise)).map(|row| row.name.as_str()).collect();
    let busy = rows.iter().filter(|row| row.is_busy()).count();
    if busy > 0 {
        let control = format!("the control of {busy} rows differs by more than {:.0} %", BUSY * 100.0);
        println!("the machine was busy: {control}, so the processor time of a call decides there");
    }
    let rule = format!("worse by more than {:.0} % or the control's spread, whichever is more", BOUND * 100.0);
    match worse.as_slice() {
        [] => {
            println!("within the bound: no row {rule}");
            ExitCode::SUCCESS
        }
        worse => {
            println!("not within the bound: {rule}: {}", worse.join("; "));
            ExitCode::FAILURE
        }
    }
}

/// Programs run in directories of their own.
fn absolute(path: &str) -> Option<PathBuf> {
    let found = Path::new(path).canonicalize().ok().filter(|path| path.is_file());
    if found.is_none() {
        println!("{path} is no program");
    }
    found
}

/// A database for each program; `None` inside is the SQLite file of the program's own directory.
type Fresh = fn() -> Option<Option<Database>>;

async fn measure_on(name: &str, fresh: Fresh, old: &Path, new: &Path) -> Vec<Row> {
    let upstream = upstream::serve().await;
    let elements = tempfile::tempdir().expect("a directory");
    std::fs::write(elements.path().join("benchvendor.toml"), element(upstream)).expect("an element file");
    let mut sides = Vec::new();
    for program in [new, old, old] {
        let Some(database) = fresh() else {
            println!("{name}: none on this machine, skipped");
            return Vec::new();
        };
        sides.push(Side::start(program, database, elements.path()).await);
    }
    let mut rows = Vec::new();
    for (call, request) in CALLS {
        let rates: Vec<_> = sides.iter().map(|program| side(move || program.rate(request))).collect();
        sides.iter().for_each(Side::forget_costs);
        let rates = in_rounds(&rates, extent(ROUNDS, 1)).await;
        let costs = sides.iter().map(Side::cost).collect();
        let row = Row::of(format!("{call}, {name}"), &rates, costs);
        row.print();
        rows.push(row);
    }
    rows
}

/// A running program with an instance.
struct Side {
    address: SocketAddr,
    caller: String,
    id: i64,
    token: String,
    /// Processor time and calls of the row so far.
    spent: Cell<(u64, f64)>,
    serving: Serving,
    _ligand: Ligand,
    _database: Option<Database>,
}

type Request = fn(&Side) -> Vec<u8>;

const CALLS: [(&str, Request); 4] = [
    ("passthrough of 1 KB", |side| side.get("/vendor/1k", &format!("Element {}", side.token))),
    ("hub list of 100 objects", |side| {
        let token = format!("Element {}, {}", side.token, side.caller);
        side.get("/hubs/crm/contacts?pageSize=100", &token)
    }),
    ("POST /instances", |side| http("POST", &format!("{BASE}/instances"), &side.caller, &new_instance().to_string())),
    ("GET /instances/{id}", |side| side.get(&format!("{BASE}/instances/{}", side.id), &side.caller)),
];

impl Side {
    async fn start(program: &Path, database: Option<Database>, elements: &Path) -> Self {
        let url = database.as_ref().map_or("", |database| &database.url);
        let ligand = Ligand::of(program)
            .with_admin()
            .set("DATABASE_URL", url)
            .set("LIGAND_MASTER_KEY", MASTER_KEY)
            .set("LIGAND_OUTBOUND_ALLOW", "127.0.0.0/8")
            .set("LIGAND_ELEMENTS_DIR", &elements.display().to_string());
        let serving = ligand.serve(&[]);
        let caller = serving.sign_in(ADMIN, PASSWORD).await;
        let created = caller.post("/instances", &new_instance()).await.ok();
        Self {
            address: serving.url.trim_start_matches("http://").parse().expect("an address"),
            id: created["id"].as_i64().expect("an id"),
            token: created["token"].as_str().expect("a token").to_owned(),
            caller: caller.authorization.expect("an authorization"),
            spent: Cell::default(),
            serving,
            _ligand: ligand,
            _database: database,
        }
    }

    fn get(&self, path: &str, authorization: &str) -> Vec<u8> {
        http("GET", path, authorization, "")
    }

    async fn rate(&self, request: Request) -> f64 {
        let request = request(self);
        let (started, ticks) = (Instant::now(), self.serving.processor_ticks());
        let rate = rate(self.address, CALLERS, WINDOW, move |_| request.clone()).await;
        let (spent, calls) = self.spent.get();
        let spent = spent + self.serving.processor_ticks() - ticks;
        self.spent.set((spent, calls + rate * started.elapsed().as_secs_f64()));
        rate
    }

    fn forget_costs(&self) {
        self.spent.set((0, 0.0));
    }

    /// Ticks of a call.
    fn cost(&self) -> f64 {
        let (spent, calls) = self.spent.get();
        spent as f64 / calls
    }
}

/// What the rounds gave for one kind of call.
struct Row {
    name: String,
    old: f64,
    new: f64,
    change: Ratio,
    control: Ratio,
    /// Of the processor time of a call; above 1 is worse.
    cost: f64,
    cost_control: f64,
}

/// The median of the rounds' own ratios, and half of the distance between their quartiles.
struct Ratio {
    median: f64,
    spread: f64,
}

impl Ratio {
    fn of(ours: &[f64], base: &[f64]) -> Self {
        let mut ratios: Vec<f64> = ours.iter().zip(base).map(|(ours, base)| ours / base).collect();
        ratios.sort_by(f64::total_cmp);
        let spread = (ratios[ratios.len() * 3 / 4] - ratios[ratios.len() / 4]) / 2.0;
        Self { median: median(ratios), spread }
    }
}

impl std::fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:.3} ± {:.3}", self.median, self.spread)
    }
}

impl Row {
    /// Of the new program, the old one, and the old one once more.
    fn of(name: String, rates: &[Vec<f64>], costs: Vec<f64>) -> Self {
        let (new, old, again) = (&rates[0], &rates[1], &rates[2]);
        Self {
            name,
            old: median(old.clone()),
            new: median(new.clone()),
            change: Ratio::of(new, old),
            control: Ratio::of(again, old),
            cost: costs[0] / costs[1],
            cost_control: costs[2] / costs[1],
        }
    }

    /// Two equals may differ throughout too, by where their memory came to lie.
    fn bound(&self) -> f64 {
        BOUND.max(self.control.spread).max((self.control.median - 1.0).abs())
    }

    fn is_busy(&self) -> bool {
        self.bound() > BUSY
    }

    fn is_worse(&self, noise: f64) -> bool {
        if self.is_busy() {
            return self.cost > 1.0 + BOUND.max(noise);
        }
        self.change.median < 1.0 - self.bound()
    }

    fn print(&self) {
        let [old, new] = [self.old, self.new].map(|rate| format!("{rate:.0}"));
        let [change, control] = [&self.change, &self.control].map(Ratio::to_string);
        let cost = format!("{:.3} ({:.3})", self.cost, self.cost_control);
        print_line(&self.name, [&old, &new, &change, &control, &cost]);
    }
}

fn print_line(name: &str, [old, new, change, control, cost]: [&str; 5]) {
    println!("{name:<36} {old:>8} {new:>8} {change:>15} {control:>18} {cost:>20}");
}
