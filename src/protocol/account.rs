//! The vendor's account behind a credential, as the vendor's replies tell it.

use super::claims;
use crate::kernel::plain_text::limited;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

const LONGEST: usize = 500;

/// Which account at the vendor it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VendorAccount {
    /// What the vendor knows it by: a number, a host.
    #[schema(example = "62515")]
    pub id: String,
    /// What people call it.
    #[schema(required, example = "acme.example.com")]
    pub name: Option<String>,
}

/// The account, where the reply names one. `id` and `name`: JSON pointers, tried in order.
pub fn read(id: &[String], name: &[String], reply: Option<&Value>) -> Option<VendorAccount> {
    let first = |pointers: &[String]| pointers.iter().find_map(|pointer| text(claims::at(reply?, pointer)?.as_ref()));
    Some(VendorAccount { id: first(id)?, name: first(name) })
}

/// People see it, so it is one short line.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => limited(text, LONGEST),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    Some(text).filter(|text| !text.is_empty())
}
