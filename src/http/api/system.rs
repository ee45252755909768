//! Around the API: health, counters, the document and its page.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::http::extract::{Anonymous, shared};
use crate::http::urls::{DOCS, DOCUMENT, DOCUMENT_30, LIVE, METRICS, READY};
use crate::http::{openapi, public_path};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route(LIVE, web::get().to(live))
        .route(READY, web::get().to(ready))
        .route(METRICS, web::get().to(metrics))
        .route(DOCUMENT, web::get().to(|request: HttpRequest| async move { document(&request, openapi::text()) }))
        .route(DOCUMENT_30, web::get().to(|request: HttpRequest| async move { document(&request, openapi::text_30()) }))
        .route(
            DOCS,
            web::get().to(|| async { HttpResponse::Found().insert_header((header::LOCATION, "/docs/")).finish() }),
        )
        .service(SwaggerUi::new("/docs/{_:.*}").config(Config::new([["..", DOCUMENT].concat()])));
}

/// The process runs.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

/// Counters, for Prometheus.
async fn metrics(anonymous: Anonymous) -> Result<HttpResponse, ApiError> {
    anonymous.services.count_work().await;
    anonymous.services.metrics.traffic.remember(anonymous.services.remembered());
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

fn document(request: &HttpRequest, text: &'static str) -> Result<HttpResponse, ApiError> {
    let text = openapi::below(public_path::of(&shared(request)?.services.public_url), text);
    Ok(HttpResponse::Ok().content_type("application/json").body(text))
}
