//! `/instances` (docs/api.md, Instances).

use actix_web::http::header::{ContentType, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put, web};
use utoipa_actix_web::service_config::ServiceConfig;

use super::documents;
use super::elements::page_of;
use crate::http::body::JsonBody;
use crate::http::extract::{Caller, Parameters};
use crate::http::openapi::bodies::{CreateInstance, UpdateInstance};
use crate::http::openapi::queries::{ChangeQuery, IdempotencyHeader, InstanceListQuery, PageQuery, RefreshQuery};
use crate::http::path::InstancePath;
use crate::http::unrouted::no_route;
use crate::kernel::error::ApiError;
use crate::service::instance::answer::Answer;
use crate::service::instance::idempotency::IdempotencyKey;
use crate::service::instance::input::InstanceInput;
use crate::service::instance::list::{InstanceCount, InstanceQuery, nothing_found};
use crate::service::instance::token_sight::TokensRead;
use crate::service::instance::usage::UsageView;
use crate::service::instance::vendor_values::VendorValue;
use crate::service::instance::view::InstanceView;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(create_instance)
        .service(list_instances)
        .service(count_instances)
        // The literals are no ids, whatever the method.
        .route("/instances/count", web::to(no_route))
        .route("/instances/configuration", web::to(no_route))
        .route("/instances/enabled", web::to(no_route))
        .route("/instances/docs", web::to(no_route))
        .service(get_instance)
        .service(documents::get_instance_document)
        .service(replace_instance)
        .service(update_instance)
        .service(delete_instance)
        .service(enable_instance)
        .service(disable_instance)
        .service(reset_instance_token)
        .service(get_instance_usage)
        .service(list_vendor_values);
}

/// Create an instance
///
/// With OAuth 2.0: send the code of the vendor's redirect as `providerData.code`, it is exchanged before anything is
/// stored. With an API key: send it as configuration, it is verified first.
#[utoipa::path(params(IdempotencyHeader), request_body = CreateInstance,
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!(["body", "connection", "idempotency", "missing_element", "limit_reached"]))))]
#[post("/instances")]
async fn create_instance(
    caller: Caller,
    request: HttpRequest,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    create(caller, None, request, body).await
}

/// List the instances
///
/// In ascending order of ids. An empty list is a 404 whose message reads `No instances found`; `emptyList=200` gives an
/// empty array instead.
#[utoipa::path(params(InstanceListQuery, PageQuery),
    responses((status = 200, description = "The instances", body = Vec<InstanceView>)),
    extensions(("x-failures" = json!(["page", "bad_parameter", "nothing_found"]))))]
#[get("/instances")]
async fn list_instances(caller: Caller, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    list(caller, None, parameters).await
}

/// Count the instances, by element
#[utoipa::path(responses((status = 200, description = "The counts", body = InstanceCount)))]
#[get("/instances/count")]
async fn count_instances(caller: Caller) -> Result<web::Json<InstanceCount>, ApiError> {
    caller.services.count_instances(caller.owner()).await.map(web::Json)
}

/// Get an instance
#[utoipa::path(params(InstancePath, RefreshQuery),
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!(["refresh", "instance_not_found"]))))]
#[get("/instances/{id}")]
async fn get_instance(
    caller: Caller,
    path: web::Path<InstancePath>,
    parameters: Parameters,
) -> Result<HttpResponse, ApiError> {
    show(&caller, path.id()?, &parameters).await
}

/// Change an instance
///
/// As PATCH: what is absent stays as it is. A new `providerData.code` or a new API key is proven before it replaces the
/// old one; id and token stay.
#[utoipa::path(params(InstancePath, ChangeQuery), request_body = UpdateInstance,
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!([
        "body", "connection", "instance_not_found", "bad_parameter", "limit_reached"
    ]))))]
#[put("/instances/{id}")]
async fn replace_instance(
    caller: Caller,
    path: web::Path<InstancePath>,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&caller, path.id()?, &parameters, body).await
}

/// Change some of an instance
///
/// A new `providerData.code` or a new API key is proven before it replaces the old one; id and token stay.
#[utoipa::path(params(InstancePath, ChangeQuery), request_body = UpdateInstance,
    responses((status = 200, description = "The instance", body = InstanceView)),
    extensions(("x-failures" = json!([
        "body", "connection", "instance_not_found", "bad_parameter", "limit_reached"
    ]))))]
#[patch("/instances/{id}")]
async fn update_instance(
    caller: Caller,
    path: web::Path<InstancePath>,
    parameters: Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    change(&caller, path.id()?, &parameters, body).await
}

/// Delete an instance
///
/// Its token is refused from now on, and its grant is revoked at the vendor where the vendor knows how.
#[utoipa::path(params(InstancePath), responses((status = 200, description = "Deleted; the body is empty")),
    extensions(("x-failures" = json!(["instance_not_found"]))))]
#[delete("/instances/{id}")]
async fn delete_instance(caller: Caller, path: web::Path<InstancePath>) -> Result<HttpResponse, ApiError> {
    remove(&caller, path.id()?).await
}

/// Enable an instance
#[utoipa::path(params(InstancePath),
    responses((status = 200, description = "The instance, enabled", body = InstanceView)),
    extensions(("x-failures" = json!(["instance_not_found"]))))]
#[put("/instances/{id}/enabled")]
async fn enable_instance(caller: Caller, path: web::Path<InstancePath>) -> Result<web::Json<InstanceView>, ApiError> {
    switch(&caller, path.id()?, true).await
}

/// Disable an instance
///
/// Calls through it are refused until it is enabled again; its credential is kept.
#[utoipa::path(params(InstancePath),
    responses((status = 200, description = "The instance, disabled", body = InstanceView)),
    extensions(("x-failures" = json!(["instance_not_found"]))))]
#[delete("/instances/{id}/enabled")]
async fn disable_instance(caller: Caller, path: web::Path<InstancePath>) -> Result<web::Json<InstanceView>, ApiError> {
    switch(&caller, path.id()?, false).await
}

/// Replace an instance's token
///
/// The old one is refused from now on; the id stays.
#[utoipa::path(params(InstancePath),
    responses((status = 200, description = "The instance with its new token", body = InstanceView)),
    extensions(("x-failures" = json!(["instance_not_found"]))))]
#[post("/instances/{id}/token-reset")]
async fn reset_instance_token(
    caller: Caller,
    path: web::Path<InstancePath>,
) -> Result<web::Json<InstanceView>, ApiError> {
    let instance = caller.services.reset_instance_token(&caller.actor, path.id()?).await?;
    caller.sees(instance).await.map(web::Json)
}

/// Show what an instance was used for
///
/// Counts of calls through it, written every few seconds.
#[utoipa::path(params(InstancePath), responses((status = 200, description = "The counts", body = UsageView)),
    extensions(("x-failures" = json!(["instance_not_found"]))))]
#[get("/instances/{id}/usage")]
async fn get_instance_usage(caller: Caller, path: web::Path<InstancePath>) -> Result<web::Json<UsageView>, ApiError> {
    caller.services.instance_usage(caller.owner(), path.id()?).await.map(web::Json)
}

/// List what the vendor told beside the token
///
/// What the element keeps of it: an incoming webhook, a user's own token, the workspace. Secrets are shown to whoever sees the
/// instance's token.
#[utoipa::path(params(InstancePath), responses((status = 200, description = "The values", body = Vec<VendorValue>)),
    extensions(("x-failures" = json!(["instance_not_found"]))))]
#[get("/instances/{id}/vendor-values")]
async fn list_vendor_values(
    caller: Caller,
    path: web::Path<InstancePath>,
) -> Result<web::Json<Vec<VendorValue>>, ApiError> {
    let (values, read) = caller.services.vendor_values(&caller.actor, path.id()?).await?;
    if let Some(read) = read {
        caller.note(read);
    }
    Ok(web::Json(values))
}

pub async fn create(
    caller: Caller,
    element: Option<String>,
    request: HttpRequest,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    let key = request.headers().get("idempotency-key").map(|value| {
        let text = value.to_str().unwrap_or_default();
        IdempotencyKey::read(text, element.as_deref().unwrap_or_default(), &body.bytes)
    });
    let created = caller.services.create_instance(&caller.actor, element.as_deref(), body.value, key.transpose()?);
    instance_reply(&caller, created.await?).await
}

pub async fn list(caller: Caller, element: Option<String>, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let query = InstanceQuery {
        element,
        tags: parameters.all("tags[]").chain(parameters.all("tags")).map(str::to_owned).collect(),
        search_text: parameters.get("searchText").map(str::to_owned),
        external_id: parameters.get("externalId").map(str::to_owned),
        hydrate: parameters.flag("hydrate", true)?,
    };
    let (mut instances, next) = caller.services.list_instances(caller.owner(), query, parameters.page()?).await?;
    if instances.is_empty() && parameters.get("emptyList") != Some("200") {
        return Err(nothing_found("instances"));
    }
    caller.show_tokens(&mut instances).await?;
    Ok(page_of(&instances, next))
}

/// With `refresh=true` after a refresh. One that failed while the old token is still good is no failure of the call.
pub async fn show(caller: &Caller, id: i64, parameters: &Parameters) -> Result<HttpResponse, ApiError> {
    if !parameters.flag("refresh", false)? {
        if !caller.services.sees_every_token(&caller.actor).await? {
            let instance = caller.services.get_instance(caller.owner(), id).await?;
            return Ok(HttpResponse::Ok().json(caller.sees(instance).await?));
        }
        let body = caller.services.instance_body(caller.owner(), id).await?;
        caller.note(TokensRead { instance: id, count: 1 });
        return Ok(HttpResponse::Ok().content_type(ContentType::json()).body(web::Bytes::from_owner(body)));
    }
    let (instance, failure) = caller.services.refresh_instance(&caller.actor, id).await?;
    let mut response = HttpResponse::Ok();
    if let Some(failure) = failure {
        response.insert_header(("elements-error", failure.code.name()));
    }
    Ok(response.json(caller.sees(instance).await?))
}

pub async fn change(
    caller: &Caller,
    id: i64,
    parameters: &Parameters,
    body: JsonBody<InstanceInput>,
) -> Result<HttpResponse, ApiError> {
    let reauthenticate = parameters.flag("reAuthenticate", false)?;
    let answer = caller.services.change_instance(&caller.actor, id, body.value, reauthenticate).await?;
    instance_reply(caller, answer).await
}

pub async fn switch(caller: &Caller, id: i64, enabled: bool) -> Result<web::Json<InstanceView>, ApiError> {
    let instance = caller.services.enable_instance(&caller.actor, id, enabled).await?;
    caller.sees(instance).await.map(web::Json)
}

pub async fn remove(caller: &Caller, id: i64) -> Result<HttpResponse, ApiError> {
    caller.services.delete_instance(&caller.actor, id).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn instance_reply(caller: &Caller, answer: Answer) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::Ok();
    if let Some(header) = without_effect_header(&answer.without_effect) {
        response.insert_header(("elements-error", header));
    }
    if answer.trace {
        response.insert_header(("elements-trace-id", answer.instance.id.to_string()));
    }
    Ok(response.content_type(ContentType::json()).body(caller.sees(answer.instance).await?.json()?))
}

impl Caller {
    /// The instance as this caller may see it: whatever a reply says of one goes through here, or through `show_tokens`.
    async fn sees(&self, mut instance: InstanceView) -> Result<InstanceView, ApiError> {
        self.show_tokens(std::slice::from_mut(&mut instance)).await?;
        Ok(instance)
    }

    async fn show_tokens(&self, instances: &mut [InstanceView]) -> Result<(), ApiError> {
        if let Some(read) = self.services.show_tokens(&self.actor, instances).await? {
            self.note(read);
        }
        Ok(())
    }
}

/// Said rather than silently ignored: what was stored has no effect in this version.
pub fn without_effect_header(settings: &[String]) -> Option<HeaderValue> {
    let text = format!("ignored, stored without effect in this version: {}", settings.join(", "));
    (!settings.is_empty()).then(|| HeaderValue::from_str(&text).ok()).flatten()
}
