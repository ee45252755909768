//! Which rows of the audit log are asked for: by the same parameters at the endpoint and on the page.

use super::extract::Parameters;
use crate::kernel::error::ApiError;
use crate::service::audit::list::AuditQuery;

impl<'a> AuditQuery<'a> {
    pub fn of(parameters: &'a Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            from: parameters.get("from"),
            to: parameters.get("to"),
            user_id: parameters.number("userId")?,
            account_id: parameters.number("accountId")?,
            action: parameters.get("action"),
            kind: parameters.get("kind"),
            entity_id: parameters.number("entityId")?,
            external_id: parameters.get("externalId"),
            request_id: parameters.get("requestId"),
        })
    }
}
