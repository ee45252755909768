//! OpenAPI 3.1 said in 3.0.3: JSON Schema 2020-12 has types that the older dialect writes otherwise.

use serde_json::{Map, Value, json};

pub fn downgraded(mut document: Value) -> Value {
    if let Some(version) = document.get_mut("openapi") {
        *version = json!("3.0.3");
    }
    if let Some(license) = document.pointer_mut("/info/license").and_then(Value::as_object_mut) {
        license.remove("identifier");
        license.insert("url".to_owned(), json!("https://www.apache.org/licenses/LICENSE-2.0"));
    }
    walk(&mut document);
    document
}

fn walk(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::Object(members) => {
            members.values_mut().for_each(walk);
            nullable_type(members);
            nullable_choice(members);
            described_reference(members);
        }
        _ => {}
    }
}

/// `type: [T, null]` becomes `type: T, nullable: true`; several types become any.
fn nullable_type(members: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = members.get("type") else { return };
    let named: Vec<Value> = types.iter().filter(|name| *name != "null").cloned().collect();
    let nullable = named.len() < types.len();
    match named.as_slice() {
        [one] => {
            members.insert("type".to_owned(), one.clone());
            if nullable {
                members.insert("nullable".to_owned(), json!(true));
            }
        }
        _ => {
            members.remove("type");
        }
    }
}

/// `oneOf: [null, X]` becomes `X` that may be null.
fn nullable_choice(members: &mut Map<String, Value>) {
    for choice in ["oneOf", "anyOf"] {
        let Some(Value::Array(options)) = members.get(choice) else { continue };
        let kept: Vec<Value> = options.iter().filter(|option| option["type"] != "null").cloned().collect();
        if kept.len() < options.len() {
            members.remove(choice);
            members.insert("allOf".to_owned(), Value::Array(kept));
            members.insert("type".to_owned(), json!("object"));
            members.insert("nullable".to_owned(), json!(true));
        }
    }
}

/// What stands beside a `$ref` is ignored there, unless the reference moves into a list of its own.
fn described_reference(members: &mut Map<String, Value>) {
    if members.len() > 1
        && let Some(target) = members.shift_remove("$ref")
    {
        members.insert("allOf".to_owned(), json!([{ "$ref": target }]));
    }
}
