//! `DATABASE_URL`: `postgres://…` or `sqlite:path`. Never guessed: a mistyped PostgreSQL URL must not become a new file.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::kernel::secret::Secret;

#[derive(Debug, Clone)]
pub enum Address {
    Sqlite(PathBuf),
    /// A libpq URL. It holds a password.
    Postgres(Secret),
}

/// What stands between Ligand and PostgreSQL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Pooler {
    /// Nothing, or a pooler that keeps sessions.
    #[default]
    None,
    /// A transaction-mode pooler: no statement and no setting outlives a transaction.
    Transaction,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Secret::new(text)));
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err("`sqlite:` needs a path".to_owned())
            } else {
                Ok(Self::Sqlite(path.into()))
            };
        }
        if Path::new(text).is_file() {
            return Ok(Self::Sqlite(text.into()));
        }
        // The text may hold a password: it is not repeated.
        Err("DATABASE_URL must be postgres://… or sqlite:PATH; a bare path must be an existing file".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_is_accepted() {
        assert!(matches!("sqlite:x/y.db".parse(), Ok(Address::Sqlite(path)) if path == Path::new("x/y.db")));
        assert!(matches!("sqlite:///y.db".parse(), Ok(Address::Sqlite(path)) if path == Path::new("/y.db")));
        assert!(matches!("postgres://u:p@h/d".parse(), Ok(Address::Postgres(_))));
        for text in ["postgre://u:secret@h/d", "mysql://h", "", "sqlite:", "no/such/file"] {
            let refusal = text.parse::<Address>().unwrap_err();
            assert!(!refusal.contains("secret"), "{refusal}");
        }
    }
}
