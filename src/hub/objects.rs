//! Which objects an element has, and which fields they have (docs/api.md, Objects and fields).

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::families::Form;
use super::json::{Scanner, pointer, text_of};
use super::plan::{LARGEST_REPLY, vendor_url};
use super::route::{Route, find};
use super::vendor_request::vendor_request;
use crate::catalog::element::Element;
use crate::catalog::resource::{Collection, FieldType, Metadata, Resource, segments, variable};
use crate::kernel::error::ApiError;
use crate::protocol::VendorRequest;
use crate::protocol::variables::Values;

/// An object by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectName {
    #[schema(example = "contacts")]
    pub name: String,
    #[schema(example = "contacts")]
    pub vendor_name: String,
    /// `ceCanonical`: the hub's own name of it; `vendor`: the vendor's.
    #[serde(rename = "type")]
    pub kind: &'static str,
}

/// The fields of an object.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ObjectMetadata {
    pub fields: Vec<FieldMetadata>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldMetadata {
    #[schema(example = "properties.email")]
    pub vendor_path: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub vendor_display_name: String,
    pub vendor_native_type: String,
    pub vendor_read_only: bool,
    pub vendor_required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    pub filterable: bool,
    pub createable: bool,
    pub updateable: bool,
    pub custom: bool,
}

/// Resources that are objects: neither parts of others nor a name that callers fill in.
fn whole(element: &Element) -> impl Iterator<Item = &Resource> {
    element.resources.iter().filter(|resource| {
        let mut path = segments(&resource.path);
        path.next().is_some_and(|first| variable(first).is_none()) && path.next().is_none()
    })
}

/// The hub's names first, then the vendor's.
pub fn names(element: &Element) -> Vec<ObjectName> {
    let object = |name: &str, resource: &Resource, kind| ObjectName {
        name: name.to_owned(),
        vendor_name: resource.vendor_name.clone(),
        kind,
    };
    let mut names: Vec<_> = whole(element).map(|resource| object(&resource.path, resource, "ceCanonical")).collect();
    for resource in whole(element) {
        let vendor = object(&resource.vendor_name, resource, "vendor");
        if !names.contains(&vendor) {
            names.push(vendor);
        }
    }
    names
}

/// How the fields of an object are got.
pub enum Described<'a> {
    /// The vendor is asked at this route's metadata.
    ByVendor(Box<Route<'a>>, &'a Metadata),
    ByElement(ObjectMetadata),
}

/// The list of an object's resource, by one of the object's names. None: the element has no such object.
pub fn find_object<'a>(element: &'a Element, name: &str) -> Option<Route<'a>> {
    let known = whole(element).find(|it| it.path == name).or_else(|| whole(element).find(|it| it.vendor_name == name));
    let path = known.map_or(name, |resource| resource.path.as_str());
    find(element, Form::InHub, "GET", &[path.to_owned()], false).ok()
}

/// None: the element has no such object.
pub fn describe<'a>(element: &'a Element, name: &str) -> Option<Described<'a>> {
    let route = find_object(element, name)?;
    if let Some(metadata) = &route.collection.metadata {
        return Some(Described::ByVendor(Box::new(route), metadata));
    }
    Some(Described::ByElement(declared(route.resource, route.collection)))
}

/// The fields that the element itself names.
pub fn declared(resource: &Resource, collection: &Collection) -> ObjectMetadata {
    let offers = |operation| offers(resource, collection, operation);
    let fields = resource.fields.iter().map(|field| FieldMetadata {
        vendor_path: field.name.clone(),
        kind: kind_of(field.kind).to_owned(),
        vendor_display_name: field.name.clone(),
        vendor_native_type: kind_of(field.kind).to_owned(),
        vendor_read_only: field.read_only,
        vendor_required: false,
        format: matches!(field.kind, FieldType::DateTime).then(|| "date-time".to_owned()),
        description: Some(field.description.clone()).filter(|text| !text.is_empty()),
        filterable: field.filterable && collection.operations.iter().any(|it| it.filter.is_some()),
        createable: !field.read_only && offers("create"),
        updateable: !field.read_only && (offers("update") || offers("replace")),
        custom: false,
    });
    ObjectMetadata { fields: fields.collect() }
}

fn offers(resource: &Resource, collection: &Collection, operation: &str) -> bool {
    collection.operations.iter().any(|it| it.name == operation && resource.has(it))
}

/// The call that asks the vendor for the fields.
pub fn request(route: &Route<'_>, metadata: &Metadata, values: Values<'_>) -> Result<VendorRequest, ApiError> {
    let url = vendor_url(values, &metadata.vendor_path, &route.values)?;
    let mut request = vendor_request(values, "GET", url)?;
    request.largest_reply = LARGEST_REPLY;
    Ok(request)
}

/// The vendor's own description of the fields. None: it is not what the element says.
pub fn read(body: &str, route: &Route<'_>, metadata: &Metadata) -> Option<ObjectMetadata> {
    let mut fields = Vec::new();
    Scanner::new(pointer(body, &metadata.root)?).array(|scanner| {
        let field = scanner.value()?;
        let text = |at: &str| pointer(field, at).and_then(text_of).filter(|text| !text.is_empty());
        let is = |at: &Option<String>| at.as_deref().and_then(|at| pointer(field, at)) == Some("true");
        let name = text(&metadata.name)?;
        let native = text(&metadata.kind).unwrap_or_else(|| "string".to_owned());
        let read_only = is(&metadata.read_only);
        fields.push(FieldMetadata {
            vendor_path: match &route.collection.fields_in {
                Some(inside) => format!("{inside}.{name}"),
                None => name.clone(),
            },
            kind: plain_kind(&native).to_owned(),
            vendor_display_name: text(&metadata.label).unwrap_or(name),
            vendor_native_type: native,
            vendor_read_only: read_only,
            vendor_required: false,
            format: metadata.format.as_deref().and_then(text),
            description: metadata.description.as_deref().and_then(text),
            filterable: route.collection.operations.iter().any(|it| it.filter.is_some()),
            createable: !read_only && offers(route.resource, route.collection, "create"),
            updateable: !read_only && offers(route.resource, route.collection, "update"),
            custom: metadata.standard.is_some() && !is(&metadata.standard),
        });
        Some(())
    })?;
    Some(ObjectMetadata { fields })
}

/// JSON's word for a vendor's type.
fn plain_kind(native: &str) -> &'static str {
    match native.to_ascii_lowercase().as_str() {
        "number" | "double" | "int" | "integer" | "currency" | "percent" => "number",
        "bool" | "boolean" => "boolean",
        "date" | "datetime" => "date",
        _ => "string",
    }
}

fn kind_of(kind: FieldType) -> &'static str {
    match kind {
        FieldType::String => "string",
        FieldType::Number => "number",
        FieldType::Boolean => "boolean",
        FieldType::Date | FieldType::DateTime => "date",
        FieldType::Object => "object",
        FieldType::Array => "array",
    }
}

/// Plain names, each once.
pub fn plain(names: &[ObjectName]) -> Value {
    let mut plain: Vec<&str> = Vec::new();
    for name in names {
        if !plain.contains(&name.name.as_str()) {
            plain.push(&name.name);
        }
    }
    plain.into()
}
