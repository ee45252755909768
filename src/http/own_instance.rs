//! The token-scoped forms without an id: the instance is the one that `Element <token>` names (contract 2.4, 5.1).

use actix_web::{HttpResponse, delete, get, patch, put, web};
use serde_json::{Map, Value};
use utoipa_actix_web::service_config::ServiceConfig;

use super::extract::{CallerInstance, JsonBody, Parameters};
use super::instances::{change, change_entry, entry_id, remove};
use super::schemas::{ConfigurationChange, UpdateInstance};
use crate::kernel::error::ApiError;
use crate::service::instance_input::InstanceInput;
use crate::service::instance_view::{InstanceConfiguration, InstanceView};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(replace_own_instance)
        .service(update_own_instance)
        .service(delete_own_instance)
        .service(list_own_instance_configuration)
        .service(get_own_instance_configuration)
        .service(update_own_instance_configuration)
        .service(enable_own_instance)
        .service(disable_own_instance);
}

/// Change the instance of the Element token
#[utoipa::path(tag = "instances", request_body = UpdateInstance, security(("userOrganizationElement" = [])),
    params(("reAuthenticate" = Option<bool>, Query, description = "Get a new credential in any case")),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[put("/instances")]
async fn replace_own_instance(
    own: CallerInstance,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&own.caller, own.instance, &parameters, body).await
}

/// Change some of the instance of the Element token
#[utoipa::path(tag = "instances", request_body = UpdateInstance, security(("userOrganizationElement" = [])),
    params(("reAuthenticate" = Option<bool>, Query, description = "Get a new credential in any case")),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[patch("/instances")]
async fn update_own_instance(
    own: CallerInstance,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&own.caller, own.instance, &parameters, body).await
}

/// Delete the instance of the Element token
#[utoipa::path(tag = "instances", security(("userOrganizationElement" = [])),
    responses((status = 200, description = "Deleted; the body is empty")))]
#[delete("/instances")]
async fn delete_own_instance(own: CallerInstance) -> Result<HttpResponse, ApiError> {
    remove(&own.caller, own.instance).await
}

/// List the configuration of the instance of the Element token
#[utoipa::path(tag = "instances", security(("userOrganizationElement" = [])),
    responses((status = 200, description = "The entries", body = Vec<InstanceConfiguration>)))]
#[get("/instances/configuration")]
async fn list_own_instance_configuration(
    own: CallerInstance,
) -> Result<web::Json<Vec<InstanceConfiguration>>, ApiError> {
    own.caller.services.instance_configuration(own.caller.owner(), own.instance).await.map(web::Json)
}

/// Get one configuration entry of the instance of the Element token
#[utoipa::path(tag = "instances", security(("userOrganizationElement" = [])),
    params(("configId" = i64, Path, description = "The entry's id, unique within the instance")),
    responses((status = 200, description = "The entry", body = InstanceConfiguration)))]
#[get("/instances/configuration/{configId}")]
async fn get_own_instance_configuration(
    own: CallerInstance,
    path: web::Path<String>,
) -> Result<web::Json<InstanceConfiguration>, ApiError> {
    let entry = entry_id(&path)?;
    own.caller.services.configuration_entry(own.caller.owner(), own.instance, entry).await.map(web::Json)
}

/// Change one configuration entry of the instance of the Element token
#[utoipa::path(tag = "instances", request_body = ConfigurationChange, security(("userOrganizationElement" = [])),
    params(("configId" = i64, Path, description = "The entry's id, unique within the instance")),
    responses((status = 200, description = "The entry", body = InstanceConfiguration)))]
#[patch("/instances/configuration/{configId}")]
async fn update_own_instance_configuration(
    own: CallerInstance,
    path: web::Path<String>,
    body: JsonBody<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let entry = entry_id(&path)?;
    change_entry(&own.caller, own.instance, entry, body.value).await
}

/// Enable the instance of the Element token
#[utoipa::path(tag = "instances", security(("userOrganizationElement" = [])),
    responses((status = 200, description = "The instance, enabled", body = InstanceView)))]
#[put("/instances/enabled")]
async fn enable_own_instance(own: CallerInstance) -> Result<web::Json<InstanceView>, ApiError> {
    own.caller.services.enable_instance(own.caller.owner(), own.instance, true).await.map(web::Json)
}

/// Disable the instance of the Element token
#[utoipa::path(tag = "instances", security(("userOrganizationElement" = [])),
    responses((status = 200, description = "The instance, disabled", body = InstanceView)))]
#[delete("/instances/enabled")]
async fn disable_own_instance(own: CallerInstance) -> Result<web::Json<InstanceView>, ApiError> {
    own.caller.services.enable_instance(own.caller.owner(), own.instance, false).await.map(web::Json)
}
