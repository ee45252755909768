//! The OpenAPI document: made of the handlers' own lines, completed with what all of them share.

use std::sync::LazyLock;

use actix_web::App;
use actix_web::dev::{Path, ResourceDef};
use actix_web::http::Method;
use serde_json::{Map, Value, json};
use utoipa_actix_web::AppExt as _;

use super::urls::BASE;
use crate::kernel::code::Code;

/// OpenAPI 3.1, as `/openapi.json` serves it and `openapi/openapi.json` keeps it.
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| pretty(&document()));
    &TEXT
}

/// The same as OpenAPI 3.0.3, for generators that want it.
pub fn text_30() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| pretty(&super::openapi_30::downgraded(document())));
    &TEXT
}

fn pretty(document: &Value) -> String {
    serde_json::to_string_pretty(document).map(|text| text + "\n").unwrap_or_default()
}

fn document() -> Value {
    let scope = utoipa_actix_web::scope::scope(BASE).configure(super::api);
    let (_, document) = App::new().into_utoipa_app().service(scope).split_for_parts();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    complete(&mut document);
    document
}

fn complete(document: &mut Value) {
    document["info"] = json!({
        "title": "Ligand",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Connects an application to its customers' SaaS accounts: elements, OAuth, instances.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    document["security"] = json!([{ "userOrganization": [] }, { "bearer": [] }]);
    document["tags"] = json!([
        { "name": "authentication", "description": "Passwords, sessions and secrets" },
        { "name": "elements", "description": "The kinds of connections that are offered" },
        { "name": "instances", "description": "Connected accounts" },
    ]);
    document["components"]["securitySchemes"] = json!({
        "userOrganization": {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "`User <user secret>, Organization <organization secret>`",
        },
        "userOrganizationElement": {
            "type": "apiKey", "in": "header", "name": "Authorization",
            "description": "`User <user secret>, Organization <organization secret>, Element <instance token>`",
        },
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The token of `POST /authentication`, wherever User and Organization are accepted",
        },
    });
    document["components"]["schemas"]["Error"] = serde_json::to_value(error_schema()).unwrap_or_default();
    // No enum: a later version has more of them. All are here, also those of no operation (405).
    let names: Vec<_> = Code::ALL.iter().map(|code| format!("`{}`", code.name())).collect();
    document["components"]["schemas"]["Error"]["properties"]["code"]["description"] =
        format!("A stable name for the failure: {}.", names.join(", ")).into();
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(path, method, operation);
        }
    }
}

fn error_schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
    <super::error::ErrorBody as utoipa::PartialSchema>::schema()
}

/// Adds the failures that an operation of this kind can have, with what each status can mean.
fn complete_operation(path: &str, method: &str, operation: &mut Value) {
    let has_body = operation.get("requestBody").is_some();
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let lists = id.starts_with("list_") && id.ends_with("instances");
    let asks_vendor = has_body && path.contains("/instances");
    let mut statuses = vec![401, 503, 500];
    if has_body {
        statuses.extend([400, 413, 415]);
    }
    if has_body || path.contains('{') || lists {
        statuses.push(404);
    }
    if operation["parameters"].as_array().is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query")) {
        statuses.push(400);
    }
    if path.ends_with("/oauth/url") || (method == "post" && path.ends_with("/instances")) {
        statuses.push(409);
    }
    if path.ends_with("/organization-secret-reset") {
        statuses.push(403);
    }
    if path.ends_with("/authentication") {
        statuses.push(429);
    }
    if asks_vendor {
        statuses.extend([502, 504]);
    }
    statuses.sort_unstable();
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for response in responses.values_mut() {
        add_header(response, "elements-request-id", "The request's id in the log");
        if asks_vendor {
            add_header(response, "elements-error", "What was stored without having an effect");
        }
    }
    for status in statuses {
        responses.entry(status.to_string()).or_insert_with(|| failure(status));
    }
}

fn failure(status: u16) -> Value {
    let codes = Code::ALL.iter().filter(|code| code.status() == status);
    let lines: Vec<_> = codes.map(|code| format!("* `{}`: {}", code.name(), code.sentence())).collect();
    let mut response = json!({
        "description": lines.join("\n"),
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    });
    add_header(&mut response, "elements-request-id", "The request's id in the log");
    response
}

fn add_header(response: &mut Value, name: &str, description: &str) {
    if response.get("headers").is_none() {
        response["headers"] = Value::Object(Map::new());
    }
    if response["headers"].get(name).is_none() {
        response["headers"][name] = json!({ "description": description, "schema": { "type": "string" } });
    }
}

/// The methods that an address takes, with or without the base path.
pub fn methods_of(path: &str) -> Vec<Method> {
    static ROUTES: LazyLock<Vec<(ResourceDef, Vec<Method>)>> = LazyLock::new(all_routes);
    let below = path.strip_prefix(BASE).unwrap_or(path);
    let mut found = Vec::new();
    for (pattern, methods) in ROUTES.iter() {
        if pattern.capture_match_info(&mut Path::new(below)) {
            found.extend(methods.iter().filter(|method| !found.contains(*method)).cloned().collect::<Vec<_>>());
        }
    }
    found
}

fn all_routes() -> Vec<(ResourceDef, Vec<Method>)> {
    let document = document();
    let paths = document["paths"].as_object().into_iter().flatten();
    let routes = paths.map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten().filter_map(|(name, _)| name.to_uppercase().parse().ok());
        (ResourceDef::new(path.strip_prefix(BASE).unwrap_or(path)), methods.collect())
    });
    routes.collect()
}
