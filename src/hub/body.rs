//! What a caller's body becomes: flat or nested, one object or a batch.

use serde_json::{Map, Value};

use crate::catalog::resource::{Body, Collection, Resource};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

pub fn to_vendor(resource: &Resource, collection: &Collection, rule: &Body, body: Value) -> Result<Value, ApiError> {
    let writer = Writer { resource, collection, rule };
    let Some(items) = &rule.items else {
        return match body {
            Value::Object(members) => Ok(Value::Object(writer.object(members))),
            _ => Err(bad("The body must be a JSON object.")),
        };
    };
    let mut around = Map::new();
    let list = match body {
        Value::Array(list) => list,
        Value::Object(mut members) => match members.remove(items) {
            Some(Value::Array(list)) => {
                around = members;
                list
            }
            _ => return Err(bad(&format!("The body must be a list of objects, or an object with a list `{items}`."))),
        },
        _ => return Err(bad(&format!("The body must be a list of objects, or an object with a list `{items}`."))),
    };
    let written: Result<Vec<Value>, ApiError> = list.into_iter().map(|item| writer.item(item)).collect();
    around.insert(items.clone(), Value::Array(written?));
    Ok(Value::Object(around))
}

struct Writer<'a> {
    resource: &'a Resource,
    collection: &'a Collection,
    rule: &'a Body,
}

impl Writer<'_> {
    fn item(&self, item: Value) -> Result<Value, ApiError> {
        match (item, &self.rule.bare_item) {
            (Value::Object(members), _) => Ok(Value::Object(self.object(members))),
            (text @ (Value::String(_) | Value::Number(_)), Some(name)) => {
                Ok(Value::Object(Map::from_iter([(name.clone(), Value::String(text_of(&text)))])))
            }
            (_, Some(_)) => Err(bad("Each item of the list must be an id or a JSON object.")),
            (_, None) => Err(bad("Each item of the list must be a JSON object.")),
        }
    }

    fn object(&self, mut members: Map<String, Value>) -> Map<String, Value> {
        for deeper in &self.rule.deeper {
            let items = members.get_mut(&deeper.items).and_then(Value::as_array_mut);
            for item in items.into_iter().flatten().filter_map(Value::as_object_mut) {
                for name in &deeper.members {
                    let Some(value) = item.remove(name) else { continue };
                    let inner = item.entry(deeper.into.as_str()).or_insert_with(|| Value::Object(Map::new()));
                    if let Some(inner) = inner.as_object_mut() {
                        // Metadata is text at HubSpot, whatever callers write.
                        inner.entry(name.as_str()).or_insert_with(|| Value::String(text_of(&value)));
                    }
                }
            }
        }
        match &self.collection.fields_in {
            Some(inside) if !self.rule.unchanged => self.nested(members, inside),
            _ => members,
        }
    }

    /// Fields go into their member, what is beside them stays beside.
    fn nested(&self, members: Map<String, Value>, inside: &str) -> Map<String, Value> {
        let mut outside = Map::new();
        let mut flat = Map::new();
        let mut fields = None;
        for (name, value) in members {
            match value {
                Value::Object(given) if name == inside => fields = Some(given),
                value if self.rule.beside.contains(&name) => drop(outside.insert(name, value)),
                value if !self.is_of_replies(&name) => drop(flat.insert(name, value)),
                _ => {}
            }
        }
        let fields = fields.unwrap_or(flat).into_iter().map(|(name, value)| {
            let name = if self.collection.lower_case { name.to_lowercase() } else { name };
            // The vendor's fields are texts, and an empty one is none.
            let value = if value.is_array() || value.is_object() { value } else { Value::String(text_of(&value)) };
            (name, value)
        });
        outside.insert(inside.to_owned(), Value::Object(fields.collect()));
        outside
    }

    /// Members that only replies have: an object that was read may be sent back.
    fn is_of_replies(&self, name: &str) -> bool {
        let fields = self.collection.fields_in.as_ref().map(|inside| format!("/{inside}/")).unwrap_or_default();
        let of_field = |from: &Option<String>| from.as_ref().is_some_and(|from| from.starts_with(&fields));
        let added = self.resource.members.iter().find(|member| member.name == name);
        matches!(name, "id" | "raw") || added.is_some_and(|member| !of_field(&member.from))
    }
}

/// A value as text; null is the empty one.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn bad(message: &str) -> ApiError {
    ApiError::new(Code::BadBody, message)
}
