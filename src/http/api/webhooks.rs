//! `/notifications`: where an organization is told what happens, and what became of that.

use actix_web::{HttpResponse, delete, get, post, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::elements::page_of;
use crate::http::administrator::{Administrator, Then};
use crate::http::body::JsonBody;
use crate::http::extract::{Caller, Parameters};
use crate::http::openapi::queries::{DeliveryListQuery, PageQuery};
use crate::http::path::{DeliveryPath, SecretPath};
use crate::kernel::error::ApiError;
use crate::service::notices::deliveries::{DeliveryQuery, DeliveryView};
use crate::service::notices::webhook::{SecretView, WebhookAddress, WebhookView};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(get_webhook)
        .service(set_webhook)
        .service(delete_webhook)
        .service(create_webhook_secret)
        .service(delete_webhook_secret)
        .service(list_deliveries)
        .service(get_delivery)
        .service(retry_delivery);
}

/// Show where the organization is told what happens
///
/// For administrators of the organization. Secrets are not shown again.
#[utoipa::path(responses((status = 200, description = "The address and the secrets", body = WebhookView)),
    extensions(("x-failures" = json!(["not_allowed"]))))]
#[get("/notifications/webhook")]
async fn get_webhook(Administrator(caller): Administrator) -> Result<web::Json<WebhookView>, ApiError> {
    caller.services.webhook(&caller.actor).await.map(web::Json)
}

/// Set where the organization is told what happens
///
/// For administrators of the organization. Every event is sent there with POST, signed as the Standard Webhooks
/// specification says: `instance.created`, `instance.failing`, `instance.invalid`, `instance.expiring`, `instance.recovered`, and those of connect
/// links. The body is a
/// `Notice`. Any 2xx takes it; everything else is tried again for a day, under the same `webhook-id`. The first time
/// the reply shows the secret.
#[utoipa::path(request_body = WebhookAddress,
    responses((status = 200, description = "The address and the secrets", body = WebhookView)),
    extensions(("x-failures" = json!(["body", "bad_webhook_url", "not_allowed"]))))]
#[put("/notifications/webhook")]
async fn set_webhook(
    Then(Administrator(caller), body): Then<Administrator, JsonBody<WebhookAddress>>,
) -> Result<web::Json<WebhookView>, ApiError> {
    caller.services.set_webhook(&caller.actor, &body.value).await.map(web::Json)
}

/// Tell the organization nothing any more
///
/// For administrators of the organization. What is not delivered yet fails. The secrets are erased: notices to the
/// address of a connect link are signed with a new one, which the next `POST /notifications/webhook/secrets` shows.
#[utoipa::path(responses((status = 200, description = "Removed; the body is empty")),
    extensions(("x-failures" = json!(["not_allowed"]))))]
#[delete("/notifications/webhook")]
async fn delete_webhook(Administrator(caller): Administrator) -> Result<HttpResponse, ApiError> {
    caller.services.remove_webhook(&caller.actor).await?;
    Ok(HttpResponse::Ok().finish())
}

/// Make a further secret
///
/// For administrators of the organization. It is shown this once. Two may be active, and each notice has a signature for
/// either, so that receivers can change over; then remove the old one.
#[utoipa::path(responses((status = 200, description = "The new secret", body = SecretView)),
    extensions(("x-failures" = json!(["not_allowed", "webhook_secrets"]))))]
#[post("/notifications/webhook/secrets")]
async fn create_webhook_secret(Administrator(caller): Administrator) -> Result<web::Json<SecretView>, ApiError> {
    caller.services.add_webhook_secret(&caller.actor).await.map(web::Json)
}

/// Remove a secret
///
/// For administrators of the organization. The only one cannot be removed.
#[utoipa::path(params(SecretPath), responses((status = 200, description = "Removed; the body is empty")),
    extensions(("x-failures" = json!(["webhook_secret_not_found", "webhook_secrets", "not_allowed"]))))]
#[delete("/notifications/webhook/secrets/{secretId}")]
async fn delete_webhook_secret(
    Administrator(caller): Administrator,
    path: web::Path<SecretPath>,
) -> Result<HttpResponse, ApiError> {
    caller.services.remove_webhook_secret(&caller.actor, path.id()?).await?;
    Ok(HttpResponse::Ok().finish())
}

/// List what was told, and what became of it
///
/// The newest first. What came to its end is kept for 30 days.
#[utoipa::path(params(DeliveryListQuery, PageQuery),
    responses((status = 200, description = "The deliveries", body = Vec<DeliveryView>)),
    extensions(("x-failures" = json!(["page", "link_not_found", "bad_parameter"]))))]
#[get("/notifications/deliveries")]
async fn list_deliveries(caller: Caller, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let query = DeliveryQuery {
        status: parameters.get("status").map(str::to_owned),
        instance_id: parameters.number("instanceId")?,
        link_id: parameters.number("linkId")?,
    };
    let (deliveries, next) = caller.services.deliveries(caller.owner(), query, parameters.page()?).await?;
    Ok(page_of(&deliveries, next))
}

/// Get a delivery
#[utoipa::path(params(DeliveryPath), responses((status = 200, description = "The delivery", body = DeliveryView)),
    extensions(("x-failures" = json!(["delivery_not_found"]))))]
#[get("/notifications/deliveries/{deliveryId}")]
async fn get_delivery(caller: Caller, path: web::Path<DeliveryPath>) -> Result<web::Json<DeliveryView>, ApiError> {
    caller.services.delivery(caller.owner(), path.id()?).await.map(web::Json)
}

/// Send a notice once more
///
/// At once, under the same `webhook-id`, whatever became of it before. It holds up no others when it had come to its end.
#[utoipa::path(params(DeliveryPath), responses((status = 200, description = "The delivery", body = DeliveryView)),
    extensions(("x-failures" = json!(["delivery_not_found"]))))]
#[post("/notifications/deliveries/{deliveryId}/retry")]
async fn retry_delivery(caller: Caller, path: web::Path<DeliveryPath>) -> Result<web::Json<DeliveryView>, ApiError> {
    caller.services.retry_delivery(&caller.actor, path.id()?).await.map(web::Json)
}
