//! The call that proves a credential, and what its answers mean.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::oauth2::ExpirySign;
use crate::kernel::template::Template;

/// A call that succeeds only with a good credential.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Verification {
    #[serde(default = "get")]
    pub method: String,
    /// Below the base URL …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// … or an address of its own, where the base URL is another one, or hangs on what the call tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Template>,
    /// The body, for vendors that want one (GraphQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Answers that mean "this credential is refused"; any other failure is the vendor's trouble, or the host's.
    #[serde(default = "unauthorized")]
    pub refused: Vec<Refusal>,
    /// Signs of an outage, whatever the status: they say nothing of the credential, and come before all others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unavailable: Vec<ExpirySign>,
    /// What a success says, one of these at least. Absent: anything but a page for people, `"ok": false` and `"success": false`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<Accepted>,
    /// The vendor's account in the reply, as JSON pointers: what identifies it, and what people call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_name: Vec<String>,
    /// As in `reply`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_before: Vec<String>,
}

/// A status, or a sign in the body as `expired` has them.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Refusal {
    Status(u16),
    Sign(ExpirySign),
}

/// A member of a success.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// JSON pointer into the body.
    pub at: String,
    /// What stands there, as text; absent: something, which is not false.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub is: Vec<String>,
}

// By hand, so that a misspelt member is named.
impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = Refusal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status, or a sign with `status`, `at` and `is`")
            }

            fn visit_i64<E: Error>(self, status: i64) -> Result<Refusal, E> {
                u16::try_from(status).map(Refusal::Status).map_err(|_| E::custom("no HTTP status"))
            }

            fn visit_u64<E: Error>(self, status: u64) -> Result<Refusal, E> {
                u16::try_from(status).map(Refusal::Status).map_err(|_| E::custom("no HTTP status"))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Refusal, A::Error> {
                ExpirySign::deserialize(MapAccessDeserializer::new(members)).map(Refusal::Sign)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

fn get() -> String {
    "GET".to_owned()
}

fn unauthorized() -> Vec<Refusal> {
    vec![Refusal::Status(401), Refusal::Status(403)]
}
