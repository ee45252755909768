//! Property values: every one is a text. What a text must look like, and how two of them compare.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::definitions::Definitions;
use super::fault::{Fault, bad_value};
use super::kinds::Kind;

pub fn shown_time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A scalar as a text; nothing for everything else.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Adds a member to an object.
pub fn add(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value.into());
    }
}

/// Milliseconds since 1970 from either spelling, or from a day alone.
fn millis(text: &str) -> Option<i64> {
    let of_day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|time| time.and_utc());
    text.parse().ok().or_else(|| {
        let time = DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()).or_else(of_day)?;
        Some(time.timestamp_millis())
    })
}

/// The values that a caller sends for a record, checked and in the spelling in which they are kept. An empty text clears
/// a value, as `null` does.
pub fn accept(
    definitions: &Definitions,
    kind: &Kind,
    sent: &Map<String, Value>,
) -> Result<Vec<(String, Option<String>)>, Fault> {
    let checked: Vec<_> = sent.iter().map(|(name, value)| check(definitions, kind, name, value)).collect();
    let faults: Vec<Value> = checked.iter().filter_map(|value| value.as_ref().err().cloned()).collect();
    if faults.is_empty() { Ok(checked.into_iter().flatten().collect()) } else { Err(Fault::bad_values(&faults)) }
}

fn check(definitions: &Definitions, kind: &Kind, name: &str, value: &Value) -> Result<(String, Option<String>), Value> {
    let definition = definitions.find(kind, name);
    if definition.is_none() && !kind.is_custom() {
        let message = format!("Property \"{name}\" does not exist");
        return Err(bad_value("PROPERTY_DOESNT_EXIST", name, &message));
    }
    if definition.and_then(|it| it.pointer("/modificationMetadata/readOnlyValue")) == Some(&Value::Bool(true)) {
        return Err(bad_value("READ_ONLY_VALUE", name, &format!("\"{name}\" is a read only property")));
    }
    if matches!(value, Value::Array(_) | Value::Object(_)) {
        return Err(bad_value("INVALID_VALUE", name, "A value is a text"));
    }
    let Some(text) = text_of(value).filter(|text| !text.is_empty()) else { return Ok((name.to_owned(), None)) };
    let kept = match definitions.type_of(kind, name) {
        "number" if !text.parse::<f64>().is_ok_and(f64::is_finite) => {
            return Err(bad_value("INVALID_DOUBLE", name, &format!("{text} was not a valid number.")));
        }
        "datetime" | "date" => match millis(&text).and_then(DateTime::from_timestamp_millis) {
            Some(time) => shown_time(time),
            None => return Err(bad_value("INVALID_DATE", name, &format!("{text} was not a valid date."))),
        },
        "enumeration" if !allowed(definition, &text) => {
            return Err(bad_value("INVALID_OPTION", name, &format!("{text} was not one of the allowed options")));
        }
        _ if kind.name() == "contacts" && name == "email" && !is_address(&text) => {
            return Err(bad_value("INVALID_EMAIL", name, &format!("Email address {text} is invalid")));
        }
        _ => text,
    };
    Ok((name.to_owned(), Some(kept)))
}

/// Several options are separated by semicolons; a property without options takes any.
fn allowed(definition: Option<&Value>, text: &str) -> bool {
    let options = definition.and_then(|it| it.get("options")).and_then(Value::as_array);
    options.filter(|options| !options.is_empty()).is_none_or(|options| {
        let known =
            |value: &str| options.iter().any(|option| option.get("value").and_then(Value::as_str) == Some(value));
        text.split(';').filter(|value| !value.is_empty()).all(known)
    })
}

fn is_address(text: &str) -> bool {
    let odd = text.contains(|c: char| c.is_whitespace() || c.is_control());
    text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !odd)
}

/// Compares two texts as a property of type `kind` would: as numbers, times, or texts whatever their case.
pub fn compare(kind: &str, one: &str, other: &str) -> Option<Ordering> {
    match kind {
        "number" => one.parse::<f64>().ok()?.partial_cmp(&other.parse::<f64>().ok()?),
        "datetime" | "date" => Some(millis(one)?.cmp(&millis(other)?)),
        _ => Some(one.to_lowercase().cmp(&other.to_lowercase())),
    }
}
