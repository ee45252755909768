//! Settings: every flag is also an environment variable, and `--help` is their documentation.

mod audit;
mod moving;
mod organizations;
mod outbound;
pub mod secret_source;
mod storage;
mod users;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::TimeDelta;
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{ArgGroup, Args, CommandFactory, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use url::Url;

use crate::kernel::secret::Secret;
use secret_source::SecretFile;

pub use audit::Audit;
pub use moving::{Export, Import, Mapping, System};
pub use organizations::{NewLimit, Organizations};
pub use outbound::Outbound;
pub use storage::Storage;
pub use users::{OneUser, UserPassword, Users};

/// Connects your application to your customers' SaaS accounts.
#[derive(Parser)]
#[command(name = "ligand", version, about, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line and the environment.
    ///
    /// # Errors
    /// What clap says, and a secret on the command line.
    pub fn read() -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches()?;
        let refused =
            |reason| clap::Error::raw(ErrorKind::ValueValidation, format!("{reason}\n")).with_cmd(&Self::command());
        secret_source::refuse_on_command_line(&matches).map_err(refused)?;
        Self::from_arg_matches(&matches)
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Run the server
    Serve(Box<Serve>),
    /// Bring the database's schema up to date, and exit
    Migrate(Storage),
    /// Copy the SQLite database into a new file, beside a running server or without one
    Backup {
        #[command(flatten)]
        storage: Storage,
        /// The file to write; only its owner may read it
        file: PathBuf,
    },
    /// Put a backup in the place of the SQLite database, or mark a database that other tools restored
    ///
    /// Afterwards access tokens are used while they are good, and no refresh token is sent until `ligand resume`.
    Restore {
        #[command(flatten)]
        storage: Storage,
        #[command(flatten)]
        catalogue: Catalogue,
        /// A file that `ligand backup` wrote
        #[arg(required_unless_present = "mark")]
        file: Option<PathBuf>,
        /// Mark the database of the settings as restored: a copy that was made with other tools
        #[arg(long, conflicts_with = "file")]
        mark: bool,
    },
    /// Say that nothing else uses the refresh tokens of a database that was restored, copied or moved
    Resume(Storage),
    /// Keys that seal secrets
    #[command(subcommand)]
    Keys(Keys),
    /// Users and their organizations
    #[command(subcommand)]
    Users(Users),
    /// Break glass: end grants at their vendors, and make their instances invalid
    ///
    /// Beside running servers, or without any; with their settings, because it speaks with the vendors itself. Ends when 0 are
    /// left, and names those that it cannot end. May be interrupted at any moment: run it again, and it goes on with the rest.
    Revoke(Box<Revoke>),
    /// Erase a customer: end their grants at the vendors, then remove every row that is theirs or names them
    ///
    /// Beside running servers, or without any; with their settings. Says what was erased, in numbers. Backups, logs, and what your
    /// receivers of notices keep, it does not reach.
    Forget(Box<Forget>),
    /// Bring instances in, with the tokens that they have elsewhere: JSON lines, encrypted with age or not
    ///
    /// Beside running servers, or without any. Asks no vendor. Prints what became of each line as a JSON line, and ends with status 1
    /// where one failed. May be interrupted at any moment, and repeated: a line that made an instance finds it.
    Import(Box<Import>),
    /// Write the instances of an organization, with every secret of theirs, as JSON lines that `ligand import` reads, encrypted with
    /// age
    Export(Box<Export>),
    /// The audit log: who changed what
    #[command(subcommand)]
    Audit(Audit),
    /// Organizations, and how much each may have
    #[command(subcommand)]
    Organizations(Organizations),
    /// The catalogue of elements
    #[command(subcommand)]
    Elements(Elements),
    /// Print the OpenAPI document
    Openapi {
        /// The version to print: 3.1 or 3.0
        #[arg(long, default_value = "3.1", value_parser = ["3.1", "3.0"])]
        version: String,
    },
}

#[derive(Subcommand)]
pub enum Keys {
    /// Print a fresh key for LIGAND_MASTER_KEY
    ///
    /// Its last word, `bound`, is a mark: under this key nothing opens that is not sealed for its owner. A key that has sealed
    /// before seals were bound to owners gets the mark after `ligand keys rotate`.
    New,
    /// Say which key seals how much, what is not bound to its owner yet, and whether an old key can be dropped
    Status {
        #[command(flatten)]
        storage: Storage,
    },
    /// Seal everything under the first key of the ring, bound to its owner, beside running servers
    ///
    /// May be interrupted at any moment: run it again, and it goes on with the rest. For a new key put it first and restart all
    /// servers with that ring before. Where values are not bound to their owners yet it also binds them, under the same key or a
    /// new one: older versions cannot run on the database afterwards, so update every server first.
    Rotate {
        #[command(flatten)]
        storage: Storage,
        /// Instead make a new key that signs session tokens; tokens of the old one stay good until they expire
        #[arg(long)]
        session: bool,
        /// Instead make a new key that secrets are found by; the old one goes after 25 hours
        #[arg(long)]
        lookup: bool,
    },
}

#[derive(Args)]
#[command(group = ArgGroup::new("scope").args(["all", "element", "organization"]).required(true).multiple(true))]
pub struct Revoke {
    #[command(flatten)]
    pub storage: Storage,
    #[command(flatten)]
    pub catalogue: Catalogue,
    #[command(flatten)]
    pub outbound: Outbound,
    /// Every grant of every organization
    #[arg(long, conflicts_with_all = ["element", "organization"])]
    pub all: bool,
    /// Those of one element
    #[arg(long, value_name = "KEY")]
    pub element: Option<String>,
    /// Those of one organization
    #[arg(long, value_name = "ID")]
    pub organization: Option<i64>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args)]
pub struct Forget {
    #[command(flatten)]
    pub storage: Storage,
    #[command(flatten)]
    pub catalogue: Catalogue,
    #[command(flatten)]
    pub outbound: Outbound,
    /// The id that the organization knows the customer by
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub external_id: String,
    /// Only this organization's customer; default: of every organization
    #[arg(long, value_name = "ID")]
    pub organization: Option<i64>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Subcommand)]
pub enum Elements {
    /// Check the element files; tells file, line and reason
    Check {
        #[command(flatten)]
        catalogue: Catalogue,
    },
    /// Say that an element whose file changed leads to the same vendor as before: what is stored for it is sent there again
    Trust(Box<Trust>),
    /// Play a recorded reply of the vendor through an element's file, and show what is read; secrets are masked
    Try(Try),
}

#[derive(Args)]
pub struct Try {
    #[command(flatten)]
    pub catalogue: Catalogue,
    /// The element's key
    pub key: String,
    /// The reply: status line, headers and body, as `curl -i` writes them, or a body alone
    #[arg(long, value_name = "FILE")]
    pub reply: PathBuf,
    /// What it answers; by default the token call, or the verification where the element has no OAuth 2.0
    #[arg(long, value_enum)]
    pub call: Option<Call>,
}

/// A call to a vendor whose reply an element's file explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Call {
    Token,
    Verification,
    Introspection,
}

#[derive(Args)]
pub struct Trust {
    #[command(flatten)]
    pub storage: Storage,
    #[command(flatten)]
    pub catalogue: Catalogue,
    /// The element's key
    pub key: String,
}

/// Where elements come from.
#[derive(Args, Clone)]
pub struct Catalogue {
    /// A directory of element files that add to the built-in ones or replace them by key
    #[arg(long, env = "LIGAND_ELEMENTS_DIR", value_name = "DIR")]
    pub elements_dir: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub struct Serve {
    #[command(flatten)]
    pub storage: Storage,
    #[command(flatten)]
    pub catalogue: Catalogue,
    /// The address to listen on
    #[arg(long, env = "LIGAND_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// An address of its own for what browsers of customers and vendors reach: the callback, and the connect pages with their
    /// script. LIGAND_LISTEN does not serve them then
    #[arg(long, env = "LIGAND_PUBLIC_LISTEN", value_name = "ADDRESS")]
    pub public_listen: Option<SocketAddr>,
    /// An address of its own for /metrics, /docs and the API's document. LIGAND_LISTEN does not serve them then
    #[arg(long, env = "LIGAND_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
    /// Where browsers and callers reach this server; default: http://localhost:PORT
    #[arg(long, env = "LIGAND_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,
    /// The first administrator's address, used on an empty database
    #[arg(long, env = "LIGAND_ADMIN_EMAIL", default_value = "admin@localhost", value_name = "EMAIL")]
    pub admin_email: String,
    #[arg(long, env = "LIGAND_ADMIN_PASSWORD", hide = true, hide_env_values = true)]
    admin_password: Option<Secret>,
    /// A file with the first administrator's password, `-` for standard input, or LIGAND_ADMIN_PASSWORD holds it; default: a
    /// random one, shown once
    #[arg(long, env = "LIGAND_ADMIN_PASSWORD_FILE", value_name = "FILE", value_parser = SecretFile::read, conflicts_with = "admin_password")]
    admin_password_file: Option<SecretFile>,
    #[command(flatten)]
    pub outbound: Outbound,
    /// Origins of pages that may call from a browser (comma separated)
    #[arg(long, env = "LIGAND_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGIN")]
    pub cors_origins: Vec<String>,
    /// Proxies whose X-Forwarded-For counts (CIDR, comma separated)
    #[arg(long, env = "LIGAND_TRUSTED_PROXIES", value_delimiter = ',', value_name = "CIDR")]
    pub trusted_proxies: Vec<IpNet>,
    /// Whether the catalogue and oauth/url answer callers without credentials
    #[arg(long, env = "LIGAND_ANONYMOUS_CATALOG", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub anonymous_catalog: bool,
    /// Let hubspotcrm and hubspot speak with a vendor that is part of this program; loopback only, own data
    #[arg(long)]
    pub sandbox: bool,
    /// Where the sandbox vendor listens
    #[arg(long, env = "LIGAND_SANDBOX_LISTEN", default_value = "127.0.0.1:8081")]
    pub sandbox_listen: SocketAddr,
    /// Seconds from SIGTERM on in which the port stays open, `/health/ready` says 503 and every answer ends its connection, so
    /// that proxies notice
    #[arg(long, env = "LIGAND_DRAIN", default_value_t = 0, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=600))]
    pub drain: u16,
    /// Days that rows of the audit log stay
    #[arg(long, env = "LIGAND_AUDIT_KEEP", default_value_t = 365, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(1..=3650))]
    audit_keep: u16,
    /// What is logged: error, warn, info, debug, trace, or a filter by module
    #[arg(long, env = "LIGAND_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// Look at a copy of a database: nothing is refreshed, no vendor and no receiver of notices is called
    #[arg(long)]
    pub clone: bool,
    /// Check settings, elements and keys, and exit
    #[arg(long)]
    pub check: bool,
    /// Treat an unknown LIGAND_ variable as an error
    #[arg(long)]
    pub strict: bool,
}

impl Serve {
    /// What the operator has set for the first administrator.
    pub fn admin_password(&self) -> Option<&Secret> {
        self.admin_password.as_ref().or(self.admin_password_file.as_ref().map(|file| &file.content))
    }

    /// How long rows of the audit log stay.
    pub fn audit_kept_for(&self) -> TimeDelta {
        TimeDelta::days(self.audit_keep.into())
    }

    /// Without a trailing slash.
    pub fn public_url(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://localhost:{}", self.listen.port()),
        }
    }
}

/// Set by people who call the server from the same shell: the sandbox tells them to.
const OF_CALLERS: [&str; 2] = ["LIGAND_USER", "LIGAND_ORGANIZATION"];

/// `LIGAND_` variables that no setting reads: most likely misspelt. Those that Kubernetes injects for a service called
/// `ligand` are none of ours.
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = known_variables(&Cli::command());
    known.extend(OF_CALLERS.map(str::to_owned));
    let injected = |name: &str| name.contains("_SERVICE_") || name.contains("_PORT");
    names.filter(|name| name.starts_with("LIGAND_") && !known.contains(name) && !injected(name)).collect()
}

fn known_variables(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(known_variables)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_noticed_and_injected_ones_are_not() {
        let names = ["LIGAND_LISTEN", "LIGAND_LISTN", "LIGAND_SERVICE_HOST", "LIGAND_PORT_80_TCP", "PATH"];
        assert_eq!(unknown_variables(names.iter().map(ToString::to_string)), ["LIGAND_LISTN"]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
