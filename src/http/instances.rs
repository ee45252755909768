//! `/instances` and `/elements/{keyOrId}/instances` (contract 5).

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put, web};
use serde_json::{Map, Value};
use utoipa_actix_web::service_config::ServiceConfig;

use super::elements::page_of;
use super::extract::{Caller, JsonBody, Parameters, id, instance_id};
use super::schemas::{ConfigurationChange, CreateInstance, UpdateInstance};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::create_instance::Answer;
use crate::service::idempotency::IdempotencyKey;
use crate::service::instance_input::InstanceInput;
use crate::service::instance_view::{InstanceConfiguration, InstanceView};
use crate::service::list_instances::{InstanceCount, InstanceQuery, nothing_found};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(create_instance)
        .service(create_element_instance)
        .service(list_instances)
        .service(list_element_instances)
        .service(count_instances)
        .service(get_instance)
        .service(get_element_instance)
        .service(replace_instance)
        .service(replace_element_instance)
        .service(update_instance)
        .service(delete_instance)
        .service(delete_element_instance)
        .service(list_instance_configuration)
        .service(get_instance_configuration)
        .service(update_instance_configuration)
        .service(enable_instance)
        .service(disable_instance)
        .service(reset_instance_token);
}

/// Create an instance
///
/// With OAuth 2.0: send the code of the vendor's redirect as `providerData.code`, it is exchanged before anything is
/// stored. With an API key: send it as configuration, it is verified first. A repeated call with the same
/// `Idempotency-Key` gets the first one's answer.
#[utoipa::path(tag = "instances", request_body = CreateInstance,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters of your choice, kept for a day")),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[post("/instances")]
async fn create_instance(
    caller: Caller,
    request: HttpRequest,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    create(caller, None, request, body).await
}

/// Create an instance of an element
///
/// As `POST /instances`; the body need not name the element.
#[utoipa::path(tag = "instances", request_body = CreateInstance,
    params(
        ("keyOrId" = String, Path, description = "The element's key or id", example = "hubspotcrm"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters of your choice, kept for a day"),
    ),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[post("/elements/{keyOrId}/instances")]
async fn create_element_instance(
    caller: Caller,
    path: web::Path<String>,
    request: HttpRequest,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    create(caller, Some(path.into_inner()), request, body).await
}

async fn create(
    caller: Caller,
    element: Option<String>,
    request: HttpRequest,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    let key = request.headers().get("idempotency-key").map(|value| {
        let text = value.to_str().unwrap_or_default();
        IdempotencyKey::read(text, element.as_deref().unwrap_or_default(), &body.bytes)
    });
    let created = caller.services.create_instance(&caller.principal, element.as_deref(), body.value, key.transpose()?);
    Ok(instance_reply(&created.await?))
}

/// List the instances
///
/// In ascending order of ids. An empty list is a 404 whose message reads `No instances found`; `emptyList=200` gives an
/// empty array instead.
#[utoipa::path(tag = "instances",
    params(
        ("tags[]" = Option<Vec<String>>, Query, description = "Instances with all of these tags", style = Form, explode),
        ("searchText" = Option<String>, Query, description = "A part of the name"),
        ("externalId" = Option<String>, Query, description = "The caller's own name for the customer"),
        ("hydrate" = Option<bool>, Query, description = "`false`: without configuration"),
        ("emptyList" = Option<String>, Query, description = "`200`: an empty list is no failure", example = "200"),
        ("pageSize" = Option<i64>, Query, description = "1 to 200, default 200", minimum = 1, maximum = 200),
        ("nextPage" = Option<String>, Query, description = "The value of `Elements-Next-Page-Token`"),
    ),
    responses((status = 200, description = "The instances", body = Vec<InstanceView>,
        headers(("elements-next-page-token" = Option<String>, description = "Present unless this is the last page")))))]
#[get("/instances")]
async fn list_instances(caller: Caller, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    list(caller, None, parameters).await
}

/// List the instances of an element
#[utoipa::path(tag = "instances",
    params(
        ("keyOrId" = String, Path, description = "The element's key or id", example = "hubspotcrm"),
        ("emptyList" = Option<String>, Query, description = "`200`: an empty list is no failure", example = "200"),
        ("pageSize" = Option<i64>, Query, description = "1 to 200, default 200", minimum = 1, maximum = 200),
        ("nextPage" = Option<String>, Query, description = "The value of `Elements-Next-Page-Token`"),
    ),
    responses((status = 200, description = "The instances", body = Vec<InstanceView>,
        headers(("elements-next-page-token" = Option<String>, description = "Present unless this is the last page")))))]
#[get("/elements/{keyOrId}/instances")]
async fn list_element_instances(
    caller: Caller,
    path: web::Path<String>,
    parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    list(caller, Some(path.into_inner()), parameters).await
}

async fn list(caller: Caller, element: Option<String>, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let query = InstanceQuery {
        element,
        tags: parameters.all("tags[]").chain(parameters.all("tags")).map(str::to_owned).collect(),
        search_text: parameters.get("searchText").map(str::to_owned),
        external_id: parameters.get("externalId").map(str::to_owned),
        hydrate: parameters.flag("hydrate", true)?,
    };
    let (instances, next) = caller.services.list_instances(caller.owner(), query, parameters.page()?).await?;
    if instances.is_empty() && parameters.get("emptyList") != Some("200") {
        return Err(nothing_found("instances"));
    }
    Ok(page_of(&instances, next))
}

/// Count the instances, by element
#[utoipa::path(tag = "instances", responses((status = 200, description = "The counts", body = InstanceCount)))]
#[get("/instances/count")]
async fn count_instances(caller: Caller) -> Result<web::Json<InstanceCount>, ApiError> {
    caller.services.count_instances(caller.owner()).await.map(web::Json)
}

/// Get an instance
#[utoipa::path(tag = "instances", params(("id" = i64, Path, description = "The instance's id")),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[get("/instances/{id}")]
async fn get_instance(caller: Caller, path: web::Path<String>) -> Result<web::Json<InstanceView>, ApiError> {
    caller.services.get_instance(caller.owner(), instance_id(&path)?).await.map(web::Json)
}

/// Get an instance of an element
#[utoipa::path(tag = "instances",
    params(
        ("keyOrId" = String, Path, description = "The element's key or id", example = "hubspotcrm"),
        ("id" = i64, Path, description = "The instance's id"),
    ),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[get("/elements/{keyOrId}/instances/{id}")]
async fn get_element_instance(
    caller: Caller,
    path: web::Path<(String, String)>,
) -> Result<web::Json<InstanceView>, ApiError> {
    let id = of_element(&caller, &path).await?;
    caller.services.get_instance(caller.owner(), id).await.map(web::Json)
}

/// Change an instance
///
/// As PATCH: what is absent stays as it is. A new `providerData.code` or a new API key is proven before it replaces the
/// old one; id and token stay.
#[utoipa::path(tag = "instances", request_body = UpdateInstance,
    params(
        ("id" = i64, Path, description = "The instance's id"),
        ("reAuthenticate" = Option<bool>, Query, description = "Get a new credential in any case"),
    ),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[put("/instances/{id}")]
async fn replace_instance(
    caller: Caller,
    path: web::Path<String>,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&caller, instance_id(&path)?, &parameters, body).await
}

/// Change an instance of an element
#[utoipa::path(tag = "instances", request_body = UpdateInstance,
    params(
        ("keyOrId" = String, Path, description = "The element's key or id", example = "hubspotcrm"),
        ("id" = i64, Path, description = "The instance's id"),
        ("reAuthenticate" = Option<bool>, Query, description = "Get a new credential in any case"),
    ),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[put("/elements/{keyOrId}/instances/{id}")]
async fn replace_element_instance(
    caller: Caller,
    path: web::Path<(String, String)>,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    let id = of_element(&caller, &path).await?;
    change(&caller, id, &parameters, body).await
}

/// Change some of an instance
///
/// A new `providerData.code` or a new API key is proven before it replaces the old one; id and token stay.
#[utoipa::path(tag = "instances", request_body = UpdateInstance,
    params(
        ("id" = i64, Path, description = "The instance's id"),
        ("reAuthenticate" = Option<bool>, Query, description = "Get a new credential in any case"),
    ),
    responses((status = 200, description = "The instance", body = InstanceView)))]
#[patch("/instances/{id}")]
async fn update_instance(
    caller: Caller,
    path: web::Path<String>,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&caller, instance_id(&path)?, &parameters, body).await
}

/// Delete an instance
///
/// Its token is refused from now on, and its grant is revoked at the vendor where the vendor knows how.
#[utoipa::path(tag = "instances", params(("id" = i64, Path, description = "The instance's id")),
    responses((status = 200, description = "Deleted; the body is empty")))]
#[delete("/instances/{id}")]
async fn delete_instance(caller: Caller, path: web::Path<String>) -> Result<HttpResponse, ApiError> {
    remove(&caller, instance_id(&path)?).await
}

/// Delete an instance of an element
#[utoipa::path(tag = "instances",
    params(
        ("keyOrId" = String, Path, description = "The element's key or id", example = "hubspotcrm"),
        ("id" = i64, Path, description = "The instance's id"),
    ),
    responses((status = 200, description = "Deleted; the body is empty")))]
#[delete("/elements/{keyOrId}/instances/{id}")]
async fn delete_element_instance(caller: Caller, path: web::Path<(String, String)>) -> Result<HttpResponse, ApiError> {
    let id = of_element(&caller, &path).await?;
    remove(&caller, id).await
}

/// List the configuration of an instance
///
/// Secrets are shown as `********`.
#[utoipa::path(tag = "instances", params(("id" = i64, Path, description = "The instance's id")),
    responses((status = 200, description = "The entries", body = Vec<InstanceConfiguration>)))]
#[get("/instances/{id}/configuration")]
async fn list_instance_configuration(
    caller: Caller,
    path: web::Path<String>,
) -> Result<web::Json<Vec<InstanceConfiguration>>, ApiError> {
    caller.services.instance_configuration(caller.owner(), instance_id(&path)?).await.map(web::Json)
}

/// Get one configuration entry of an instance
#[utoipa::path(tag = "instances",
    params(
        ("id" = i64, Path, description = "The instance's id"),
        ("configId" = i64, Path, description = "The entry's id, unique within the instance"),
    ),
    responses((status = 200, description = "The entry", body = InstanceConfiguration)))]
#[get("/instances/{id}/configuration/{configId}")]
async fn get_instance_configuration(
    caller: Caller,
    path: web::Path<(String, String)>,
) -> Result<web::Json<InstanceConfiguration>, ApiError> {
    let entry = entry_id(&path.1)?;
    caller.services.configuration_entry(caller.owner(), instance_id(&path.0)?, entry).await.map(web::Json)
}

/// Change one configuration entry of an instance
#[utoipa::path(tag = "instances", request_body = ConfigurationChange,
    params(
        ("id" = i64, Path, description = "The instance's id"),
        ("configId" = i64, Path, description = "The entry's id, unique within the instance"),
    ),
    responses((status = 200, description = "The entry", body = InstanceConfiguration)))]
#[patch("/instances/{id}/configuration/{configId}")]
async fn update_instance_configuration(
    caller: Caller,
    path: web::Path<(String, String)>,
    body: JsonBody<Map<String, Value>>,
) -> Result<HttpResponse, ApiError> {
    let entry = entry_id(&path.1)?;
    change_entry(&caller, instance_id(&path.0)?, entry, body.value).await
}

/// Enable an instance
#[utoipa::path(tag = "instances", params(("id" = i64, Path, description = "The instance's id")),
    responses((status = 200, description = "The instance, enabled", body = InstanceView)))]
#[put("/instances/{id}/enabled")]
async fn enable_instance(caller: Caller, path: web::Path<String>) -> Result<web::Json<InstanceView>, ApiError> {
    caller.services.enable_instance(caller.owner(), instance_id(&path)?, true).await.map(web::Json)
}

/// Disable an instance
///
/// Calls through it are refused until it is enabled again; its credential is kept.
#[utoipa::path(tag = "instances", params(("id" = i64, Path, description = "The instance's id")),
    responses((status = 200, description = "The instance, disabled", body = InstanceView)))]
#[delete("/instances/{id}/enabled")]
async fn disable_instance(caller: Caller, path: web::Path<String>) -> Result<web::Json<InstanceView>, ApiError> {
    caller.services.enable_instance(caller.owner(), instance_id(&path)?, false).await.map(web::Json)
}

/// Replace an instance's token
///
/// The old one is refused from now on; the id stays.
#[utoipa::path(tag = "instances", params(("id" = i64, Path, description = "The instance's id")),
    responses((status = 200, description = "The instance with its new token", body = InstanceView)))]
#[post("/instances/{id}/token-reset")]
async fn reset_instance_token(caller: Caller, path: web::Path<String>) -> Result<web::Json<InstanceView>, ApiError> {
    caller.services.reset_instance_token(caller.owner(), instance_id(&path)?).await.map(web::Json)
}

pub async fn change(
    caller: &Caller,
    id: i64,
    parameters: &Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    let reauthenticate = parameters.flag("reAuthenticate", false)?;
    let answer = caller.services.change_instance(caller.owner(), id, body.value, reauthenticate).await?;
    Ok(instance_reply(&answer))
}

pub async fn remove(caller: &Caller, id: i64) -> Result<HttpResponse, ApiError> {
    caller.services.delete_instance(caller.owner(), id).await?;
    Ok(HttpResponse::Ok().finish())
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
    let (entry, without_effect) = caller.services.change_configuration_entry(caller.owner(), id, entry, value).await?;
    let mut response = HttpResponse::Ok();
    if let Some(header) = without_effect_header(&without_effect) {
        response.insert_header(("elements-error", header));
    }
    Ok(response.json(entry))
}

pub fn entry_id(text: &str) -> Result<i64, ApiError> {
    id(text, "configuration entry", Code::ConfigurationNotFound)
}

/// The id in the path, if it is of an instance of the element in the path.
async fn of_element(caller: &Caller, (element, id): &(String, String)) -> Result<i64, ApiError> {
    let element = caller.services.element(element)?;
    let id = instance_id(id)?;
    let stored = caller.services.stored_instance(caller.owner(), id).await?;
    if stored.instance.element_id == element.id {
        return Ok(id);
    }
    Err(ApiError::new(Code::InstanceNotFound, format!("No instance found with ID {id} of {}.", element.key)))
}

fn instance_reply(answer: &Answer) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(header) = without_effect_header(&answer.without_effect) {
        response.insert_header(("elements-error", header));
    }
    if answer.trace {
        response.insert_header(("elements-trace-id", answer.instance.id.to_string()));
    }
    response.json(&answer.instance)
}

/// Said rather than silently ignored: what was stored has no effect in this version.
fn without_effect_header(settings: &[String]) -> Option<HeaderValue> {
    let text = format!("ignored, stored without effect in this version: {}", settings.join(", "));
    (!settings.is_empty()).then(|| HeaderValue::from_str(&text).ok()).flatten()
}
