//! `/hubs/{hub}/…`: hub resources of the instance of the Element token (docs/api.md, Hubs and resources), and the same without
//! `/hubs/{hub}`. The hub's name is not looked at: the token says which element is meant.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, delete, get, patch, post, put, web};
use percent_encoding::percent_decode_str;
use serde_json::json;
use utoipa_actix_web::service_config::ServiceConfig;

use super::documents;
use crate::http::body::{AnyBody, RawBody};
use crate::http::extract::{HubCaller, Parameters, presented, services};
use crate::http::openapi;
use crate::http::openapi::queries::{HubListQuery, HubObjectQuery};
use crate::http::path::{ChildPath, HubPath, ObjectIdPath, ObjectPath, ResourcePath};
use crate::http::unrouted::{no_route, wrong_method};
use crate::http::urls::BASE;
use crate::hub::families::Form;
use crate::hub::objects::{self, ObjectMetadata};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::calls::hub::{HubAnswer, HubCall};

const INSTANCE: HeaderName = HeaderName::from_static("elements-element-instance-id");
const RETURNED: HeaderName = HeaderName::from_static("elements-returned-count");
const TOTAL: HeaderName = HeaderName::from_static("elements-total-count");
const NEXT_PAGE: HeaderName = HeaderName::from_static("elements-next-page-token");

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(list_objects)
        .service(get_object_metadata)
        .service(documents::get_object_document)
        .service(ping_vendor)
        // The literals are no resources, whatever the method.
        .route("/hubs/{hub}/{literal:objects|ping}", web::to(no_route))
        .route("/hubs/{hub}/objects/{objectName}/{literal:metadata|docs}", web::to(no_route))
        .service(list_resource)
        .service(create_resource)
        .service(get_resource)
        .service(replace_resource)
        .service(update_resource)
        .service(delete_resource)
        .service(create_nested_resource)
        .service(get_child_resource)
        .service(create_child_resource)
        .service(replace_child_resource)
        .service(update_child_resource)
        .service(delete_child_resource)
        .route("/hubs/{hub}/{tail:.+}", web::to(any));
}

/// List the objects of the instance
///
/// Names; with the header `Elements-Version: Helium` objects with `name`, `vendorName` and `type`.
#[utoipa::path(params(HubPath), responses((status = 200, description = "The names", body = Vec<String>)),
    extensions(("x-failures" = json!(["hub"]))))]
#[get("/hubs/{hub}/objects")]
async fn list_objects(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    objects_of(&caller, &request).await
}

/// Get the fields of an object
#[utoipa::path(params(ObjectPath), responses((status = 200, description = "The fields", body = ObjectMetadata)),
    extensions(("x-failures" = json!(["hub"]))))]
#[get("/hubs/{hub}/objects/{objectName}/metadata")]
async fn get_object_metadata(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    metadata_of(&caller, &request).await
}

/// Prove that the vendor takes the instance's credential
#[utoipa::path(params(HubPath), responses((status = 200, description = "It does", body = Value)),
    extensions(("x-failures" = json!(["hub"]))))]
#[get("/hubs/{hub}/ping")]
async fn ping_vendor(caller: HubCaller) -> HttpResponse {
    ping(&caller).await
}

/// List the objects of a resource
///
/// The resources are the element's: `GET /hubs/{hub}/objects` tells them. An empty list is a success here.
#[utoipa::path(params(ResourcePath, HubListQuery), responses((status = 200, description = "The objects", body = Vec<Value>)),
    extensions(("x-failures" = json!(["page", "hub", "bad_where", "page_too_far"]))))]
#[get("/hubs/{hub}/{objectName}")]
async fn list_resource(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    call(&caller, &request, Form::InHub, None).await
}

/// Create an object of a resource
///
/// Its members flat, or as the vendor nests them.
#[utoipa::path(params(ResourcePath), request_body = openapi::bodies::HubObject,
    responses((status = 200, description = "The object, with its `id`", body = Value)),
    extensions(("x-failures" = json!(["body", "hub"]))))]
#[post("/hubs/{hub}/{objectName}")]
async fn create_resource(caller: HubCaller, request: HttpRequest, body: RawBody) -> HttpResponse {
    call(&caller, &request, Form::InHub, Some(body)).await
}

/// Get an object of a resource, or list a resource that is part of another
#[utoipa::path(params(ObjectIdPath, HubObjectQuery),
    responses((status = 200, description = "The object, or the objects", body = Value)),
    extensions(("x-failures" = json!(["hub", "bad_where", "method_not_allowed"]))))]
#[get("/hubs/{hub}/{objectName}/{objectId}")]
async fn get_resource(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    call(&caller, &request, Form::InHub, None).await
}

/// Replace an object of a resource
#[utoipa::path(params(ObjectIdPath), request_body = openapi::bodies::HubObject,
    responses((status = 200, description = "The object", body = Value)),
    extensions(("x-failures" = json!(["body", "hub", "method_not_allowed"]))))]
#[put("/hubs/{hub}/{objectName}/{objectId}")]
async fn replace_resource(caller: HubCaller, request: HttpRequest, body: RawBody) -> HttpResponse {
    call(&caller, &request, Form::InHub, Some(body)).await
}

/// Change some of an object of a resource
#[utoipa::path(params(ObjectIdPath), request_body = openapi::bodies::HubObject,
    responses((status = 200, description = "The object", body = Value)),
    extensions(("x-failures" = json!(["body", "hub", "method_not_allowed"]))))]
#[patch("/hubs/{hub}/{objectName}/{objectId}")]
async fn update_resource(caller: HubCaller, request: HttpRequest, body: RawBody) -> HttpResponse {
    call(&caller, &request, Form::InHub, Some(body)).await
}

/// Delete an object of a resource, or archive it where the vendor archives
#[utoipa::path(params(ObjectIdPath), responses((status = 200, description = "Deleted; the body is empty")),
    extensions(("x-failures" = json!(["hub", "method_not_allowed"]))))]
#[delete("/hubs/{hub}/{objectName}/{objectId}")]
async fn delete_resource(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    call(&caller, &request, Form::InHub, None).await
}

/// Create an object of a resource that is part of another, or search
#[utoipa::path(params(ObjectIdPath), request_body = openapi::bodies::HubObject,
    responses((status = 200, description = "What was created or found", body = Value)),
    extensions(("x-failures" = json!(["body", "hub", "method_not_allowed"]))))]
#[post("/hubs/{hub}/{objectName}/{objectId}")]
async fn create_nested_resource(caller: HubCaller, request: HttpRequest, body: RawBody) -> HttpResponse {
    call(&caller, &request, Form::InHub, Some(body)).await
}

/// List what belongs to an object, or get a part of a resource
#[utoipa::path(params(ChildPath, HubListQuery),
    responses((status = 200, description = "The objects, or the object", body = Value)),
    extensions(("x-failures" = json!(["page", "hub", "bad_where", "page_too_far", "method_not_allowed"]))))]
#[get("/hubs/{hub}/{objectName}/{objectId}/{childObjectName}")]
async fn get_child_resource(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    call(&caller, &request, Form::InHub, None).await
}

/// Read, create, change or archive several objects at once
///
/// `/hubs/{hub}/contacts/batch/read`, `create`, `update`, `upsert`, `archive`: the body is a list, or an object with a list
/// `inputs`.
#[utoipa::path(params(ChildPath), request_body = openapi::bodies::HubObject,
    responses((status = 200, description = "The results, and what failed", body = Value)),
    extensions(("x-failures" = json!(["body", "hub", "method_not_allowed"]))))]
#[post("/hubs/{hub}/{objectName}/{objectId}/{childObjectName}")]
async fn create_child_resource(caller: HubCaller, request: HttpRequest, body: RawBody) -> HttpResponse {
    call(&caller, &request, Form::InHub, Some(body)).await
}

/// Replace a part of a resource
#[utoipa::path(params(ChildPath), request_body = openapi::bodies::HubObject,
    responses((status = 200, description = "The object", body = Value)),
    extensions(("x-failures" = json!(["body", "hub", "method_not_allowed"]))))]
#[put("/hubs/{hub}/{objectName}/{objectId}/{childObjectName}")]
async fn replace_child_resource(caller: HubCaller, request: HttpRequest, body: RawBody) -> HttpResponse {
    call(&caller, &request, Form::InHub, Some(body)).await
}

/// Change some of a part of a resource
#[utoipa::path(params(ChildPath), request_body = openapi::bodies::HubObject,
    responses((status = 200, description = "The object", body = Value)),
    extensions(("x-failures" = json!(["body", "hub", "method_not_allowed"]))))]
#[patch("/hubs/{hub}/{objectName}/{objectId}/{childObjectName}")]
async fn update_child_resource(caller: HubCaller, request: HttpRequest, body: RawBody) -> HttpResponse {
    call(&caller, &request, Form::InHub, Some(body)).await
}

/// Delete a part of a resource
#[utoipa::path(params(ChildPath), responses((status = 200, description = "Deleted; the body is empty")),
    extensions(("x-failures" = json!(["hub", "method_not_allowed"]))))]
#[delete("/hubs/{hub}/{objectName}/{objectId}/{childObjectName}")]
async fn delete_child_resource(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    call(&caller, &request, Form::InHub, None).await
}

/// What lies deeper than the document says, and other methods: with a token the element knows which ones an address takes.
async fn any(request: HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    if !names_instance(&request) && !openapi::methods_of(request.path()).is_empty() {
        return no_route(request).await;
    }
    served(request, Form::InHub, body).await
}

fn names_instance(request: &HttpRequest) -> bool {
    presented(request).is_ok_and(|presented| presented.element.is_some())
}

/// The bare form: where nothing of ours has the address, the element of the token may have it. What is the platform's by its
/// name alone (docs/api.md, Whose address it is) is nobody else's.
pub async fn bare(request: HttpRequest, body: RawBody) -> Result<HttpResponse, ApiError> {
    let path = path_of(&request)?;
    let first = path.first().map(String::as_str).unwrap_or_default();
    let named = matches!(first, "objects" | "ping") || services(&request)?.is_resource(None, &path);
    if path.is_empty() || !(named || (names_instance(&request) && !Form::Bare.reserves(first))) {
        return no_route(request).await;
    }
    served(request, Form::Bare, body).await
}

async fn served(request: HttpRequest, form: Form, body: RawBody) -> Result<HttpResponse, ApiError> {
    let caller = HubCaller::extract(&request).await?;
    let path = path_of(&request)?;
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    Ok(match (request.method().as_str(), path.as_slice()) {
        ("GET", ["objects"]) => objects_of(&caller, &request).await,
        ("GET", ["objects", _, "metadata"]) => metadata_of(&caller, &request).await,
        ("GET", ["objects", _, "docs"]) => documents::of_object(&caller, &request).await,
        ("GET", ["ping"]) => ping(&caller).await,
        // The literals are no resources, whatever the method.
        (_, ["objects" | "ping"] | ["objects", _, "metadata" | "docs"]) => {
            finish(&caller, Err(wrong_method(&request, "GET")))
        }
        _ => call(&caller, &request, form, Some(body)).await,
    })
}

async fn call(caller: &HubCaller, request: &HttpRequest, form: Form, body: Option<RawBody>) -> HttpResponse {
    finish(caller, called(caller, request, form, body).await)
}

async fn called(
    caller: &HubCaller,
    request: &HttpRequest,
    form: Form,
    body: Option<RawBody>,
) -> Result<HttpResponse, ApiError> {
    let path = path_of(request)?;
    let body = match body {
        Some(body) if AnyBody::is_read(request) => {
            // Who asks for what is not there hears that, whatever was sent along.
            caller.services.check_hub_route(&caller.vendor_access(), form, request.method().as_str(), &path).await?;
            AnyBody::of(request, body).await?
        }
        _ => AnyBody::default(),
    };
    let headers = request.headers().iter();
    let headers = headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let call = HubCall {
        form,
        method: request.method().to_string(),
        path,
        query: Parameters::read(request.query_string().as_bytes())?.into_pairs(),
        headers: headers.collect(),
        body: body.value,
    };
    let answer = caller.services.call_hub(&caller.vendor_access(), call).await?;
    Ok(rendered(answer))
}

fn rendered(answer: HubAnswer) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    if let Some(returned) = answer.returned {
        response.insert_header((RETURNED, returned));
    }
    for (name, value) in [(TOTAL, answer.total), (NEXT_PAGE, answer.next)] {
        if let Some(value) = value {
            response.insert_header((name, value));
        }
    }
    match answer.text {
        Some(text) => response.content_type("application/json").body(text),
        None => response.finish(),
    }
}

async fn objects_of(caller: &HubCaller, request: &HttpRequest) -> HttpResponse {
    let version = request.headers().get("elements-version").and_then(|value| value.to_str().ok());
    let names = caller.services.object_names(caller.owner(), caller.instance).await;
    let rich = version.is_some_and(|version| version.eq_ignore_ascii_case("helium"));
    let body = names.map(|names| HttpResponse::Ok().json(if rich { json!(names) } else { objects::plain(&names) }));
    finish(caller, body)
}

async fn metadata_of(caller: &HubCaller, request: &HttpRequest) -> HttpResponse {
    let found = async {
        let path = path_of(request)?;
        let name = path.get(1).cloned().unwrap_or_default();
        caller.services.object_metadata(&caller.vendor_access(), &name).await
    };
    finish(caller, found.await.map(|fields| HttpResponse::Ok().json(fields)))
}

async fn ping(caller: &HubCaller) -> HttpResponse {
    let pong = caller.services.ping(&caller.vendor_access()).await;
    finish(caller, pong.map(|pong| HttpResponse::Ok().json(pong)))
}

/// Every answer names the instance, a failure too.
pub(super) fn finish(caller: &HubCaller, outcome: Result<HttpResponse, ApiError>) -> HttpResponse {
    let mut response = outcome.unwrap_or_else(HttpResponse::from_error);
    response.headers_mut().insert(INSTANCE, HeaderValue::from(caller.instance));
    response
}

/// The segments behind `/hubs/{hub}`, or behind the base path.
pub fn path_of(request: &HttpRequest) -> Result<Vec<String>, ApiError> {
    let path = request.path();
    let path = path.strip_prefix(BASE).unwrap_or(path);
    let behind = path.strip_prefix("/hubs/").and_then(|rest| rest.split_once('/')).map_or(path, |(_, rest)| rest);
    let segments = behind.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
        let text = percent_decode_str(segment).decode_utf8();
        text.map(|text| text.into_owned())
            .map_err(|_| ApiError::new(Code::RouteNotFound, "The path is no text in percent-encoding."))
    });
    segments.collect()
}
