//! What an element can do, in the contract's words (4.4).

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Services;
use crate::catalog::element::Element;
use crate::kernel::error::ApiError;

/// What an element can do.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElementMetadata {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub description: String,
    pub events: EventMetadata,
    #[serde(flatten)]
    #[schema(value_type = ExpandedMetadata)]
    pub expanded: Option<ExpandedMetadata>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventMetadata {
    pub supported: bool,
    /// `polling`, `webhook`.
    pub methods: Vec<String>,
    /// By resource: event types and the polled address.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schema(value_type = Option<std::collections::HashMap<String, Object>>, nullable = false)]
    pub polling: Map<String, Value>,
}

/// With `expand=true` only.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpandedMetadata {
    pub image: String,
    pub display_order: i64,
    pub active: bool,
    pub beta: bool,
    pub transformations: bool,
    pub element_type: String,
    pub normalized_paging: bool,
    pub swagger_validated: bool,
    pub cloneable: bool,
    pub authentication_type: String,
    pub hub: String,
    pub discovery: Discovery,
    pub bulk: Bulk,
    pub usage: Usage,
    pub api: Api,
    #[schema(value_type = Vec<Object>)]
    pub resources: Vec<Value>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    pub custom_fields: bool,
    pub custom_objects: bool,
    pub endpoint_custom_fields: bool,
    pub endpoint_custom_objects: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Bulk {
    pub upload: bool,
    pub download: bool,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub instance_count: i64,
    pub customer_count: i64,
    pub traffic: i64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    #[serde(rename = "type")]
    pub kind: String,
    pub content_type: String,
}

impl Services {
    pub fn element_metadata(&self, key_or_id: &str, expand: bool) -> Result<ElementMetadata, ApiError> {
        Ok(metadata(self.element(key_or_id)?.as_ref(), expand))
    }

    pub fn all_element_metadata(&self) -> Vec<ElementMetadata> {
        self.catalog.iter().map(|element| metadata(element, false)).collect()
    }
}

fn metadata(element: &Element, expand: bool) -> ElementMetadata {
    let polled = element.events.polling.iter().map(|(resource, polled)| {
        (resource.clone(), json!({ "eventTypes": ["CREATED", "UPDATED"], "pollUrl": polled.url }))
    });
    ElementMetadata {
        id: element.id,
        key: element.key.clone(),
        name: element.name.clone(),
        description: element.description.clone(),
        events: EventMetadata {
            supported: !element.events.methods.is_empty(),
            methods: element.events.methods.clone(),
            polling: polled.collect(),
        },
        expanded: expand.then(|| expanded(element)),
    }
}

/// Hub resources come with a later version: until then nothing is discovered, and the list of resources is empty.
fn expanded(element: &Element) -> ExpandedMetadata {
    let flags = &element.flags;
    ExpandedMetadata {
        image: element.image.clone().unwrap_or_default(),
        display_order: element.id,
        active: element.active,
        beta: flags.beta,
        transformations: flags.transformations_enabled,
        element_type: "system".to_owned(),
        normalized_paging: true,
        swagger_validated: true,
        cloneable: flags.cloneable,
        authentication_type: element.authentication.default.as_str().to_owned(),
        hub: element.hub.clone(),
        discovery: Discovery {
            custom_fields: false,
            custom_objects: false,
            endpoint_custom_fields: false,
            endpoint_custom_objects: false,
        },
        bulk: Bulk { upload: flags.bulk_upload_enabled, download: flags.bulk_download_enabled },
        usage: Usage { instance_count: 0, customer_count: 0, traffic: 0 },
        api: Api { kind: "rest".to_owned(), content_type: "application/json".to_owned() },
        resources: Vec::new(),
    }
}
