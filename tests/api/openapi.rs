//! The OpenAPI document: fresh, complete, and true of the routes and of what they accept.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ligand::http::openapi;
use ligand::kernel::code::Code;
use ligand::service::instance::input::InstanceInput;
use serde_json::{Value, json};

use crate::support::on_both;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn document() -> Value {
    serde_json::from_str(openapi::text()).unwrap()
}

/// An operation with what stands around it.
struct Operation {
    path: String,
    method: &'static str,
    value: Value,
}

impl Operation {
    fn id(&self) -> &str {
        self.value["operationId"].as_str().unwrap_or_else(|| panic!("{} {} has no id", self.method, self.path))
    }

    fn parameters(&self) -> &[Value] {
        self.value["parameters"].as_array().map_or(&[], Vec::as_slice)
    }

    fn has_parameter(&self, name: &str) -> bool {
        self.parameters().iter().any(|parameter| parameter["name"] == name)
    }

    /// An address with something in the place of each parameter.
    fn address(&self) -> String {
        self.path
            .replace("{keyOrId}", "hubspotcrm")
            .replace("{type}", "oauth2")
            .replace("{id}", "1")
            .replace("{configId}", "1")
            .replace("{hub}", "crm")
            .replace("{hubKey}", "crm")
            .replace("{objectName}", "contacts")
            .replace("{objectId}", "1")
            .replace("{childObjectName}", "notes")
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in METHODS {
            if let Some(value) = item.get(method) {
                operations.push(Operation { path: path.clone(), method, value: value.clone() });
            }
        }
    }
    assert!(operations.len() > 40, "{} operations", operations.len());
    operations
}

/// Follows a reference inside the document, if it is one.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => {
            document.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("{target} is missing"))
        }
        None => value,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default().trim()
}

/// Every object below, with the way to it.
fn walk<'a>(way: &str, value: &'a Value, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(way, value);
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| walk(&format!("{way}/{name}"), member, visit))
        }
        Value::Array(items) => items.iter().for_each(|item| walk(way, item, visit)),
        _ => {}
    }
}

#[test]
fn the_checked_in_documents_are_fresh() {
    let files = [("openapi.json", openapi::text(), ""), ("openapi-3.0.json", openapi::text_30(), " --version 3.0")];
    for (name, generated, option) in files {
        let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi").join(name)).unwrap();
        assert!(kept == generated, "stale: cargo run -- openapi{option} > openapi/{name}");
    }
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut ids = BTreeSet::new();
    for operation in operations(&document) {
        let id = operation.id();
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        let (verb, noun) = id.split_once('_').unwrap_or_else(|| panic!("{id} is not verb_noun"));
        assert!(!verb.is_empty() && noun.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{id} is not verb_noun");
        let summary = text(&operation.value["summary"]);
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{id}: the summary is {summary:?}");
        let own = operation.value["tags"].as_array().unwrap();
        assert!(own.len() == 1 && tags.contains(&&own[0]), "{id}: the tags are {own:?}");
        for parameter in operation.parameters() {
            let name = text(&parameter["name"]);
            assert!(!text(&parameter["description"]).is_empty(), "{id}: {name} has no description");
            assert!(parameter["schema"]["type"].is_string(), "{id}: {name} has not one type");
        }
    }
}

#[test]
fn every_reply_is_described_and_every_failure_is_an_error() {
    let document = document();
    let error = json!({ "$ref": "#/components/schemas/Error" });
    for operation in operations(&document) {
        let id = operation.id();
        for (status, response) in operation.value["responses"].as_object().unwrap() {
            let response = resolved(&document, response);
            assert!(!text(&response["description"]).is_empty(), "{id}: {status} has no description");
            let request_id = &response["headers"]["Elements-Request-Id"];
            assert!(request_id.is_object(), "{id}: {status} has no Elements-Request-Id");
            if status != "200" {
                assert_eq!(response["content"]["application/json"]["schema"], error, "{id}: {status} is no Error");
            } else if operation.method != "delete" {
                assert!(response["content"]["application/json"]["schema"].is_object(), "{id}: the reply has no schema");
            }
        }
        let empty = operation.has_parameter("emptyList");
        let not_found = resolved(&document, &operation.value["responses"]["404"])["description"].to_string();
        assert_eq!(not_found.contains("`nothing_found`"), empty, "{id}: {not_found}");
    }
}

#[test]
fn every_code_is_told_with_its_status() {
    let document = document();
    // A form of the console knows which version of the instance it shows; `/health/ready` is beside the API.
    let of_no_operation = [Code::RouteNotFound, Code::InstanceChanged, Code::NotReady];
    // Of the passthrough, which is no operation.
    let of_later = [Code::UpgradeUnsupported];
    for code in Code::ALL.iter().filter(|code| !of_no_operation.contains(code) && !of_later.contains(code)) {
        let status = code.status().to_string();
        let told = operations(&document).iter().any(|operation| {
            let response = resolved(&document, &operation.value["responses"][&status]);
            text(&response["description"]).contains(&format!("`{}`", code.name()))
        });
        assert!(told, "{} is at no operation", code.name());
    }
}

#[test]
fn ids_are_64_bit_and_configuration_is_a_plain_map() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let mut integers = 0;
    walk("", &document, &mut |way, value| {
        let is_integer = value["type"] == "integer" || value["type"] == json!(["integer", "null"]);
        if is_integer {
            integers += 1;
            assert_eq!(value["format"], "int64", "{way}");
        }
        let name = way.rsplit('/').next().unwrap_or_default();
        let is_id = way.contains("/properties/") && (name == "id" || name.ends_with("Id"));
        // What others call something is a text.
        let is_text = matches!(name, "requestId" | "externalId" | "importId" | "clientId" | "operationId")
            || way.contains("/VendorAccount/")
            || way.contains("/Session/");
        if is_id && !is_text {
            assert!(is_integer, "{way} is no integer");
        }
    });
    assert!(integers > 20, "{integers} integers");
    let map = json!({ "type": ["string", "null"] });
    assert_eq!(schemas["Instance"]["properties"]["configuration"]["additionalProperties"], map);
    for body in ["CreateInstance", "UpdateInstance"] {
        let configuration = &schemas[body]["properties"]["configuration"];
        assert_eq!(configuration["additionalProperties"], json!({}), "{body}");
        assert!(configuration.get("properties").is_none(), "{body}");
    }
}

#[test]
fn every_schema_that_is_referred_to_exists_and_the_other_way_round() {
    for text in [openapi::text(), openapi::text_30()] {
        let document: Value = serde_json::from_str(text).unwrap();
        let mut used = BTreeSet::new();
        walk("", &document, &mut |_, value| {
            if value["$ref"].is_string() {
                resolved(&document, value);
                used.insert(value["$ref"].as_str().unwrap());
            }
        });
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(used.contains(format!("#/components/schemas/{name}").as_str()), "{name} is not used");
        }
    }
}

#[test]
fn version_3_0_says_what_may_be_null_its_own_way() {
    let document: Value = serde_json::from_str(openapi::text_30()).unwrap();
    assert_eq!(document["openapi"], "3.0.3");
    walk("", &document, &mut |way, value| {
        assert!(!value["type"].is_array() || way.ends_with("/example"), "{way} has several types");
        assert_ne!(value["type"], "null", "{way}");
        let beside = value.as_object().is_some_and(|members| members.contains_key("$ref") && members.len() > 1);
        assert!(!beside, "{way} has members beside $ref");
    });
    let nullable = &document["components"]["schemas"]["Instance"]["properties"]["externalId"];
    assert_eq!((&nullable["type"], &nullable["nullable"]), (&json!("string"), &json!(true)));
}

/// A value that fits a schema of a body.
fn fitting(document: &Value, schema: &Value) -> Value {
    let schema = resolved(document, schema);
    match schema["type"].as_str().or(schema["type"][0].as_str()) {
        Some("string") => json!("text"),
        Some("integer") => json!(7),
        Some("boolean") => json!(true),
        Some("array") => json!([fitting(document, &schema["items"])]),
        Some("object") if schema.get("properties").is_none() => json!({ "any.key": ["any", 1] }),
        Some("object") => {
            let members = schema["properties"].as_object().unwrap();
            members.iter().map(|(name, member)| (name.clone(), fitting(document, member))).collect()
        }
        _ => panic!("no value for {schema}"),
    }
}

/// The bodies of the document are types of their own: what they say must be what is read.
#[test]
fn documented_members_are_accepted() {
    let document = document();
    let mut told = BTreeSet::new();
    for name in ["CreateInstance", "UpdateInstance"] {
        let schema = &document["components"]["schemas"][name];
        serde_json::from_value::<InstanceInput>(schema["example"].clone()).expect("the example is accepted");
        for (member, of) in schema["properties"].as_object().unwrap() {
            told.insert(member.clone());
            serde_json::from_value::<InstanceInput>(json!({ member: fitting(&document, of) }))
                .unwrap_or_else(|error| panic!("{name}.{member} is not accepted: {error}"));
            // A wrong type is only noticed by a member that is read: every one of them is.
            let wrong = if of["type"] == "boolean" { json!("text") } else { json!(true) };
            let read = serde_json::from_value::<InstanceInput>(json!({ member: wrong }));
            assert!(read.is_err(), "{name}.{member} is not read");
        }
    }
    let read = [
        "id",
        "name",
        "element",
        "configuration",
        "providerData",
        "tags",
        "externalAuthentication",
        "externalId",
        "disabled",
    ];
    assert_eq!(told, read.map(str::to_owned).into());
}

on_both!(every_operation_is_served_and_asks_for_the_credentials_it_declares, |server| async move {
    let document = document();
    assert_eq!(document["servers"][0]["url"], crate::support::caller::BASE);
    let anonymous = server.anonymous();
    for operation in operations(&document) {
        let id = operation.id();
        let method = operation.method.to_uppercase();
        let reply = anonymous.send(&method, &operation.address(), &json!({})).await;
        assert_ne!(reply.status, 405, "{id} is not served");
        assert!(!reply.text.contains("route_not_found"), "{id} is not served");
        let requirements = operation.value.get("security").unwrap_or(&document["security"]);
        let is_public = requirements.as_array().unwrap().contains(&json!({}));
        assert_eq!(reply.text.contains("missing_credentials"), !is_public, "{id}: {}", reply.status);
        // These would end the caller's own credentials.
        if id.starts_with("reset_") {
            continue;
        }
        let reply = server.caller().send(&method, &operation.address(), &json!({})).await;
        let wants_element = requirements.to_string().contains("Element");
        assert_eq!(reply.text.contains("missing_credentials"), wants_element, "{id}: {}", reply.status);
    }
});

on_both!(no_method_is_served_that_the_document_does_not_have, |server| async move {
    let document = document();
    for (path, item) in document["paths"].as_object().unwrap() {
        let address = Operation { path: path.clone(), method: "get", value: Value::Null }.address();
        let documented: BTreeSet<String> =
            METHODS.iter().filter(|method| item.get(method).is_some()).map(|method| method.to_uppercase()).collect();
        for method in METHODS.map(str::to_uppercase).iter().filter(|method| !documented.contains(*method)) {
            let reply = server.caller().send(method, &address, &json!({})).await;
            reply.fails(405, "method_not_allowed");
            let allowed: BTreeSet<String> = reply.header("allow").unwrap().split(", ").map(str::to_owned).collect();
            assert_eq!(allowed, documented, "{method} {path}");
        }
    }
});

on_both!(the_documents_and_their_page_are_served, |server| async move {
    let anonymous = server.anonymous();
    let get = async |path| crate::support::caller::read(anonymous.request_at_root("GET", path)).await;
    assert_eq!(get("/openapi.json").await.text, openapi::text());
    assert_eq!(get("/openapi-3.0.json").await.text, openapi::text_30());
    let page = get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("https://"), "the page needs the network: {}", page.text);
    assert!(get("/docs/swagger-initializer.js").await.text.contains("\"../openapi.json\""));
    for path in [
        "/docs/",
        "/openapi.json",
        "/metrics",
        "/health/live",
        "/elements/api-v2/elements",
        "/nothing",
        "/connector/callback",
        "/connector/callback/{app}",
    ] {
        let reply = get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{path}");
        }
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
    }
});
