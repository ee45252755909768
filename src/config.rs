//! Settings: every flag is also an environment variable, and `--help` is their documentation.

pub mod secret_source;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::OnceLock;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{ArgGroup, Args, CommandFactory, FromArgMatches as _, Parser, Subcommand};
use ipnet::IpNet;
use url::Url;

use crate::kernel::secret::Secret;
use crate::store::limits::Limit;
use crate::store::{Address, Pooler};
use secret_source::SecretFile;

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
    New,
    /// Say which key seals how much, and whether an old one can be dropped
    Status {
        #[command(flatten)]
        storage: Storage,
    },
    /// Seal everything under the first key of the ring, beside running servers
    ///
    /// May be interrupted at any moment: run it again, and it goes on with the rest. Put the new key first and restart all
    /// servers with that ring before.
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
pub enum Organizations {
    /// List the organizations
    List {
        #[command(flatten)]
        storage: Storage,
    },
    /// Show what an organization may have and has, or set it
    ///
    /// A running server knows within seconds.
    Limit {
        #[command(flatten)]
        storage: Storage,
        /// The organization's number
        id: i64,
        /// `instances`, `links`, `idempotencyKeys`, `authorizations`, `bytes` or `requests` (a minute, to each process), with a
        /// number or `default`
        #[arg(value_name = "KIND=N", value_parser = NewLimit::from_str)]
        limits: Vec<NewLimit>,
    },
}

/// A limit with its value; none: the default.
#[derive(Debug, Clone, Copy)]
pub struct NewLimit(pub Limit, pub Option<u64>);

impl std::str::FromStr for NewLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write KIND=N, such as instances=5000")?;
        let limit = Limit::named(name).ok_or_else(|| {
            let names: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
            format!("the kinds are {}", names.join(", "))
        })?;
        let value = match value {
            "default" => None,
            number => Some(number.parse().map_err(|_| "the limit must be a whole number, or default")?),
        };
        if limit == Limit::Requests && value.is_some_and(|value| value == 0 || u32::try_from(value).is_err()) {
            return Err(format!("requests must be from 1 to {}", u32::MAX));
        }
        Ok(Self(limit, value))
    }
}

#[derive(Subcommand)]
pub enum Users {
    /// Create a user, in a new organization unless --like names a colleague
    Create {
        #[command(flatten)]
        storage: Storage,
        /// The user's address: what to sign in with
        email: String,
        #[arg(long, default_value = "")]
        first_name: String,
        #[arg(long, default_value = "")]
        last_name: String,
        /// The address of a user whose organization the new one joins
        #[arg(long, value_name = "EMAIL")]
        like: Option<String>,
        #[command(flatten)]
        password: UserPassword,
    },
    /// List the users, those that are disabled included
    List {
        #[command(flatten)]
        storage: Storage,
    },
    /// Refuse a user's secret, bearers and sessions, within two seconds on every server
    Disable(OneUser),
    /// Let a disabled user call and sign in again
    Enable(OneUser),
    /// Remove a user for good; instances and links that the user made stay
    Remove(OneUser),
    /// Make a user an administrator of the organization
    Promote(OneUser),
    /// Make an administrator a plain user
    Demote(OneUser),
    /// Give a user a new password and a new secret
    Reset {
        #[command(flatten)]
        storage: Storage,
        /// The user's address
        email: String,
        #[command(flatten)]
        password: UserPassword,
    },
}

/// The password of a user.
#[derive(Args)]
pub struct UserPassword {
    #[arg(long, env = "LIGAND_USER_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<Secret>,
    /// A file with the password, `-` for standard input, or LIGAND_USER_PASSWORD holds it; a random one is printed if none
    /// is given
    #[arg(long, env = "LIGAND_USER_PASSWORD_FILE", value_name = "FILE", value_parser = SecretFile::read, conflicts_with = "password")]
    password_file: Option<SecretFile>,
}

impl UserPassword {
    pub fn given(self) -> Option<Secret> {
        self.password.or(self.password_file.map(|file| file.content))
    }
}

#[derive(Args)]
pub struct OneUser {
    #[command(flatten)]
    pub storage: Storage,
    /// The user's address
    pub email: String,
}

#[derive(Subcommand)]
pub enum Elements {
    /// Check the element files; tells file, line and reason
    Check {
        #[command(flatten)]
        catalogue: Catalogue,
    },
    /// Say that an element whose file changed leads to the same vendor as before: what is stored for it is sent there again
    Trust {
        #[command(flatten)]
        storage: Storage,
        #[command(flatten)]
        catalogue: Catalogue,
        /// The element's key
        key: String,
    },
}

/// Where elements come from.
#[derive(Args, Clone)]
pub struct Catalogue {
    /// A directory of element files that add to the built-in ones or replace them by key
    #[arg(long, env = "LIGAND_ELEMENTS_DIR", value_name = "DIR")]
    pub elements_dir: Option<PathBuf>,
}

/// How vendors are reached.
#[derive(Args, Clone)]
pub struct Outbound {
    /// Inner networks that vendors may be reached in (CIDR, comma separated)
    #[arg(long, env = "LIGAND_OUTBOUND_ALLOW", value_delimiter = ',', value_name = "CIDR")]
    pub outbound_allow: Vec<IpNet>,
    /// The proxy for calls to vendors, by CONNECT; the environment's proxy settings are not used
    #[arg(long, env = "LIGAND_OUTBOUND_PROXY", hide_env_values = true, value_name = "URL", value_parser = Unrepeated(proxy_url))]
    outbound_proxy: Option<Secret>,
    /// A file with that URL, for one with a password; `-` for standard input
    #[arg(long, env = "LIGAND_OUTBOUND_PROXY_FILE", value_name = "FILE", value_parser = proxy_url_in, conflicts_with = "outbound_proxy")]
    outbound_proxy_file: Option<Secret>,
}

impl Outbound {
    pub fn proxy(&self) -> Option<&Secret> {
        self.outbound_proxy.as_ref().or(self.outbound_proxy_file.as_ref())
    }
}

/// Where data rests, and the keys that seal it.
#[derive(Args, Clone)]
pub struct Storage {
    /// `sqlite:PATH` or `postgres://…`; default: a SQLite file in the data directory. One with a password is taken
    /// from the variable or a file, and refused here
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL", value_parser = Unrepeated(Address::from_str))]
    database_url: Option<Address>,
    /// A file with that URL, `-` for standard input
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE", value_parser = address_in, conflicts_with = "database_url")]
    database_url_file: Option<Address>,
    /// What stands between the server and PostgreSQL
    #[arg(long, env = "LIGAND_DATABASE_POOLER", value_enum, default_value_t)]
    pub database_pooler: Pooler,
    /// Connections that the server opens at most
    #[arg(long, env = "LIGAND_DATABASE_CONNECTIONS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub database_connections: u32,
    /// For the SQLite file, the key file, the first login, and the journal of credentials that the database has not taken
    #[arg(long, env = "LIGAND_DATA_DIR", default_value = "ligand-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    #[arg(long, env = "LIGAND_MASTER_KEY", hide = true, hide_env_values = true)]
    pub master_key: Option<Secret>,
    /// A file with the key ring `id:base64[,id:base64…]`, of which the first seals and all open; `-` for standard input, or
    /// LIGAND_MASTER_KEY holds the ring itself. Required with PostgreSQL; default: a generated key file in the data directory
    #[arg(long, env = "LIGAND_MASTER_KEY_FILE", value_name = "FILE", value_parser = SecretFile::read, conflicts_with = "master_key")]
    pub master_key_file: Option<SecretFile>,
    /// A command that prints the key ring, as a key service's own program does; run by /bin/sh
    #[arg(long, env = "LIGAND_MASTER_KEY_COMMAND", value_name = "COMMAND", hide_env_values = true, conflicts_with_all = ["master_key", "master_key_file"])]
    pub master_key_command: Option<String>,
    /// Accept a `master.key` in the data directory that other users may read
    #[arg(long, env = "LIGAND_ALLOW_READABLE_KEY")]
    pub allow_readable_key: bool,
    /// What the command printed.
    #[arg(skip)]
    pub printed_key: OnceLock<Secret>,
}

impl Storage {
    pub fn database_url(&self) -> Option<&Address> {
        self.database_url.as_ref().or(self.database_url_file.as_ref())
    }
}

fn address_in(path: &str) -> Result<Address, String> {
    SecretFile::read(path)?.content.expose().parse()
}

/// Reads a value that may hold a password: a refusal says what is wrong without repeating it.
#[derive(Clone)]
struct Unrepeated<T>(fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Unrepeated<T> {
    type Value = T;

    fn parse_ref(&self, command: &clap::Command, _: Option<&clap::Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let Self(parse) = self;
        let refused = |reason| clap::Error::raw(ErrorKind::ValueValidation, format!("{reason}\n")).with_cmd(command);
        parse(&value.to_string_lossy()).map_err(refused)
    }
}

fn proxy_url(text: &str) -> Result<Secret, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Secret::new(text)),
        _ => Err("LIGAND_OUTBOUND_PROXY must be http://HOST:PORT or https://HOST:PORT".to_owned()),
    }
}

fn proxy_url_in(path: &str) -> Result<Secret, String> {
    proxy_url(SecretFile::read(path)?.content.expose())
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
