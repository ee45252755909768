//! `/elements/{keyOrId}/app`: the organization's own OAuth app for an element.

use actix_web::{HttpResponse, delete, get, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::body::JsonBody;
use super::extract::Caller;
use super::path::ElementPath;
use crate::kernel::error::ApiError;
use crate::service::partner_app::{PartnerAppInput, PartnerAppView};

pub fn routes(config: &mut ServiceConfig) {
    config.service(get_partner_app).service(save_partner_app).service(delete_partner_app);
}

/// Show the organization's OAuth app for an element
///
/// Before there is one it says what must be known to register one at the vendor: `redirectUrl`, and what to do there.
#[utoipa::path(params(ElementPath), responses((status = 200, description = "The app", body = PartnerAppView)))]
#[get("/elements/{keyOrId}/app")]
async fn get_partner_app(caller: Caller, path: web::Path<ElementPath>) -> Result<web::Json<PartnerAppView>, ApiError> {
    caller.services.show_partner_app(caller.owner(), &path.key_or_id).await.map(web::Json)
}

/// Store the organization's OAuth app for an element
///
/// For administrators of the organization. It serves every instance that brings no `oauth.api.key` and `oauth.api.secret` of
/// its own, from the next exchange and refresh on.
#[utoipa::path(params(ElementPath), request_body = PartnerAppInput,
    responses((status = 200, description = "The app", body = PartnerAppView)))]
#[put("/elements/{keyOrId}/app")]
async fn save_partner_app(
    caller: Caller,
    path: web::Path<ElementPath>,
    body: JsonBody<PartnerAppInput>,
) -> Result<web::Json<PartnerAppView>, ApiError> {
    caller.services.save_partner_app(&caller.principal, &path.key_or_id, &body.value).await.map(web::Json)
}

/// Delete the organization's OAuth app for an element
///
/// For administrators of the organization. Instances that use it stay, and cannot renew their tokens until there is another.
#[utoipa::path(params(ElementPath), responses((status = 200, description = "The app is gone")))]
#[delete("/elements/{keyOrId}/app")]
async fn delete_partner_app(caller: Caller, path: web::Path<ElementPath>) -> Result<HttpResponse, ApiError> {
    caller.services.delete_partner_app(&caller.principal, &path.key_or_id).await?;
    Ok(HttpResponse::Ok().finish())
}
