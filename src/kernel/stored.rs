//! JSON that this program stored. Only a program that knows it no more, or a hand in the database, makes it unreadable, so that is
//! a fault which names the row: nothing stands for it, and nothing of it is repeated.

use serde::de::DeserializeOwned;

use super::code::Code;
use super::error::ApiError;

/// What cannot be read, and where it is. Without a word of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{table}.{column}, row {row}, cannot be read: {why}")]
pub struct Unreadable {
    pub table: &'static str,
    pub column: &'static str,
    pub row: i64,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("it is not what is stored there, from column {column} of line {line} on")]
    NotJson { line: usize, column: usize },
    #[error("it says that it is {0}, which is nothing that is stored there")]
    OtherKind(String),
    #[error("it says that it is {0}, of a later version of this program")]
    Later(String),
}

impl From<serde_json::Error> for Why {
    fn from(error: serde_json::Error) -> Self {
        // Its text would repeat what it met.
        Self::NotJson { line: error.line(), column: error.column() }
    }
}

impl From<Unreadable> for ApiError {
    /// Not passing: it would be read in vain again and again.
    #[track_caller]
    fn from(fault: Unreadable) -> Self {
        let message = "What is stored here cannot be read: the operator finds in the log where.";
        Self::new(Code::SecretUnopened, message).with_source(fault)
    }
}

/// What stands in a column that holds JSON. `at`: table, column and row.
pub fn read<T: DeserializeOwned>(
    text: &str,
    (table, column, row): (&'static str, &'static str, i64),
) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable { table, column, row, why: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_the_row_and_repeats_nothing() {
        let fault = read::<Vec<u8>>(r#"[1, "hunter2"]"#, ("instance", "tags", 7)).unwrap_err();
        let text = fault.to_string();
        assert!(text.starts_with("instance.tags, row 7, cannot be read: "), "{text}");
        let error = ApiError::from(fault);
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        assert!(!error.is_passing());
        assert_eq!(read::<Vec<u8>>("[1]", ("instance", "tags", 7)), Ok(vec![1]));
    }
}
