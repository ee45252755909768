//! Query parameters: what the document says of them is what is read, and what a bad one is answered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ligand::http::openapi;
use serde_json::{Value, json};

use crate::support::on_sqlite;

/// What nobody can mean, by the name of a text; and by the operation where there it means something else.
const BAD: &[(&str, &str)] = &[
    ("nextPage", "no token"),
    ("where", "no clause"),
    ("orderBy", "email sideways"),
    ("status", "none of them"),
    ("version", "1.2"),
    ("baseUrl", "ftp://ligand.example"),
    ("operationId", "GET-nothing"),
    ("callbackUrl", "nowhere"),
    ("from", "yesterday"),
    ("to", "yesterday"),
    ("action", "instance.made"),
    ("kind", "thing"),
];

/// Texts of which none is bad, and what they are.
const ANY: &[(&str, &str)] = &[
    ("apiKey", "the vendor knows its client ids"),
    ("apiSecret", "it is not looked at"),
    ("scope", "the vendor knows its scopes"),
    ("optionalScope", "the vendor knows its scopes"),
    ("state", "the caller's own; one that is too long is in `errors.rs`"),
    ("siteAddress", "elements whose hosts have variables read it"),
    ("preset", "of elements with presets; `apps.rs` has a bad one"),
    ("tags[]", "the caller's own"),
    ("searchText", "a part of a name"),
    ("externalId", "the caller's own"),
    ("emptyList", "anything but 200 is no wish"),
    ("fields", "names that no object has are left out"),
    ("requestId", "an id that no row has finds nothing"),
];

struct Parameter {
    operation: String,
    method: String,
    path: String,
    name: String,
    schema: Value,
    /// Codes by status, as the document has them.
    failures: Value,
}

fn documented() -> Vec<Parameter> {
    let document: Value = serde_json::from_str(openapi::text()).expect("JSON");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] == "query" {
                    let responses = operation["responses"].as_object().expect("replies").iter();
                    let failures = responses.map(|(status, reply)| {
                        let at = reply["$ref"].as_str().map(|at| at.trim_start_matches('#'));
                        let reply = at.and_then(|at| document.pointer(at)).unwrap_or(reply);
                        (status.clone(), reply["description"].clone())
                    });
                    found.push(Parameter {
                        operation: operation["operationId"].as_str().expect("an id").to_owned(),
                        method: method.to_uppercase(),
                        path: path.clone(),
                        name: parameter["name"].as_str().expect("a name").to_owned(),
                        schema: parameter["schema"].clone(),
                        failures: failures.collect(),
                    });
                }
            }
        }
    }
    assert!(found.len() > 60, "{} parameters", found.len());
    found
}

impl Parameter {
    /// None: every value is good.
    fn bad(&self) -> Option<&str> {
        match self.schema["type"].as_str().expect("a type") {
            "boolean" => Some("maybe"),
            "integer" => Some("many"),
            _ if ANY.iter().any(|(name, _)| *name == self.name) => None,
            _ => {
                let bad = BAD.iter().find(|(name, _)| *name == self.name).map(|(_, value)| *value);
                Some(bad.unwrap_or_else(|| panic!("say of {} what is bad, or that nothing is", self.name)))
            }
        }
    }
}

on_sqlite!(a_bad_value_is_answered_as_the_document_says, |server| async move {
    let admin = server.caller();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    admin.put("/elements/hubspotcrm/app", &app).await.ok();
    let instance = admin.create_with_key("Asked").await;
    let with_element = admin.with_element(instance["token"].as_str().expect("a token"));
    let mut unlike = Vec::new();
    for parameter in documented() {
        let Some(bad) = parameter.bad() else { continue };
        let address = parameter
            .path
            .replace("{keyOrId}", "hubspotcrm")
            .replace("{id}", &instance["id"].to_string())
            .replace("{hub}", "crm")
            .replace("{hubKey}", "crm")
            .replace("{objectName}", "contacts")
            .replace("{objectId}", "1")
            .replace("{childObjectName}", "notes");
        let of_token = parameter.path.starts_with("/hubs/") || parameter.operation.contains("_own_");
        let caller = if of_token { &with_element } else { &admin };
        // Every other parameter that is required is as it should be.
        let mut query = vec![(parameter.name.as_str(), bad)];
        if parameter.operation.ends_with("oauth_url") {
            query.extend([("apiKey", "client"), ("callbackUrl", "https://www.mycoolapp.com/auth")]);
        }
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let asked = caller.request(&parameter.method, &format!("{address}?{query}"));
        let asked =
            if parameter.method == "GET" { asked } else { asked.header("content-type", "application/json").body("{}") };
        let reply = crate::support::caller::read(asked).await;
        let status = reply.status.to_string();
        let code = if reply.status == 200 { Value::Null } else { reply.json()["code"].clone() };
        let told = parameter.failures[&status].as_str().unwrap_or_default();
        let is_told = code.as_str().is_some_and(|code| told.contains(&format!("`{code}`")));
        if !(matches!(reply.status, 400 | 404) && is_told) {
            unlike.push(format!("{} {}={bad}: {status} {code}", parameter.operation, parameter.name));
        }
    }
    assert!(unlike.is_empty(), "not as the document says:\n{}", unlike.join("\n"));
});

/// They are read by name: one that is renamed there is renamed in the document too.
#[test]
fn every_documented_name_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut text = String::new();
    let mut directories = vec![root.join("http"), root.join("hub"), root.join("service/authorize")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("openapi") {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).expect("a text"));
            }
        }
    }
    let names: BTreeSet<String> = documented().into_iter().map(|parameter| parameter.name).collect();
    // An element's templates name it.
    let by_elements = ["siteAddress"];
    // Taken and passed over.
    let unread = ["apiSecret"];
    let is_read = |name: &str| text.contains(&format!("\"{name}\""));
    let missing: Vec<_> = names
        .iter()
        .filter(|name| !by_elements.contains(&name.as_str()) && !unread.contains(&name.as_str()) && !is_read(name))
        .collect();
    assert!(missing.is_empty(), "nobody reads {missing:?}");
}
