//! What can go wrong below the API, sorted by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error};

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::stored::Unreadable;

#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreFault {
    /// The database is down, full or busy. Trying again later makes sense.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A row with the same unique value exists, or the row was changed since it was read.
    #[error("a row with this value exists: {0}")]
    Conflict(String),
    /// What was written breaks a constraint: of a foreign key, of a value that must be there, of a check.
    #[error("a constraint refuses the row: {0}")]
    Refused(String),
    /// The operator has ended what this would store.
    #[error("the operator ended such connections while this one was made")]
    Ended,
    /// The row is not there, or is not the owner's.
    #[error("no such row")]
    NotFound,
    /// The database was written by a newer Ligand.
    #[error("the database has the migration {0}, which this version does not know: start the newer version")]
    Newer(String),
    /// What is stored is not what is written there.
    #[error(transparent)]
    Unreadable(Unreadable),
    #[error("the database answered: {0}")]
    Other(String),
}

impl StoreFault {
    /// Whether the database has decided about what was written: the same write would end the same way. Made of the kinds that
    /// error codes stand for, never of a text, which follows the server's language.
    pub fn is_verdict(&self) -> bool {
        matches!(self, Self::Conflict(_) | Self::Refused(_) | Self::Ended | Self::NotFound | Self::Unreadable(_))
    }
}

impl From<Unreadable> for StoreFault {
    fn from(fault: Unreadable) -> Self {
        Self::Unreadable(fault)
    }
}

impl From<Error> for StoreFault {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::NotFound,
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                // PostgreSQL names the constraint, SQLite the columns.
                Self::Conflict(info.constraint_name().unwrap_or_else(|| info.message()).to_owned())
            }
            Error::DatabaseError(
                DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation,
                info,
            ) => Self::Refused(info.message().to_owned()),
            Error::DatabaseError(
                // A server that was just demoted, and a loser among transactions, are worth another try.
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction
                | DatabaseErrorKind::SerializationFailure,
                info,
            ) => Self::Unavailable(info.message().to_owned()),
            Error::DatabaseError(_, info) if is_outage(info.message()) => Self::Unavailable(info.message().to_owned()),
            Error::BrokenTransactionManager => Self::Unavailable(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}

/// Neither client library has a kind of its own for these. It chooses between a 503 and a 500 for a caller, and nothing else.
fn is_outage(message: &str) -> bool {
    const SIGNS: &[&str] = &[
        "database is locked",
        "database or disk is full",
        "disk I/O error",
        "server closed the connection",
        "connection to server",
        "no connection to the server",
        "could not connect",
        "terminating connection",
        "the database system is",
        "could not receive data from server",
        "could not send data to server",
        "statement timeout",
        "lock timeout",
        "deadlock detected",
        "remaining connection slots",
        "SSL connection has been closed",
    ];
    SIGNS.iter().any(|sign| message.contains(sign))
}

impl From<StoreFault> for ApiError {
    #[track_caller]
    fn from(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Unavailable(_) | StoreFault::Newer(_) => {
                ApiError::from(Code::DatabaseUnavailable).with_retry_after(1).with_source(fault)
            }
            StoreFault::Ended => {
                let message =
                    "The operator of this server ended such connections while this one was made: authorise again.";
                ApiError::new(Code::ReauthorizationRequired, message).with_source(fault)
            }
            StoreFault::Unreadable(fault) => fault.into(),
            other => ApiError::internal(other),
        }
    }
}
