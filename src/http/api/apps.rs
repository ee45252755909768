//! `/elements/{keyOrId}/app`: the organization's own OAuth app for an element, and `oauth/url/default`, which uses it.

use actix_web::{HttpResponse, delete, get, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::http::administrator::{Administrator, Then};
use crate::http::body::JsonBody;
use crate::http::extract::{Caller, Parameters};
use crate::http::openapi::queries::DefaultOAuthUrlQuery;
use crate::http::path::ElementPath;
use crate::kernel::error::ApiError;
use crate::service::authorize::default_url::DefaultOAuthUrl;
use crate::service::credentials::app_view::PartnerAppView;
use crate::service::credentials::partner_app::PartnerAppInput;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(get_default_oauth_url)
        .service(get_partner_app)
        .service(save_partner_app)
        .service(delete_partner_app);
}

/// Get the address to send a user to, with the organization's own OAuth app
///
/// The vendor comes back to this server, which sends the browser on to `callbackUrl` with `code` and `state`, or with `error`.
/// `code` and the `secret` of this reply go into `providerData` of `POST /instances`, which then needs no client id, secret
/// and callback URL. Parameters that the element's own address needs (`subdomain`, `siteAddress`) are taken too.
#[utoipa::path(params(ElementPath, DefaultOAuthUrlQuery),
    responses((status = 200, description = "The address", body = DefaultOAuthUrl)),
    extensions(("x-failures" = json!([
        "address", "element_not_found", "missing_parameter", "bad_parameter", "bad_callback_url",
        "address_not_allowed", "bad_scopes", "no_oauth", "app_not_found", "app_not_for_host",
        "secret_needed_for_new_host", "limit_reached"
    ]))))]
#[get("/elements/{keyOrId}/oauth/url/default")]
async fn get_default_oauth_url(
    caller: Caller,
    path: web::Path<ElementPath>,
    parameters: Parameters,
) -> Result<web::Json<DefaultOAuthUrl>, ApiError> {
    let given = parameters.into_map();
    caller.services.start_default_oauth(&caller.actor, &path.key_or_id, given).await.map(web::Json)
}

/// Show the organization's OAuth app for an element
///
/// Before there is one it says what must be known to register one at the vendor: `redirectUrl`, and what to do there.
#[utoipa::path(params(ElementPath), responses((status = 200, description = "The app", body = PartnerAppView)),
    extensions(("x-failures" = json!(["element_not_found", "no_oauth"]))))]
#[get("/elements/{keyOrId}/app")]
async fn get_partner_app(caller: Caller, path: web::Path<ElementPath>) -> Result<web::Json<PartnerAppView>, ApiError> {
    caller.services.show_partner_app(caller.owner(), &path.key_or_id).await.map(web::Json)
}

/// Store the organization's OAuth app for an element
///
/// For administrators of the organization. It serves every instance that brings no `oauth.api.key` and `oauth.api.secret` of
/// its own, from the next exchange and refresh on.
#[utoipa::path(params(ElementPath), request_body = PartnerAppInput,
    responses((status = 200, description = "The app", body = PartnerAppView)),
    extensions(("x-failures" = json!([
        "body", "element_not_found", "not_allowed", "no_oauth", "bad_scopes", "secret_needed_for_new_host"
    ]))))]
#[put("/elements/{keyOrId}/app")]
async fn save_partner_app(
    path: web::Path<ElementPath>,
    Then(Administrator(caller), body): Then<Administrator, JsonBody<PartnerAppInput>>,
) -> Result<web::Json<PartnerAppView>, ApiError> {
    caller.services.save_partner_app(&caller.actor, &path.key_or_id, &body.value).await.map(web::Json)
}

/// Delete the organization's OAuth app for an element
///
/// For administrators of the organization. Instances that use it stay, and cannot renew their tokens until there is another.
#[utoipa::path(params(ElementPath), responses((status = 200, description = "The app is gone")),
    extensions(("x-failures" = json!(["element_not_found", "not_allowed", "no_oauth", "app_not_found"]))))]
#[delete("/elements/{keyOrId}/app")]
async fn delete_partner_app(
    Administrator(caller): Administrator,
    path: web::Path<ElementPath>,
) -> Result<HttpResponse, ApiError> {
    caller.services.delete_partner_app(&caller.actor, &path.key_or_id).await?;
    Ok(HttpResponse::Ok().finish())
}
