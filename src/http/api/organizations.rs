//! `/organizations/me`: what the caller's organization chose.

use actix_web::{get, patch, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::administrator::{Administrator, Then};
use crate::http::body::JsonBody;
use crate::http::extract::Caller;
use crate::kernel::error::ApiError;
use crate::service::organization::profile::{OrganizationPatch, OrganizationView};

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_organization).service(update_organization);
}

/// Show the caller's organization
#[utoipa::path(responses((status = 200, description = "The organization", body = OrganizationView)))]
#[get("/organizations/me")]
async fn get_organization(caller: Caller) -> Result<web::Json<OrganizationView>, ApiError> {
    caller.services.organization_view(&caller.actor).await.map(web::Json)
}

/// Change the caller's organization
///
/// For administrators of the organization.
#[utoipa::path(request_body = OrganizationPatch,
    responses((status = 200, description = "The organization", body = OrganizationView)),
    extensions(("x-failures" = json!(["body", "not_allowed"]))))]
#[patch("/organizations/me")]
async fn update_organization(
    Then(Administrator(caller), body): Then<Administrator, JsonBody<OrganizationPatch>>,
) -> Result<web::Json<OrganizationView>, ApiError> {
    caller.services.change_organization(&caller.actor, body.value).await.map(web::Json)
}
