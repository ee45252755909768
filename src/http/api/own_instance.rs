//! The token-scoped forms without an id: the instance is the one that `Element <token>` names (docs/api.md, Instances).

use actix_web::{HttpResponse, delete, get, patch, put, web};
use serde_json::{Map, Value};
use utoipa_actix_web::service_config::ServiceConfig;

use super::documents;
use super::instance_configuration::change_entry;
use super::instances::{change, remove, switch};
use crate::http::body::JsonBody;
use crate::http::extract::{CallerInstance, Parameters};
use crate::http::openapi::bodies::{ConfigurationChange, UpdateInstance};
use crate::http::openapi::queries::ChangeQuery;
use crate::http::path::OwnEntryPath;
use crate::kernel::error::ApiError;
use crate::service::instance::input::InstanceInput;
use crate::service::instance::view::{InstanceConfiguration, InstanceView};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(replace_own_instance)
        .service(update_own_instance)
        .service(delete_own_instance)
        .service(list_own_instance_configuration)
        .service(get_own_instance_configuration)
        .service(update_own_instance_configuration)
        .service(documents::get_own_instance_document)
        .service(enable_own_instance)
        .service(disable_own_instance);
}

/// Change the instance of the Element token
#[utoipa::path(params(ChangeQuery), request_body = UpdateInstance,
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!(["body", "connection", "bad_parameter", "limit_reached"]))))]
#[put("/instances")]
async fn replace_own_instance(
    own: CallerInstance,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&own.caller, own.instance, &parameters, body).await
}

/// Change some of the instance of the Element token
#[utoipa::path(params(ChangeQuery), request_body = UpdateInstance,
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!(["body", "connection", "bad_parameter", "limit_reached"]))))]
#[patch("/instances")]
async fn update_own_instance(
    own: CallerInstance,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&own.caller, own.instance, &parameters, body).await
}

/// Delete the instance of the Element token
#[utoipa::path(responses((status = 200, description = "Deleted; the body is empty")))]
#[delete("/instances")]
async fn delete_own_instance(own: CallerInstance) -> Result<HttpResponse, ApiError> {
    remove(&own.caller, own.instance).await
}

/// List the configuration of the instance of the Element token
#[utoipa::path(responses((status = 200, description = "The entries", body = Vec<InstanceConfiguration>)))]
#[get("/instances/configuration")]
async fn list_own_instance_configuration(
    own: CallerInstance,
) -> Result<web::Json<Vec<InstanceConfiguration>>, ApiError> {
    own.caller.services.instance_configuration(own.caller.owner(), own.instance).await.map(web::Json)
}

/// Get one configuration entry of the instance of the Element token
#[utoipa::path(params(OwnEntryPath),
    responses((status = 200, description = "The entry", body = InstanceConfiguration)),
    extensions(("x-failures" = json!(["configuration_not_found"]))))]
#[get("/instances/configuration/{configId}")]
async fn get_own_instance_configuration(
    own: CallerInstance,
    path: web::Path<OwnEntryPath>,
) -> Result<web::Json<InstanceConfiguration>, ApiError> {
    let entry = path.entry()?;
    own.caller.services.configuration_entry(own.caller.owner(), own.instance, entry).await.map(web::Json)
}

/// Change one configuration entry of the instance of the Element token
#[utoipa::path(params(OwnEntryPath), request_body = ConfigurationChange,
    responses((status = 200, description = "The entry", body = InstanceConfiguration)),
    extensions(("x-failures" = json!(["body", "connection", "configuration_not_found", "limit_reached"]))))]
#[patch("/instances/configuration/{configId}")]
async fn update_own_instance_configuration(
    own: CallerInstance,
    path: web::Path<OwnEntryPath>,
    body: JsonBody<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let entry = path.entry()?;
    change_entry(&own.caller, own.instance, entry, body.value).await
}

/// Enable the instance of the Element token
#[utoipa::path(responses((status = 200, description = "The instance, enabled", body = InstanceView)))]
#[put("/instances/enabled")]
async fn enable_own_instance(own: CallerInstance) -> Result<web::Json<InstanceView>, ApiError> {
    switch(&own.caller, own.instance, true).await
}

/// Disable the instance of the Element token
#[utoipa::path(responses((status = 200, description = "The instance, disabled", body = InstanceView)))]
#[delete("/instances/enabled")]
async fn disable_own_instance(own: CallerInstance) -> Result<web::Json<InstanceView>, ApiError> {
    switch(&own.caller, own.instance, false).await
}
