//! Where data rests, and the keys that seal it: for every command that has to do with data.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::sync::OnceLock;

use clap::Args;

use super::secret_source::{SecretFile, Unrepeated};
use crate::kernel::secret::Secret;
use crate::store::{Address, Pooler};

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
