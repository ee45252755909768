//! Query, headers and body of a request to the vendor as they fill up.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::page::steps;
use crate::catalog::resource::{Place, Slot};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

#[derive(Clone, Default)]
pub struct Slots {
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
}

impl Slots {
    /// The last value for a name counts. `path`: the values of the path's variables.
    pub fn put<'a>(
        &mut self,
        slot: &'a Slot,
        value: Value,
        path: &mut BTreeMap<&'a str, String>,
    ) -> Result<(), ApiError> {
        match slot.place {
            Place::Query => {
                self.query.retain(|(name, _)| *name != slot.name);
                self.query.push((slot.name.clone(), joined(value, &slot.separator)));
            }
            Place::Header => {
                let text = joined(value, &slot.separator);
                if text.chars().any(char::is_control) {
                    let message = format!("The value for {} holds a control character.", slot.name);
                    return Err(ApiError::new(Code::BadParameter, message));
                }
                self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&slot.name));
                self.headers.push((slot.name.clone(), text));
            }
            Place::Body => {
                let body = self.body.get_or_insert_with(|| Value::Object(Map::new()));
                put_in(body, &names(&slot.name), value);
            }
            Place::Path => drop(path.insert(slot.name.as_str(), joined(value, &slot.separator))),
            // A statement is filled in as a whole.
            Place::Statement => {}
        }
        Ok(())
    }
}

/// A member, or the way to one deeper down.
fn names(name: &str) -> Vec<String> {
    if name.starts_with('/') { steps(name) } else { vec![name.to_owned()] }
}

/// Objects on the way that are not there are made.
fn put_in(body: &mut Value, names: &[String], value: Value) {
    let Some((name, deeper)) = names.split_first() else { return };
    if !body.is_object() {
        *body = Value::Object(Map::new());
    }
    let Value::Object(members) = body else { return };
    if deeper.is_empty() {
        members.insert(name.clone(), value);
    } else {
        put_in(members.entry(name.as_str()).or_insert(Value::Null), deeper, value);
    }
}

fn joined(value: Value, separator: &str) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(items) => {
            let texts: Vec<String> = items.into_iter().map(|item| joined(item, separator)).collect();
            texts.join(separator)
        }
        other => other.to_string(),
    }
}
