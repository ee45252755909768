//! `/audit-logs`: who changed what in the organization (docs/api.md, The audit log).

use actix_web::{HttpRequest, HttpResponse, get};
use utoipa_actix_web::service_config::ServiceConfig;

use super::elements::{page_head, page_of};
use crate::http::administrator::{Administrator, Then};
use crate::http::extract::Parameters;
use crate::http::line_body::{LINES, accepts};
use crate::http::openapi::queries::{AuditLogQuery, PageQuery};
use crate::kernel::error::ApiError;
use crate::service::audit::list::{AuditQuery, AuditView};

pub fn routes(config: &mut ServiceConfig) {
    config.service(list_audit_logs);
}

/// List who changed what
///
/// For administrators of the organization. The newest first; a change is here a second or two after it was made. `Accept:
/// application/x-ndjson` gets the same rows as JSON lines. Nothing found is an empty list.
#[utoipa::path(params(AuditLogQuery, PageQuery), responses((status = 200, description = "The changes",
    content((Vec<AuditView> = "application/json"), (String = "application/x-ndjson")))),
    extensions(("x-failures" = json!(["page", "bad_parameter", "not_allowed"]))))]
#[get("/audit-logs")]
async fn list_audit_logs(
    request: HttpRequest,
    Then(Administrator(caller), parameters): Then<Administrator, Parameters>,
) -> Result<HttpResponse, ApiError> {
    let query = AuditQuery::of(&parameters)?;
    let (rows, next) = caller.services.audit_log(&caller.actor, query, parameters.page()?).await?;
    if !accepts(&request, LINES) {
        return Ok(page_of(&rows, next));
    }
    let lines = rows.iter().map(|row| serde_json::to_string(row).map(|line| line + "\n"));
    let text: String = lines.collect::<Result<_, _>>().map_err(|error| ApiError::internal(error))?;
    Ok(page_head(rows.len(), next).content_type(LINES).body(text))
}
