//! A body as a form: `application/x-www-form-urlencoded` (URL Standard, section 5.2), with what is nested in brackets, as PHP, Rails and
//! Stripe read it (Stripe API reference, "Metadata": `metadata[order_id]=6735`; "Expanding responses": `expand[]`).

use serde_json::Value;
use url::form_urlencoded::Serializer;

pub fn form(body: &Value) -> String {
    let mut pairs = Vec::new();
    if let Value::Object(members) = body {
        for (name, value) in members {
            put(name.clone(), value, &mut pairs);
        }
    }
    Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn put(name: String, value: &Value, pairs: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (inner, value) in members {
                put(format!("{name}[{inner}]"), value, pairs);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                put(format!("{name}[{at}]"), value, pairs);
            }
        }
        // An empty field unsets what it names.
        Value::Null => pairs.push((name, String::new())),
        Value::String(text) => pairs.push((name, text.clone())),
        other => pairs.push((name, other.to_string())),
    }
}
