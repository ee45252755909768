//! The command line: what an operator can do beside the API.

mod age_file;
mod audit;
mod backup;
mod data_lock;
mod database;
mod elements;
mod export;
mod first_login;
mod forget;
mod import;
mod key_ring;
mod keys;
pub mod memory_image;
mod nango;
mod organizations;
mod port;
mod postgres_tools;
mod restore;
mod revoke;
pub mod sandbox_vendor;
pub mod serve;
mod shutdown;
mod sockets;
mod try_reply;
mod users;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::TimeDelta;

use crate::catalog;
use crate::config::{Catalogue, Cli, Command, Elements, Outbound, Storage};
use crate::kernel::clock::SystemClock;
use crate::kernel::entropy::SystemEntropy;
use crate::kernel::error::ApiError;
use crate::kernel::request_id::RequestId;
use crate::outbound::Guard;
use crate::service::Services;
use crate::telemetry;

/// What ends a command: one line for the terminal.
pub type Ended = Result<(), String>;

/// Runs a command to its end.
pub fn main(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime does not start: {error}")),
    };
    let ended = runtime.block_on(run(cli.command));
    // What still runs was given up: nobody waits for a query that hangs.
    runtime.shutdown_background();
    let status = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => failed(&reason),
    };
    telemetry::end();
    status
}

fn failed(reason: &str) -> ExitCode {
    telemetry::say(&format!("ligand: {reason}"));
    ExitCode::FAILURE
}

async fn run(command: Command) -> Ended {
    crate::tls::install();
    // What a command writes to the log is found together, as what a call does; a server has its calls.
    match matches!(command, Command::Serve(_)) {
        true => carry_out(command).await,
        false => RequestId::draw(&SystemEntropy).scope(carry_out(command)).await,
    }
}

async fn carry_out(command: Command) -> Ended {
    match command {
        Command::Serve(settings) => serve::serve(*settings).await,
        Command::Migrate(storage) => migrate(&storage).await,
        Command::Backup { storage, file } => backup::run(&storage, file).await,
        Command::Restore { storage, catalogue, file, .. } => restore::run(&storage, &catalogue, file).await,
        Command::Resume(storage) => restore::resume(&storage).await,
        Command::Keys(command) => keys::run(command).await,
        Command::Users(command) => users::run(command).await,
        Command::Revoke(command) => revoke::run(*command).await,
        Command::Forget(command) => forget::run(*command).await,
        Command::Import(command) => import::run(*command).await,
        Command::Export(command) => export::run(*command).await,
        Command::Audit(command) => audit::run(command).await,
        Command::Organizations(command) => organizations::run(command).await,
        Command::Elements(Elements::Check { catalogue }) => {
            match catalog::load::check(catalogue.elements_dir.as_deref()) {
                Ok(count) => print(&format!("{count} elements are fine")),
                Err(complaints) => Err(serve::complaints_text(&complaints)),
            }
        }
        Command::Elements(Elements::Trust(command)) => elements::trust(*command).await,
        Command::Elements(Elements::Try(command)) => try_reply::run(&command),
        Command::Openapi { version } if version == "3.0" => print(crate::http::openapi::text_30().trim_end()),
        Command::Openapi { .. } => print(crate::http::openapi::text().trim_end()),
    }
}

/// Writes to standard output without holding up anything else: whoever reads it may have stopped to.
async fn show(text: String) -> Ended {
    let written = tokio::task::spawn_blocking(move || std::io::stdout().write_all(text.as_bytes())).await;
    written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn print(text: &str) -> Ended {
    writeln!(std::io::stdout(), "{text}").map_err(|error| error.to_string())
}

async fn migrate(storage: &Storage) -> Ended {
    let store = database::create(storage)?;
    let migrated = store.migrate().await;
    let names = database::close(&store, Ok(())).await.and(migrated.map_err(|fault| fault.to_string()))?;
    match names.len() {
        0 => print("the schema is up to date"),
        count => print(&format!("{count} migrations were run: {}", names.join(", "))),
    }
}

/// What most commands beside `serve` work with: no catalogue of their own, nothing is sent.
async fn services(storage: &Storage) -> Result<Services, String> {
    services_with(storage, None).await
}

async fn services_with(storage: &Storage, elements_dir: Option<&Path>) -> Result<Services, String> {
    build(storage, elements_dir, Guard::default(), None).await
}

/// The same for commands that speak with vendors, as the server would.
async fn services_calling(storage: &Storage, catalogue: &Catalogue, outbound: &Outbound) -> Result<Services, String> {
    let proxy = outbound.proxy().map(|proxy| proxy.expose().to_owned());
    let guard = Guard::new(outbound.outbound_allow.clone(), None);
    let services = build(storage, catalogue.elements_dir.as_deref(), guard, proxy).await?;
    // Where secrets may go, as the operator said of changed files: a server hears of it through its change feed.
    services.read_secret_places().await.map_err(|fault| fault.to_string())?;
    Ok(services)
}

async fn build(
    storage: &Storage,
    elements_dir: Option<&Path>,
    guard: Guard,
    proxy: Option<String>,
) -> Result<Services, String> {
    let catalog = catalog::Catalog::load(elements_dir).map_err(|complaints| serve::complaints_text(&complaints))?;
    let (store, ring) = database::unlocked(storage).await?;
    let build = serve::Build {
        catalog,
        store,
        ring,
        guard,
        proxy,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        // Commands answer no browser.
        public_url: "http://localhost".parse().map_err(|error| format!("{error}"))?,
        anonymous_catalog: false,
        // Commands remove nothing for its age.
        audit_kept_for: TimeDelta::MAX,
    };
    build.services().await.map_err(|error| told(&error))
}

/// An error for the terminal: the operator may see the cause.
pub fn told(error: &ApiError) -> String {
    match &error.source {
        Some(source) => format!("{} ({source})", error.message),
        None => error.message.clone(),
    }
}
