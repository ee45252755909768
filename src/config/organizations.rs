//! `ligand organizations`.

use std::str::FromStr as _;

use clap::Subcommand;

use super::Storage;
use crate::store::limits::Limit;

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
        /// `instances`, `links`, `idempotencyKeys`, `users`, `authorizations`, `bytes` or `requests` (a minute, to each process),
        /// with a number or `default`
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
