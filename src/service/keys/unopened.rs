//! Rows that do not open because they were altered, or moved to where they do not belong. The one who asks for such a row is
//! told so; where it is one of many, the others must not suffer for it.

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// One of many: none for a row that does not open, which the log names.
pub(in crate::service) fn unless_unopened<T>(opened: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match opened {
        // The key's id is bytes of the row like any others.
        Err(error) if matches!(error.code, Code::SecretUnopened | Code::KeyUnavailable) => {
            tracing::error!(?error, "a row that does not open is left out");
            Ok(None)
        }
        other => other.map(Some),
    }
}
