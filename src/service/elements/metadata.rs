//! What an element can do (docs/api.md, Element metadata).

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::catalog::element::Element;
use crate::catalog::resource::{Resource, variable};
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;

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
    pub resources: Vec<ResourceMetadata>,
}

/// Whether what a customer made at the vendor shows here.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    pub custom_fields: bool,
    pub custom_objects: bool,
    pub endpoint_custom_fields: bool,
    pub endpoint_custom_objects: bool,
}

/// What can be done with one of the element's hub resources.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceMetadata {
    /// Behind the hub: `contacts`.
    pub canonical_name: String,
    /// `list`, `get`, `create` …
    pub operations: Vec<String>,
    pub events: ResourceEvents,
    pub bulk: ResourceBulk,
    pub custom_field: CustomField,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceEvents {
    pub supported: bool,
    pub methods: Vec<String>,
    pub event_types: Vec<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ResourceBulk {
    pub upload: BulkWay,
    pub download: BulkWay,
}

#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct BulkWay {
    pub supported: bool,
    pub native: bool,
}

/// What can be done with the fields of the objects.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CustomField {
    pub get: bool,
    pub create: bool,
    pub update: bool,
    pub delete: bool,
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
    pub fn element_metadata(
        &self,
        owner: Option<Owner>,
        key_or_id: &str,
        expand: bool,
    ) -> Result<ElementMetadata, ApiError> {
        Ok(metadata(self.element_of(owner, key_or_id)?.as_ref(), expand))
    }

    pub fn all_element_metadata(&self, owner: Option<Owner>) -> Vec<ElementMetadata> {
        self.elements_of(owner).iter().map(|element| metadata(element, false)).collect()
    }
}

/// What polling can find out.
const POLLED: [&str; 2] = ["CREATED", "UPDATED"];

fn metadata(element: &Element, expand: bool) -> ElementMetadata {
    let polled = element
        .events
        .polling
        .iter()
        .map(|(resource, polled)| (resource.clone(), json!({ "eventTypes": POLLED, "pollUrl": polled.url })));
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

fn expanded(element: &Element) -> ExpandedMetadata {
    let flags = &element.flags;
    let resources: Vec<_> = element.resources.iter().filter_map(|resource| of_resource(element, resource)).collect();
    let custom_fields = resources.iter().any(|resource| resource.custom_field.get);
    let custom_objects = element.resources.iter().any(|resource| variable(&resource.path).is_some());
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
            custom_fields,
            custom_objects,
            // No element has an endpoint of its own for these.
            endpoint_custom_fields: false,
            endpoint_custom_objects: false,
        },
        bulk: Bulk { upload: flags.bulk_upload_enabled, download: flags.bulk_download_enabled },
        usage: Usage { instance_count: 0, customer_count: 0, traffic: 0 },
        api: Api { kind: "rest".to_owned(), content_type: "application/json".to_owned() },
        resources,
    }
}

fn of_resource(element: &Element, resource: &Resource) -> Option<ResourceMetadata> {
    let collection = element.collections.get(&resource.collection)?;
    let mut operations: Vec<String> = Vec::new();
    for operation in collection.operations.iter().filter(|operation| resource.has(operation)) {
        // One name may have a form with conditions beside the plain one.
        if !operations.contains(&operation.name) {
            operations.push(operation.name.clone());
        }
    }
    let polled = element.events.polling.contains_key(&resource.path);
    let texts = |list: &[&str]| if polled { list.iter().map(|text| (*text).to_owned()).collect() } else { Vec::new() };
    let fields = collection.metadata.as_ref();
    let made_in = fields.and_then(|fields| element.collections.get(fields.collection.as_ref()?));
    let can = |name: &str| made_in.is_some_and(|made_in| made_in.operations.iter().any(|it| it.name == name));
    Some(ResourceMetadata {
        canonical_name: resource.path.clone(),
        operations,
        events: ResourceEvents { supported: polled, methods: texts(&["polling"]), event_types: texts(&POLLED) },
        bulk: ResourceBulk { upload: BulkWay::default(), download: BulkWay::default() },
        custom_field: CustomField {
            get: fields.is_some(),
            create: can("create"),
            update: can("update"),
            delete: can("delete"),
        },
    })
}
