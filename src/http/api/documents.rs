//! `…/docs`: documents of the elements' resources (docs/api.md, API documents). The routes stand beside those of their areas.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde_json::Value;
use url::Url;
use utoipa_actix_web::service_config::ServiceConfig;

use super::hubs;
use crate::http::extract::{Caller, CallerInstance, HubCaller, Parameters, Public, services};
use crate::http::openapi::queries::{DocumentForm, ObjectDocumentForm};
use crate::http::path::{ElementPath, HubKeyPath, InstancePath, ObjectPath};
use crate::http::urls::BASE;
use crate::hub::document::Version;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::service::calls::document::DocumentQuery;

/// Get the API document of an element's resources
///
/// Swagger 2.0, or OpenAPI 3.1 with `version=3.1`.
#[utoipa::path(params(ElementPath, DocumentForm), responses((status = 200, description = "The document", body = Value)),
    extensions(("x-failures" = json!(["element_not_found", "resource_not_found", "bad_parameter"]))))]
#[get("/elements/{keyOrId}/docs")]
pub async fn get_element_document(
    public: Public,
    path: web::Path<ElementPath>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<web::Json<Value>, ApiError> {
    public.services.element_document(public.owner(), &path.key_or_id, &wanted(&request, &parameters)?).map(web::Json)
}

/// Of all hubs; the other documents are routed with what they describe.
pub fn routes(config: &mut ServiceConfig) {
    config.service(get_hub_document);
}

/// Get the API document of a hub
///
/// What the elements of the hub offer together: one element may lack some of it.
#[utoipa::path(params(HubKeyPath, DocumentForm), responses((status = 200, description = "The document", body = Value)),
    extensions(("x-failures" = json!(["element_not_found", "resource_not_found", "bad_parameter"]))))]
#[get("/docs/{hubKey}")]
async fn get_hub_document(
    public: Public,
    path: web::Path<HubKeyPath>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<web::Json<Value>, ApiError> {
    public.services.hub_document(public.owner(), &path.hub_key, &wanted(&request, &parameters)?).map(web::Json)
}

/// Get the API document of an instance's resources
#[utoipa::path(params(InstancePath, DocumentForm), responses((status = 200, description = "The document", body = Value)),
    extensions(("x-failures" = json!(["instance_not_found", "resource_not_found", "bad_parameter"]))))]
#[get("/instances/{id}/docs")]
pub async fn get_instance_document(
    caller: Caller,
    path: web::Path<InstancePath>,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<web::Json<Value>, ApiError> {
    of_instance(&caller, path.id()?, &request, &parameters).await
}

/// Get the API document of the resources of the Element token's instance
#[utoipa::path(params(DocumentForm), responses((status = 200, description = "The document", body = Value)),
    extensions(("x-failures" = json!(["resource_not_found", "bad_parameter"]))))]
#[get("/instances/docs")]
pub async fn get_own_instance_document(
    own: CallerInstance,
    request: HttpRequest,
    parameters: Parameters,
) -> Result<web::Json<Value>, ApiError> {
    of_instance(&own.caller, own.instance, &request, &parameters).await
}

/// Get the API document of one object
///
/// With what belongs to the object.
#[utoipa::path(params(ObjectPath, DocumentForm, ObjectDocumentForm),
    responses((status = 200, description = "The document", body = Value)),
    extensions(("x-failures" = json!(["hub"]))))]
#[get("/hubs/{hub}/objects/{objectName}/docs")]
pub async fn get_object_document(caller: HubCaller, request: HttpRequest) -> HttpResponse {
    of_object(&caller, &request).await
}

async fn of_instance(
    caller: &Caller,
    instance: i64,
    request: &HttpRequest,
    parameters: &Parameters,
) -> Result<web::Json<Value>, ApiError> {
    let query = wanted(request, parameters)?;
    caller.services.instance_document(caller.owner(), instance, &query).await.map(web::Json)
}

pub async fn of_object(caller: &HubCaller, request: &HttpRequest) -> HttpResponse {
    let document = async {
        let parameters = Parameters::of(request);
        let discovery = parameters.flag("discovery", false)?;
        // There is nothing beyond the basic yet.
        parameters.flag("basic", true)?;
        let inline = parameters.flag("resolveReferences", false)?;
        let query = DocumentQuery { inline, ..wanted(request, &parameters)? };
        let path = hubs::path_of(request)?;
        let name = path.get(1).map(String::as_str).unwrap_or_default();
        caller.services.object_document(&caller.vendor_access(), name, discovery, &query).await
    };
    hubs::finish(caller, document.await.map(|document| HttpResponse::Ok().json(document)))
}

fn wanted(request: &HttpRequest, parameters: &Parameters) -> Result<DocumentQuery, ApiError> {
    let base = match parameters.get("baseUrl") {
        Some(text) => base_url(text).ok_or_else(|| {
            let message = "baseUrl must be an http or https address with a plain host, like https://api.example.com.";
            ApiError::new(Code::BadParameter, message)
        })?,
        None => {
            let public = services(request)?.public_url.as_str().trim_end_matches('/').to_owned();
            Url::parse(&format!("{public}{BASE}")).map_err(|error| ApiError::internal(error))?
        }
    };
    Ok(DocumentQuery {
        version: parameters.get("version").map_or(Ok(Version::Swagger20), Version::read)?,
        base,
        operation: parameters.get("operationId").map(str::to_owned),
        inline: false,
    })
}

/// Where the API begins: an address without a path means its usual place there.
fn base_url(text: &str) -> Option<Url> {
    let mut url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    // More than URLs allow: the host stands in a template.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    if !url.host_str()?.chars().all(plain) {
        return None;
    }
    if url.path() == "/" {
        url.set_path(BASE);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_an_origin_or_the_place_of_the_api() {
        let read = |text| base_url(text).map(|url| url.to_string());
        assert_eq!(read("https://foo.bar").as_deref(), Some("https://foo.bar/elements/api-v2"));
        assert_eq!(read("http://localhost:8080/").as_deref(), Some("http://localhost:8080/elements/api-v2"));
        assert_eq!(read("https://foo.bar/crm/").as_deref(), Some("https://foo.bar/crm/"));
        for text in ["", "foo.bar", "ftp://foo.bar", "https://", "https://{host}.foo.bar", "javascript:alert(1)"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
