//! Bodies for the OpenAPI document only: what callers should send. What is accepted is wider (docs/api.md, Requests and
//! replies), and is read by the use cases' own types; a test holds the two together.

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
    /// At most 255 characters. Markup in it is removed.
    name: String,
    /// Required, unless the path names the element.
    #[schema(nullable = false)]
    element: Option<ElementReference>,
    /// The inputs that the element declares, by key; others are kept too. Values of any JSON type are kept as text.
    #[schema(nullable = false)]
    configuration: Option<HashMap<String, Value>>,
    /// What the vendor's redirect brought: `code`, `state`, or `error`, and what else it said (`realmId`). Never echoed.
    #[schema(nullable = false)]
    provider_data: Option<HashMap<String, Value>>,
    /// Absent: the name.
    #[schema(nullable = false, max_items = 100)]
    tags: Option<Vec<String>>,
    /// `none`, or `initial`: you bring tokens that you obtained yourself.
    #[schema(nullable = false)]
    external_authentication: Option<String>,
    /// Your own name for the customer; a filter of the list.
    external_id: Option<String>,
}

/// Instances, one JSON object to a line.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary, example = "{\"importId\":\"crm-7\",\"name\":\"Acme\",\"element\":{\"key\":\"hubspotcrm\"}}")]
pub struct ImportLines(String);

/// A change: what is absent stays as it is.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", example = json!({ "name": "Renamed", "tags": ["Docs"] }))]
pub struct UpdateInstance {
    /// Must equal the id in the path.
    #[schema(nullable = false)]
    id: Option<i64>,
    /// At most 255 characters. Markup in it is removed.
    #[schema(nullable = false)]
    name: Option<String>,
    /// Must be the instance's own.
    #[schema(nullable = false)]
    element: Option<ElementReference>,
    /// Other keys keep their values; `null` resets a key to its default, `********` leaves a secret alone.
    #[schema(nullable = false)]
    configuration: Option<HashMap<String, Value>>,
    /// A new `code` gets a new credential; id and token stay.
    #[schema(nullable = false)]
    provider_data: Option<HashMap<String, Value>>,
    /// Replaces the whole set.
    #[schema(nullable = false, max_items = 100)]
    tags: Option<Vec<String>>,
    /// `none`, or `initial`: you bring tokens that you obtained yourself.
    #[schema(nullable = false)]
    external_authentication: Option<String>,
    /// `null` removes it.
    external_id: Option<String>,
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

/// An element by key or id.
#[derive(ToSchema)]
pub struct ElementReference {
    #[schema(example = "hubspotcrm", nullable = false)]
    key: Option<String>,
    #[schema(nullable = false)]
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
    /// Where the vendor sends the user back to.
    callback_url: String,
    /// Accepted for older clients and never used: leave it out.
    #[schema(nullable = false)]
    api_secret: Option<String>,
    /// Scopes, separated by spaces or commas; absent and empty have each their own default.
    #[schema(nullable = false)]
    scope: Option<String>,
    /// Scopes that the user may lack, where the vendor knows such.
    #[schema(nullable = false)]
    optional_scope: Option<String>,
    /// Comes back with the code; default: the element's key.
    #[schema(nullable = false)]
    state: Option<String>,
    /// The vendor's host for this user, where there are several.
    #[schema(nullable = false)]
    site_address: Option<String>,
}

/// An object of a resource: its members flat, or as the vendor nests them; or a list of objects.
#[derive(ToSchema)]
#[schema(example = json!({ "properties": { "email": "jo@example.com", "firstName": "Jo", "lastName": "Doe" } }))]
pub struct HubObject(HashMap<String, Value>);
