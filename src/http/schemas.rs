//! Bodies for the OpenAPI document only: what callers should send. What is accepted is wider (contract 1.2), and is read
//! by the use cases' own types; a test holds the two together.

#![expect(dead_code, reason = "the members are read by the derive only")]

use std::collections::HashMap;

use serde_json::Value;
use utoipa::ToSchema;

/// A new instance.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "name": "API Instance",
    "element": { "key": "hubspotcrm" },
    "configuration": {
        "authentication.type": "apiKey",
        "hubspot.authorization.apikey": "3a9990ff-bf17-40b1-9ce1-e1702e36ab51",
        "create.bulk.properties": "false"
    },
    "tags": ["Docs"]
}))]
pub struct CreateInstance {
    /// Markup in it is removed.
    name: String,
    /// Required, unless the path names the element.
    element: Option<ElementReference>,
    /// Values of any JSON type are kept as text.
    configuration: Option<HashMap<String, Value>>,
    /// What the vendor's redirect brought: `code`, `state`, or `error`. Never echoed.
    provider_data: Option<HashMap<String, Value>>,
    /// Absent: the name.
    tags: Option<Vec<String>>,
    /// `none`, or `initial`: the caller brings tokens that it obtained itself.
    external_authentication: Option<String>,
    /// The caller's own name for the customer; a filter of the list.
    external_id: Option<String>,
}

/// A change: what is absent stays as it is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "name": "Renamed", "tags": ["Docs"] }))]
pub struct UpdateInstance {
    /// Must equal the id in the path.
    id: Option<i64>,
    name: Option<String>,
    element: Option<ElementReference>,
    /// Other keys keep their values; `null` resets a key to its default, `********` leaves a secret alone.
    configuration: Option<HashMap<String, Value>>,
    /// A new `code` gets a new credential; id and token stay.
    provider_data: Option<HashMap<String, Value>>,
    /// Replaces the whole set.
    tags: Option<Vec<String>>,
    external_authentication: Option<String>,
    external_id: Option<String>,
    disabled: Option<bool>,
}

/// An element by key or id.
#[derive(ToSchema)]
pub struct ElementReference {
    #[schema(example = "hubspotcrm")]
    key: Option<String>,
    id: Option<i64>,
}

/// The value of one configuration entry.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "propertyValue": "false" }))]
pub struct ConfigurationChange {
    /// `null` resets the entry to its default.
    #[schema(required)]
    property_value: Option<String>,
}

/// The parameters of `GET …/oauth/url` as a body.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({
    "apiKey": "sandbox-client", "callbackUrl": "http://localhost:8081/callback", "state": "hubspotcrm"
}))]
pub struct OAuthUrlRequest {
    /// The client id of your OAuth app at the vendor.
    api_key: String,
    callback_url: String,
    /// Accepted for older clients and never used: leave it out.
    api_secret: Option<String>,
    scope: Option<String>,
    optional_scope: Option<String>,
    state: Option<String>,
    site_address: Option<String>,
}
