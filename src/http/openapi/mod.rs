//! The OpenAPI document: made of the handlers' own lines, completed with what all of them share.

pub mod bodies;
mod failures;
mod links;
pub mod queries;
mod version_30;

use std::borrow::Cow;
use std::sync::LazyLock;

use actix_web::App;
use actix_web::dev::ResourceDef;
use actix_web::http::Method;
use serde_json::Value;
use utoipa::OpenApi as _;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi, RefOr, Response, Schema};
use utoipa_actix_web::AppExt as _;

use super::api::{AREAS, Area, Callers};
use super::error::ErrorBody;
use super::urls::BASE;
use crate::kernel::code::Code;

/// OpenAPI 3.1, as `/openapi.json` serves it and `openapi/openapi.json` keeps it.
/// A document for readers below a path of the host.
pub fn below(path: &str, document: &'static str) -> Cow<'static, str> {
    if path.is_empty() {
        return Cow::Borrowed(document);
    }
    let server = |path: &str| format!("\"url\": \"{path}{BASE}\"");
    Cow::Owned(document.replacen(&server(""), &server(path), 1))
}

pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| pretty(&json()));
    &TEXT
}

/// The same as OpenAPI 3.0.3, for generators that want it.
pub fn text_30() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| pretty(&version_30::downgraded(json())));
    &TEXT
}

fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).map(|text| text + "\n").unwrap_or_default()
}

fn json() -> Value {
    let mut document = serde_json::to_value(document()).unwrap_or_default();
    without_property_names(&mut document);
    document
}

/// utoipa says of every map that its names are texts, which JSON knows already and some generators stumble over.
fn without_property_names(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_property_names),
        Value::Object(members) => {
            members.shift_remove("propertyNames");
            members.values_mut().for_each(without_property_names);
        }
        _ => {}
    }
}

/// What stands around the operations.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Ligand",
        description = "Connects an application to its customers' SaaS accounts: elements, OAuth, instances.\n\nA \
                       success is always 200. Empty query parameters count as not given, unknown ones and unknown \
                       members of bodies are ignored.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/elements/api-v2", description = "This server")),
    security(("userOrganization" = []), ("bearer" = [])),
    components(schemas(ErrorBody)),
    tags(
        (name = "authentication", description = "Passwords, sessions and secrets"),
        (name = "organizations", description = "What an organization chooses for all its callers"),
        (name = "users", description = "The people of an organization, for its administrators"),
        (name = "elements", description = "The kinds of connections that are offered"),
        (name = "apps", description = "The organization's own OAuth apps, which serve all its connections of an element"),
        (name = "connect", description = "Links with which customers connect their own accounts"),
        (name = "instances", description = "Connected accounts"),
        (name = "own-instance",
            description = "Calls without an id: the instance is the one whose token is sent as `Element <token>`"),
        (name = "audit", description = "Who changed what"),
        (name = "notifications", description = "Telling an organization what happens"),
        (name = "hubs",
            description = "The vendor's objects in one shape for a hub, through the instance of the Element token. \
                           Organization may stay away. Without `/hubs/{hub}` an address is the element's where the element \
                           has a resource of that name, and for reading any object, unless it is one of this API's own, \
                           such as `/accounts/{id}`, `/users` or `/jobs`: those never reach a vendor"),
    ),
)]
struct Frame;

fn document() -> OpenApi {
    let mut document = Frame::openapi();
    let components = document.components.get_or_insert_default();
    components.responses = failures::shared().collect();
    name_all_codes(components);
    add_security_schemes(components);
    for area in AREAS {
        let (_, mut part) = App::new().into_utoipa_app().configure(area.routes).split_for_parts();
        for operation in part.paths.paths.values_mut().flat_map(operations_mut) {
            complete(operation, area);
        }
        document.merge(part);
    }
    let schemas = document.components.get_or_insert_default().schemas.get_mut("ExpandedMetadata");
    if let Some(RefOr::T(Schema::Object(expanded))) = schemas {
        // Its members come and go together; utoipa has no word for an option that is flattened.
        expanded.required.clear();
    }
    document
}

/// No enum: a later version has more of them. All are named, also those of no operation (405).
fn name_all_codes(components: &mut Components) {
    let Some(RefOr::T(Schema::Object(error))) = components.schemas.get_mut("Error") else { return };
    let Some(RefOr::T(Schema::Object(code))) = error.properties.get_mut("code") else { return };
    let names: Vec<_> = Code::ALL.iter().map(|code| format!("`{}`", code.name())).collect();
    code.description = Some(format!("A stable name for the failure: {}.", names.join(", ")));
}

fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn add_security_schemes(components: &mut Components) {
    let header = |description: &str| {
        SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description("Authorization", description)))
    };
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The token of `POST /authentication`, wherever User and Organization are accepted"));
    components
        .add_security_scheme("userOrganization", header("`User <user secret>, Organization <organization secret>`"));
    components.add_security_scheme(
        "userOrganizationElement",
        header("`User <user secret>, Organization <organization secret>, Element <instance token>`"),
    );
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
}

/// Adds what the area and the kind of the operation say.
fn complete(operation: &mut Operation, area: &Area) {
    operation.tags = Some(vec![area.tag.to_owned()]);
    let callers = operation.security.is_none().then_some(area.callers);
    if operation.security.is_none() {
        operation.security = security(area.callers);
    }
    let failures = failures::take(operation, callers);
    let pages = failures.values().flatten().any(|code| *code == Code::BadNextPage);
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        add_header(response, REQUEST_ID);
        if pages {
            add_header(response, RETURNED_COUNT);
            add_header(response, NEXT_PAGE_TOKEN);
        }
        if area.tag == "hubs" {
            add_header(response, USED_INSTANCE);
        } else if failures.contains_key(&502) {
            add_header(response, SOFT_ERROR);
        }
    }
    links::add(operation);
    for (status, codes) in failures {
        operation.responses.responses.insert(status.to_string(), failures::response(&codes));
    }
}

/// None: as the whole document says.
fn security(callers: Callers) -> Option<Vec<SecurityRequirement>> {
    let scheme = |name: &str| SecurityRequirement::new(name, [""; 0]);
    match callers {
        Callers::Anyone => Some(vec![SecurityRequirement::default(), scheme("userOrganization"), scheme("bearer")]),
        Callers::Known => None,
        Callers::WithElement => Some(vec![scheme("userOrganizationElement")]),
    }
}

type NamedHeader = (&'static str, &'static str);
const REQUEST_ID: NamedHeader = ("Elements-Request-Id", "The request's id in the log");
const RETURNED_COUNT: NamedHeader = ("Elements-Returned-Count", "How many are on this page");
const NEXT_PAGE_TOKEN: NamedHeader = ("Elements-Next-Page-Token", "Send it as `nextPage`; absent on the last page");
const USED_INSTANCE: NamedHeader = ("Elements-Element-Instance-Id", "The id of the instance that was used");
const SOFT_ERROR: NamedHeader = ("Elements-Error", "What was stored without having an effect");
const CHALLENGE: NamedHeader = ("WWW-Authenticate", "The challenge that HTTP wants with every 401");
const RETRY_AFTER: NamedHeader = ("Retry-After", "Seconds to wait before the next try");

fn add_header(response: &mut Response, (name, description): NamedHeader) {
    let header = HeaderBuilder::from(Header::default()).description(Some(description)).build();
    response.headers.insert(name.to_owned(), header.into());
}

static ROUTES: LazyLock<Vec<(ResourceDef, Vec<Method>)>> = LazyLock::new(all_routes);

/// The methods that an address takes, with or without the base path.
pub fn methods_of(path: &str) -> Vec<Method> {
    let below = path.strip_prefix(BASE).unwrap_or(path);
    let first = ROUTES.iter().find(|(pattern, _)| pattern.is_match(below));
    first.map(|(_, methods)| methods.clone()).unwrap_or_default()
}

/// Whether an operation's address has this first segment.
pub fn begins_with(first: &str) -> bool {
    let begins = |path: &str| path.split('/').nth(1) == Some(first);
    !first.is_empty() && ROUTES.iter().filter_map(|(route, _)| route.pattern()).any(begins)
}

fn all_routes() -> Vec<(ResourceDef, Vec<Method>)> {
    let routes = document().paths.paths.into_iter().map(|(path, item)| {
        let taken = [
            (Method::GET, item.get.is_some()),
            (Method::PUT, item.put.is_some()),
            (Method::POST, item.post.is_some()),
            (Method::DELETE, item.delete.is_some()),
            (Method::PATCH, item.patch.is_some()),
        ];
        (ResourceDef::new(path), taken.into_iter().filter_map(|(method, taken)| taken.then_some(method)).collect())
    });
    routes.collect()
}
