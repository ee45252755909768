//! `ligand import` and `ligand export`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::{Catalogue, Storage};
use crate::vault::age::Recipient;

#[derive(Args)]
#[command(allow_missing_positional = true)]
pub struct Import {
    #[command(flatten)]
    pub storage: Storage,
    #[command(flatten)]
    pub catalogue: Catalogue,
    /// The system that the lines are of; default: Ligand's own, as `ligand export` writes them and `POST /instances/import` takes them
    #[arg(value_enum, value_name = "SYSTEM")]
    pub system: Option<System>,
    /// The file, `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub file: PathBuf,
    /// The identity file (`age-keygen`) that opens an encrypted file
    #[arg(long, value_name = "KEYFILE")]
    pub identity: Option<PathBuf>,
    /// Which element takes the connections of a `provider_config_key`; once for each
    #[arg(long, value_name = "THEIRS=ELEMENT", value_parser = Mapping::from_str)]
    pub map: Vec<Mapping>,
    /// The organization that gets the instances; default: the only one
    #[arg(long, value_name = "ID")]
    pub organization: Option<i64>,
    /// Look at every line, and store nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Another system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum System {
    /// JSON lines of what Nango's `GET /connection/{id}` answers
    Nango,
}

/// What another system calls an element, and its key here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    pub theirs: String,
    pub element: String,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (theirs, element) = text.rsplit_once('=').ok_or("write THEIRS=ELEMENT, such as hubspot-prod=hubspotcrm")?;
        Ok(Self { theirs: theirs.to_owned(), element: element.to_owned() })
    }
}

#[derive(Args)]
pub struct Export {
    #[command(flatten)]
    pub storage: Storage,
    #[command(flatten)]
    pub catalogue: Catalogue,
    /// To whom the file is encrypted: the `age1…` that `age-keygen` prints; once for each
    #[arg(long, value_name = "RECIPIENT", required = true, value_parser = recipient)]
    pub recipient: Vec<Recipient>,
    /// The file to write, which must not be there; only its owner may read it. Default: standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The organization whose instances are written; default: the only one
    #[arg(long, value_name = "ID")]
    pub organization: Option<i64>,
}

/// Whoever types an identity in the place of a recipient does not see it again.
fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse().map_err(|_| "a recipient begins with age1: `age-keygen -y KEYFILE` prints it".to_owned())
}
