//! The operations as an element's `resources` (docs/api.md, Resources of an element).

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Document, Operation, Parameter, ParameterKind, Place};
use crate::catalog::element::Element;

/// The account of what everybody sees, as opposed to one that a customer added.
const EVERYBODYS: i64 = 1;

/// One operation of a resource.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Resource)]
pub struct ListedResource {
    /// Within the element; a later version of the element may count otherwise.
    pub id: i64,
    /// As in the element's API document.
    #[schema(example = "GET-contacts")]
    pub operation_id: String,
    pub description: String,
    /// Behind the API's base path.
    #[schema(example = "/hubs/crm/contacts")]
    pub path: String,
    pub method: String,
    /// Behind the vendor's base URL.
    #[schema(example = "/crm/v3/objects/contacts")]
    pub vendor_path: String,
    pub vendor_method: String,
    #[serde(rename = "type")]
    #[schema(example = "api")]
    pub kind: &'static str,
    /// Behind the bar: where the vendor's reply has the objects.
    #[schema(required, example = "|results")]
    pub root_key: Option<String>,
    /// Where the vendor's reply has the token of the next page.
    #[schema(required, example = "paging.next.after")]
    pub next_page_key: Option<String>,
    pub parameters: Vec<ListedParameter>,
    #[schema(value_type = Vec<Object>)]
    pub hooks: Vec<Value>,
    pub owner_account_id: i64,
}

/// What a caller gives to an operation.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ResourceParameter)]
pub struct ListedParameter {
    /// Within the resource.
    pub id: i64,
    pub resource_id: i64,
    pub name: String,
    pub description: String,
    /// `path`, `query`, `header` or `body`.
    #[serde(rename = "type")]
    #[schema(example = "query")]
    pub kind: &'static str,
    #[schema(example = "string")]
    pub data_type: &'static str,
    /// Always `request`.
    #[schema(example = "request")]
    pub source: &'static str,
    pub required: bool,
}

/// In the order of the element's API document.
pub fn listed(element: &Element) -> Vec<ListedResource> {
    let document = Document::of_element(element);
    (1..).zip(&document.operations).map(|(id, operation)| resource(&document.hub, id, operation)).collect()
}

fn resource(hub: &str, id: i64, operation: &Operation) -> ListedResource {
    let vendor = &operation.vendor;
    let body = operation.body.as_ref().map(|_| ListedParameter {
        name: "body".to_owned(),
        description: "The object, or the objects".to_owned(),
        kind: "body",
        data_type: "object",
        required: true,
        ..EMPTY
    });
    let parameters = operation.parameters.iter().map(parameter).chain(body);
    ListedResource {
        id,
        operation_id: operation.id.clone(),
        description: operation.summary.clone(),
        path: format!("/hubs/{hub}{}", operation.path),
        method: operation.method.clone(),
        vendor_path: vendor.path.clone(),
        vendor_method: vendor.method.clone(),
        kind: "api",
        root_key: Some(dotted(&vendor.root)).filter(|root| !root.is_empty()).map(|root| format!("|{root}")),
        next_page_key: vendor.next.as_deref().map(dotted),
        parameters: (1..).zip(parameters).map(|(at, it)| ListedParameter { id: at, resource_id: id, ..it }).collect(),
        hooks: Vec::new(),
        owner_account_id: EVERYBODYS,
    }
}

const EMPTY: ListedParameter = ListedParameter {
    id: 0,
    resource_id: 0,
    name: String::new(),
    description: String::new(),
    kind: "",
    data_type: "string",
    source: "request",
    required: false,
};

fn parameter(parameter: &Parameter) -> ListedParameter {
    ListedParameter {
        name: parameter.name.clone(),
        description: parameter.description.clone(),
        kind: match parameter.place {
            Place::Path => "path",
            Place::Query => "query",
            Place::Header => "header",
        },
        data_type: match parameter.kind {
            ParameterKind::Text => "string",
            ParameterKind::Count { .. } => "integer",
        },
        required: parameter.required,
        ..EMPTY
    }
}

/// `/paging/next/after` → `paging.next.after`.
fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}
