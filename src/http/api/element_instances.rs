//! `/elements/{keyOrId}/instances`: the instances of one element (docs/api.md, Instances).

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::instances::{change, create, list, remove, show};
use crate::http::body::JsonBody;
use crate::http::extract::{Caller, Parameters};
use crate::http::openapi::bodies::{CreateInstance, UpdateInstance};
use crate::http::openapi::queries::{ChangeQuery, IdempotencyHeader, InstanceListQuery, PageQuery, RefreshQuery};
use crate::http::path::{ElementInstancePath, ElementPath};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::instance::input::InstanceInput;
use crate::service::instance::view::InstanceView;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(create_element_instance)
        .service(list_element_instances)
        .service(get_element_instance)
        .service(replace_element_instance)
        .service(delete_element_instance);
}

/// Create an instance of an element
///
/// As `POST /instances`; the body need not name the element.
#[utoipa::path(params(ElementPath, IdempotencyHeader), request_body = CreateInstance,
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!([
        "body", "connection", "idempotency", "element_not_found", "missing_element", "limit_reached"
    ]))))]
#[post("/elements/{keyOrId}/instances")]
async fn create_element_instance(
    caller: Caller,
    path: web::Path<ElementPath>,
    request: HttpRequest,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    create(caller, Some(path.into_inner().key_or_id), request, body).await
}

/// List the instances of an element
///
/// As `GET /instances`.
#[utoipa::path(params(ElementPath, InstanceListQuery, PageQuery),
    responses((status = 200, description = "The instances", body = Vec<InstanceView>)),
    extensions(("x-failures" = json!(["page", "element_not_found", "bad_parameter", "nothing_found"]))))]
#[get("/elements/{keyOrId}/instances")]
async fn list_element_instances(
    caller: Caller,
    path: web::Path<ElementPath>,
    parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    list(caller, Some(path.into_inner().key_or_id), parameters).await
}

/// Get an instance of an element
#[utoipa::path(params(ElementInstancePath, RefreshQuery),
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!(["refresh", "element_not_found", "instance_not_found"]))))]
#[get("/elements/{keyOrId}/instances/{id}")]
async fn get_element_instance(
    caller: Caller,
    path: web::Path<ElementInstancePath>,
    parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    let id = of_element(&caller, &path).await?;
    show(&caller, id, &parameters).await
}

/// Change an instance of an element
///
/// As `PUT /instances/{id}`.
#[utoipa::path(params(ElementInstancePath, ChangeQuery), request_body = UpdateInstance,
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!([
        "body", "connection", "element_not_found", "instance_not_found", "bad_parameter", "limit_reached"
    ]))))]
#[put("/elements/{keyOrId}/instances/{id}")]
async fn replace_element_instance(
    caller: Caller,
    path: web::Path<ElementInstancePath>,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    let id = of_element(&caller, &path).await?;
    change(&caller, id, &parameters, body).await
}

/// Delete an instance of an element
///
/// As `DELETE /instances/{id}`.
#[utoipa::path(params(ElementInstancePath), responses((status = 200, description = "Deleted; the body is empty")),
    extensions(("x-failures" = json!(["element_not_found", "instance_not_found"]))))]
#[delete("/elements/{keyOrId}/instances/{id}")]
async fn delete_element_instance(
    caller: Caller,
    path: web::Path<ElementInstancePath>,
) -> Result<HttpResponse, ApiError> {
    let id = of_element(&caller, &path).await?;
    remove(&caller, id).await
}

/// The id in the path, if it is of an instance of the element in the path.
async fn of_element(caller: &Caller, path: &ElementInstancePath) -> Result<i64, ApiError> {
    let element = caller.services.element_of(caller.owner(), &path.key_or_id)?;
    let id = path.id()?;
    let stored = caller.services.stored_instance(caller.owner(), id).await?;
    if stored.instance.element_id == element.id {
        return Ok(id);
    }
    Err(ApiError::new(Code::InstanceNotFound, format!("No instance found with ID {id} of {}.", element.key)))
}
