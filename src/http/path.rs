//! What stands in the paths: read by the handlers, told by the OpenAPI document.

#![expect(dead_code, reason = "paths of hubs are read as a whole")]

use serde::Deserialize;
use utoipa::IntoParams;

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::shortened;
use crate::store::users::By;

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct ElementPath {
    /// The element's key or id
    #[param(example = "hubspotcrm")]
    pub key_or_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationTypePath {
    /// The element's key or id
    #[param(example = "hubspotcrm")]
    pub key_or_id: String,
    /// `oauth2` or `apiKey`
    #[serde(rename = "type")]
    #[param(example = "oauth2")]
    pub kind: String,
}

#[derive(Deserialize, IntoParams)]
pub struct InstancePath {
    /// The instance's id
    #[param(value_type = i64)]
    id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct LinkPath {
    /// The link's id
    #[param(value_type = i64)]
    link_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct ElementInstancePath {
    /// The element's key or id
    #[param(example = "hubspotcrm")]
    pub key_or_id: String,
    /// The instance's id
    #[param(value_type = i64)]
    id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct EntryPath {
    /// The instance's id
    #[param(value_type = i64)]
    id: String,
    /// The entry's id, unique within the instance
    #[param(value_type = i64)]
    config_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct OwnEntryPath {
    /// The entry's id, unique within the instance
    #[param(value_type = i64)]
    config_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct SecretPath {
    /// The secret's id
    #[param(value_type = i64)]
    secret_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryPath {
    /// The delivery's id
    #[param(value_type = i64)]
    delivery_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct UserPath {
    /// The user's e-mail address or id
    #[param(example = "jo@example.com")]
    email_or_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct UserRolePath {
    /// The user's e-mail address or id
    #[param(example = "jo@example.com")]
    email_or_id: String,
    /// The role's key
    #[param(example = "org-admin")]
    pub role_key: String,
}

/// A hub, whose name is not looked at: the Element token says which element is meant.
#[derive(Deserialize, IntoParams)]
pub struct HubPath {
    /// The element's hub
    #[param(example = "crm")]
    hub: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct HubKeyPath {
    /// The hub
    #[param(example = "crm")]
    pub hub_key: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct ResourcePath {
    /// The element's hub
    #[param(example = "crm")]
    hub: String,
    /// The resource
    #[param(example = "contacts")]
    object_name: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct ObjectPath {
    /// The element's hub
    #[param(example = "crm")]
    hub: String,
    /// The object, by one of its names
    #[param(example = "contacts")]
    object_name: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct ObjectIdPath {
    /// The element's hub
    #[param(example = "crm")]
    hub: String,
    /// The resource
    #[param(example = "contacts")]
    object_name: String,
    /// The object's `id`, or the second part of the resource's name
    #[param(example = "51")]
    object_id: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
pub struct ChildPath {
    /// The element's hub
    #[param(example = "crm")]
    hub: String,
    /// The resource
    #[param(example = "contacts")]
    object_name: String,
    /// The object's `id`, or the second part of the resource's name
    #[param(example = "batch")]
    object_id: String,
    /// What belongs to it, or the last part of the resource's name
    #[param(example = "read")]
    child_object_name: String,
}

impl InstancePath {
    pub fn id(&self) -> Result<i64, ApiError> {
        instance_id(&self.id)
    }
}

impl LinkPath {
    pub fn id(&self) -> Result<i64, ApiError> {
        id(&self.link_id, "connect link", Code::LinkNotFound)
    }
}

impl ElementInstancePath {
    pub fn id(&self) -> Result<i64, ApiError> {
        instance_id(&self.id)
    }
}

impl EntryPath {
    pub fn id(&self) -> Result<i64, ApiError> {
        instance_id(&self.id)
    }

    pub fn entry(&self) -> Result<i64, ApiError> {
        entry_id(&self.config_id)
    }
}

impl OwnEntryPath {
    pub fn entry(&self) -> Result<i64, ApiError> {
        entry_id(&self.config_id)
    }
}

impl SecretPath {
    pub fn id(&self) -> Result<i64, ApiError> {
        id(&self.secret_id, "webhook secret", Code::WebhookSecretNotFound)
    }
}

impl DeliveryPath {
    pub fn id(&self) -> Result<i64, ApiError> {
        id(&self.delivery_id, "delivery", Code::DeliveryNotFound)
    }
}

impl UserPath {
    pub fn by(&self) -> By {
        by(&self.email_or_id)
    }
}

impl UserRolePath {
    pub fn by(&self) -> By {
        by(&self.email_or_id)
    }
}

/// A number is an id; one that cannot be is nobody's address either.
fn by(text: &str) -> By {
    text.parse().map_or_else(|_| By::Email(text.to_owned()), By::Id)
}

fn instance_id(text: &str) -> Result<i64, ApiError> {
    id(text, "instance", Code::InstanceNotFound)
}

fn entry_id(text: &str) -> Result<i64, ApiError> {
    id(text, "configuration entry", Code::ConfigurationNotFound)
}

/// What cannot be an id is an id that does not exist.
fn id(text: &str, thing: &str, code: Code) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::new(code, format!("No {thing} found with ID {}.", shortened(text))))
}
