//! `/audit-logs`: who changed what in the organization (docs/api.md, The audit log).

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, get};
use utoipa_actix_web::service_config::ServiceConfig;

use super::elements::{page_head, page_of};
use crate::http::administrator::{Administrator, Then};
use crate::http::extract::Parameters;
use crate::http::openapi::queries::{AuditLogQuery, PageQuery};
use crate::kernel::error::ApiError;
use crate::service::audit::list::{AuditQuery, AuditView};

/// One JSON document in each line (`https://github.com/ndjson/ndjson-spec`).
const LINES: &str = "application/x-ndjson";

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
    if !takes_lines(&request) {
        return Ok(page_of(&rows, next));
    }
    let lines = rows.iter().map(|row| serde_json::to_string(row).map(|line| line + "\n"));
    let text: String = lines.collect::<Result<_, _>>().map_err(|error| ApiError::internal(error))?;
    Ok(page_head(rows.len(), next).content_type(LINES).body(text))
}

fn takes_lines(request: &HttpRequest) -> bool {
    let accepted = request.headers().get_all(ACCEPT).filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|list| list.split(',')).filter_map(|one| one.split(';').next());
    types.any(|one| one.trim().eq_ignore_ascii_case(LINES))
}
