//! `/elements`: the catalogue (docs/api.md, Elements) and the OAuth helper (docs/api.md, OAuth addresses).

use std::collections::BTreeMap;

use actix_web::http::header::HeaderValue;
use actix_web::{HttpResponse, HttpResponseBuilder, get, post, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa_actix_web::service_config::ServiceConfig;

use super::documents;
use crate::http::body::JsonBody;
use crate::http::extract::{Parameters, Public};
use crate::http::openapi::bodies::OAuthUrlRequest;
use crate::http::openapi::queries::{ElementListQuery, MetadataQuery, OAuthUrlQuery, PageQuery};
use crate::http::path::{AuthenticationTypePath, ElementPath};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::shortened;
use crate::service::authorize::url::OAuthUrl;
use crate::service::elements::list::ElementQuery;
use crate::service::elements::metadata::ElementMetadata;
use crate::service::elements::view::{
    AuthenticationTypes, ConfigurationEntryView, ElementConfiguration, ElementDetails,
};

pub fn routes(config: &mut ServiceConfig) {
    // The router tries the patterns in order: the most called comes first. Literals that share the place of the key win
    // (docs/api.md, Elements).
    config
        .service(get_oauth_url)
        .service(list_elements)
        .service(list_element_keys)
        .service(list_element_metadata)
        .service(get_element)
        .service(get_element_configuration)
        .service(list_authentication_types)
        .service(list_authentication_type_configuration)
        .service(get_element_metadata)
        .service(documents::get_element_document)
        .service(create_oauth_url);
}

/// List the elements
///
/// The kinds of connections that are offered, in ascending order of ids.
#[utoipa::path(params(ElementListQuery, PageQuery),
    responses((status = 200, description = "The elements", body = Vec<ElementDetails>)),
    extensions(("x-failures" = json!(["page", "bad_parameter"]))))]
#[get("/elements")]
async fn list_elements(public: Public, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let query = ElementQuery::read(parameters.flag("abridged", false)?, parameters.get("where"))?;
    let (elements, next) = public.services.list_elements(public.owner(), &query, parameters.page()?);
    Ok(page_of(&elements, next))
}

/// List the keys of the elements
#[utoipa::path(params(PageQuery),
    responses((status = 200, description = "The keys, in ascending order of the elements' ids", body = Vec<String>)),
    extensions(("x-failures" = json!(["page"]))))]
#[get("/elements/keys")]
async fn list_element_keys(public: Public, parameters: Parameters) -> Result<HttpResponse, ApiError> {
    let (keys, next) = public.services.element_keys(public.owner(), parameters.page()?);
    Ok(page_of(&keys, next))
}

/// List what every element can do
#[utoipa::path(responses((status = 200, description = "The elements' metadata", body = Vec<ElementMetadata>)))]
#[get("/elements/metadata")]
async fn list_element_metadata(public: Public) -> web::Json<Vec<ElementMetadata>> {
    web::Json(public.services.all_element_metadata(public.owner()))
}

/// Get an element
///
/// With its configuration: what an instance of it can be given; and its resources: what can be called through one.
#[utoipa::path(params(ElementPath), responses((status = 200, description = "The element", body = ElementDetails)),
    extensions(("x-failures" = json!(["element_not_found"]))))]
#[get("/elements/{keyOrId}")]
async fn get_element(public: Public, path: web::Path<ElementPath>) -> Result<web::Json<ElementDetails>, ApiError> {
    public.services.element_details(public.owner(), &path.key_or_id).map(web::Json)
}

/// Get the configuration that an element declares
#[utoipa::path(params(ElementPath),
    responses((status = 200, description = "The declared configuration", body = ElementConfiguration)),
    extensions(("x-failures" = json!(["element_not_found"]))))]
#[get("/elements/{keyOrId}/configuration")]
async fn get_element_configuration(
    public: Public,
    path: web::Path<ElementPath>,
) -> Result<web::Json<ElementConfiguration>, ApiError> {
    public.services.element_configuration(public.owner(), &path.key_or_id).map(web::Json)
}

/// List an element's authentication types
///
/// Each with a line on when to use it.
#[utoipa::path(params(ElementPath),
    responses((status = 200, description = "The authentication types", body = AuthenticationTypes)),
    extensions(("x-failures" = json!(["element_not_found"]))))]
#[get("/elements/{keyOrId}/authentication-types")]
async fn list_authentication_types(
    public: Public,
    path: web::Path<ElementPath>,
) -> Result<web::Json<AuthenticationTypes>, ApiError> {
    public.services.list_authentication_types(public.owner(), &path.key_or_id).map(web::Json)
}

/// List the configuration of one authentication type
#[utoipa::path(params(AuthenticationTypePath),
    responses((status = 200, description = "The entries that apply", body = Vec<ConfigurationEntryView>)),
    extensions(("x-failures" = json!(["element_not_found"]))))]
#[get("/elements/{keyOrId}/authentication-types/{type}/configurations")]
async fn list_authentication_type_configuration(
    public: Public,
    path: web::Path<AuthenticationTypePath>,
) -> Result<web::Json<Vec<ConfigurationEntryView>>, ApiError> {
    public.services.authentication_type_configuration(public.owner(), &path.key_or_id, &path.kind).map(web::Json)
}

/// Get what an element can do
#[utoipa::path(params(ElementPath, MetadataQuery),
    responses((status = 200, description = "The element's metadata", body = ElementMetadata)),
    extensions(("x-failures" = json!(["element_not_found", "bad_parameter"]))))]
#[get("/elements/{keyOrId}/metadata")]
async fn get_element_metadata(
    public: Public,
    path: web::Path<ElementPath>,
    parameters: Parameters,
) -> Result<web::Json<ElementMetadata>, ApiError> {
    let expand = parameters.flag("expand", false)?;
    public.services.element_metadata(public.owner(), &path.key_or_id, expand).map(web::Json)
}

/// Get the address to send a user to
///
/// The vendor asks the user for consent there and redirects to `callbackUrl` with a `code`, which then goes into
/// `POST /instances`. Parameters that the element's own address needs (`subdomain`, `siteAddress`) are taken too, and so
/// is what the element allows for one call (`login_hint`, `prompt`); any other wish is refused. With POST the same goes into a
/// body.
#[utoipa::path(params(ElementPath, OAuthUrlQuery),
    responses((status = 200, description = "The address", body = OAuthUrl)),
    extensions(("x-failures" = json!(["oauth_url", "element_not_found"]))))]
#[get("/elements/{keyOrId}/oauth/url")]
async fn get_oauth_url(
    public: Public,
    path: web::Path<ElementPath>,
    parameters: Parameters,
) -> Result<web::Json<OAuthUrl>, ApiError> {
    public.services.start_oauth(public.actor.as_ref(), &path.key_or_id, parameters.into_map()).await.map(web::Json)
}

/// Get the address to send a user to, with the parameters in a body
///
/// For callers who keep client ids out of URLs and logs.
#[utoipa::path(params(ElementPath), request_body = OAuthUrlRequest,
    responses((status = 200, description = "The address", body = OAuthUrl)),
    extensions(("x-failures" = json!(["body", "oauth_url", "element_not_found"]))))]
#[post("/elements/{keyOrId}/oauth/url")]
async fn create_oauth_url(
    public: Public,
    path: web::Path<ElementPath>,
    parameters: Parameters,
    body: JsonBody<Map<String, Value>>,
) -> Result<web::Json<OAuthUrl>, ApiError> {
    let mut given = parameters.into_map();
    given.extend(texts(body.value)?);
    public.services.start_oauth(public.actor.as_ref(), &path.key_or_id, given).await.map(web::Json)
}

/// Members as texts; null means absent.
fn texts(members: Map<String, Value>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut texts = BTreeMap::new();
    for (name, value) in members {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => {
                return Err(ApiError::new(Code::BadBody, format!("`{}` must be a text.", shortened(&name))));
            }
        };
        texts.insert(name, text);
    }
    Ok(texts)
}

/// A page with the headers of lists (docs/api.md, Headers).
pub fn page_of<T: Serialize>(items: &[T], next: Option<String>) -> HttpResponse {
    page_head(items.len(), next).json(items)
}

/// The same without the body.
pub fn page_head(count: usize, next: Option<String>) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header(("elements-returned-count", count.to_string()));
    if let Some(next) = next.and_then(|token| HeaderValue::from_str(&token).ok()) {
        response.insert_header(("elements-next-page-token", next));
    }
    response
}
