//! `/instances/{id}/configuration`: one entry at a time (docs/api.md, Configuration of an instance).

use actix_web::{HttpResponse, get, patch, web};
use serde_json::{Map, Value};
use utoipa_actix_web::service_config::ServiceConfig;

use super::instances::without_effect_header;
use crate::http::body::JsonBody;
use crate::http::extract::Caller;
use crate::http::openapi::bodies::ConfigurationChange;
use crate::http::path::{EntryPath, InstancePath};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::instance::view::InstanceConfiguration;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(list_instance_configuration)
        .service(get_instance_configuration)
        .service(update_instance_configuration);
}

/// List the configuration of an instance
///
/// Secrets are shown as `********`.
#[utoipa::path(params(InstancePath),
    responses((status = 200, description = "The entries", body = Vec<InstanceConfiguration>)),
    extensions(("x-failures" = json!(["instance_not_found"]))))]
#[get("/instances/{id}/configuration")]
async fn list_instance_configuration(
    caller: Caller,
    path: web::Path<InstancePath>,
) -> Result<web::Json<Vec<InstanceConfiguration>>, ApiError> {
    caller.services.instance_configuration(caller.owner(), path.id()?).await.map(web::Json)
}

/// Get one configuration entry of an instance
#[utoipa::path(params(EntryPath), responses((status = 200, description = "The entry", body = InstanceConfiguration)),
    extensions(("x-failures" = json!(["instance_not_found", "configuration_not_found"]))))]
#[get("/instances/{id}/configuration/{configId}")]
async fn get_instance_configuration(
    caller: Caller,
    path: web::Path<EntryPath>,
) -> Result<web::Json<InstanceConfiguration>, ApiError> {
    caller.services.configuration_entry(caller.owner(), path.id()?, path.entry()?).await.map(web::Json)
}

/// Change one configuration entry of an instance
#[utoipa::path(params(EntryPath), request_body = ConfigurationChange,
    responses((status = 200, description = "The entry", body = InstanceConfiguration)),
    extensions(("x-failures" = json!([
        "body", "connection", "instance_not_found", "configuration_not_found", "limit_reached"
    ]))))]
#[patch("/instances/{id}/configuration/{configId}")]
async fn update_instance_configuration(
    caller: Caller,
    path: web::Path<EntryPath>,
    body: JsonBody<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    change_entry(&caller, path.id()?, path.entry()?, body.value).await
}

pub async fn change_entry(
    caller: &Caller,
    id: i64,
    entry: i64,
    mut body: Map<String, Value>,
) -> Result<HttpResponse, ApiError> {
    let value = body
        .remove("propertyValue")
        .ok_or_else(|| ApiError::new(Code::BadBody, "The body lacks propertyValue: send {\"propertyValue\":\"…\"}."))?;
    let (entry, without_effect) = caller.services.change_configuration_entry(&caller.actor, id, entry, value).await?;
    let mut response = HttpResponse::Ok();
    if let Some(header) = without_effect_header(&without_effect) {
        response.insert_header(("elements-error", header));
    }
    Ok(response.json(entry))
}
