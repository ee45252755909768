//! Why the CRM refuses a call, in HubSpot's words where they are known.

use actix_web::http::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::portal::Portal;

/// Everything of an error body but its correlation id.
#[derive(Debug)]
pub struct Fault {
    pub status: StatusCode,
    pub message: String,
    pub more: Value,
}

impl Fault {
    pub fn not_found() -> Self {
        Self::of(StatusCode::NOT_FOUND, "resource not found", json!({}))
    }

    /// A record that is not there.
    pub fn no_object() -> Self {
        let more = json!({"category": "OBJECT_NOT_FOUND"});
        Self::of(StatusCode::NOT_FOUND, "Object not found.  objectId are usually numeric.", more)
    }

    /// A property, group, pipeline or stage that is not there.
    pub fn missing(what: &str, name: &str) -> Self {
        let more = json!({"category": "OBJECT_NOT_FOUND"});
        Self::of(StatusCode::NOT_FOUND, &format!("{what} \"{name}\" does not exist"), more)
    }

    pub fn validation(message: &str) -> Self {
        Self::of(StatusCode::BAD_REQUEST, message, json!({"category": "VALIDATION_ERROR"}))
    }

    /// Values that do not fit; each of them is one of `bad_value`.
    pub fn bad_values(faults: &[Value]) -> Self {
        Self::validation(&format!("Property values were not valid: {}", Value::from(faults)))
    }

    pub fn conflict(message: &str) -> Self {
        Self::of(StatusCode::CONFLICT, message, json!({"category": "CONFLICT"}))
    }

    fn of(status: StatusCode, message: &str, more: Value) -> Self {
        Self { status, message: message.to_owned(), more }
    }

    /// As one of the `errors` of a batch reply, for the inputs `ids`.
    pub fn in_batch(&self, ids: &[&str]) -> Value {
        let category = self.more.get("category").cloned().unwrap_or_default();
        json!({
            "status": "error",
            "category": category,
            "message": self.message,
            "context": {"ids": ids},
            "errors": [],
            "links": {},
        })
    }
}

/// What is wrong with one value.
pub fn bad_value(error: &str, name: &str, message: &str) -> Value {
    json!({
        "isValid": false,
        "message": message,
        "error": error,
        "name": name,
        "localizedErrorMessage": message,
        "portalId": Portal::Main.id(),
    })
}

/// Reads a JSON body.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        Fault::of(StatusCode::BAD_REQUEST, &format!("Invalid input JSON on {at}: {error}"), json!({}))
    })
}
