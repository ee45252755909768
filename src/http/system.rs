//! Around the API: health, the document and its page, and what has no route.

use actix_web::http::Method;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::connect::script::{SCRIPT, TYPES};
use super::extract::{Anonymous, shared};
use super::openapi;
use super::urls::{DOCS, DOCUMENT, DOCUMENT_30};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

const LIVE: &str = "/health/live";
const READY: &str = "/health/ready";
const METRICS: &str = "/metrics";
/// What can only be read, beside the API.
const PAGES: [&str; 8] = [LIVE, READY, METRICS, DOCUMENT, DOCUMENT_30, DOCS, SCRIPT, TYPES];

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(LIVE, web::get().to(live))
        .route(READY, web::get().to(ready))
        .route(METRICS, web::get().to(metrics))
        .route(DOCUMENT, web::get().to(|| async { json_text(openapi::text()) }))
        .route(DOCUMENT_30, web::get().to(|| async { json_text(openapi::text_30()) }))
        .route(
            DOCS,
            web::get().to(|| async { HttpResponse::Found().insert_header((header::LOCATION, "/docs/")).finish() }),
        )
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::new([DOCUMENT])));
}

/// The process runs.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

/// Counters, for Prometheus.
async fn metrics(anonymous: Anonymous) -> Result<HttpResponse, ApiError> {
    let text = anonymous.services.metrics.text().map_err(|error| ApiError::internal(error))?;
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}

/// The server takes calls, and the database answers and can be written to.
async fn ready(request: HttpRequest, anonymous: Anonymous) -> Result<HttpResponse, ApiError> {
    if shared(&request)?.lifetime.is_stopping() {
        return Err(ApiError::from(Code::NotReady).with_retry_after(1));
    }
    anonymous.services.ready().await?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ready" })))
}

fn json_text(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(text)
}

/// 404, or 405 where another method would do.
pub async fn no_route(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let page = PAGES.contains(&request.path());
    let allowed = if page { vec![Method::GET] } else { openapi::methods_of(request.path()) };
    if allowed.is_empty() {
        return Err(not_there(request.method()));
    }
    let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    Err(wrong_method(&request, &allowed.join(", ")))
}

pub fn not_there(method: &Method) -> ApiError {
    let message = format!("There is no {method} at this address: see {DOCS}.");
    ApiError::new(Code::RouteNotFound, message)
}

/// `allowed`: what the address takes, with commas between.
pub fn wrong_method(request: &HttpRequest, allowed: &str) -> ApiError {
    let message = format!("This address does not take {}: it takes {allowed}.", request.method());
    ApiError::new(Code::MethodNotAllowed, message).with_allow(allowed)
}
