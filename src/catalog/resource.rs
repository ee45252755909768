//! Hub resources as data: the nouns of a hub (`/contacts`), and how each maps to the vendor.
//!
//! A [`Resource`] is short: what callers write, and which of the vendor's collections it is. A [`Collection`] says once how
//! collections of one kind are called, whatever they hold: operations, paging, filters, the shape of objects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::oauth2::BodyEncoding;
use super::paging::Paging;

/// A noun of the hub. All paths are percent-encoded where they are filled in.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resource {
    /// What callers write behind the hub: `contacts`, `accounts/properties`, `{objectName}`. Literals win over variables.
    pub path: String,
    pub description: String,
    /// The key of one of the element's `collections`.
    pub collection: String,
    /// The vendor's name of the objects (`companies`): `{vendorName}` of the paths. May hold variables of `path`; the value
    /// of one that is another resource's path stands for that resource's vendor name.
    pub vendor_name: String,
    /// The operations that it has, by name; empty: all of the collection.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Members that objects get beside the vendor's own, in front of them, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// The vendor's field that the pseudo-field `lastmodifieddate` of `where` stands for; `=` means since, newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// The fields, where the vendor cannot be asked for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// `where` and `orderBy` take the `fields` above and no others.
    #[serde(default)]
    pub closed: bool,
}

/// A member of an object that the vendor's object does not have under this name. Exactly one source is given.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Member {
    pub name: String,
    /// A JSON pointer into the vendor's object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Always this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// The value of one of the element's `variables`, which may come with the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// A variable's text is shown as a number.
    #[serde(default)]
    pub number: bool,
}

/// A field of a resource's objects.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Field {
    /// As it stands in replies.
    pub name: String,
    #[serde(rename = "type", default)]
    pub kind: FieldType,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default)]
    pub read_only: bool,
    /// Whether `where` takes it.
    #[serde(default = "yes")]
    pub filterable: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldType {
    #[default]
    String,
    Number,
    Boolean,
    Date,
    DateTime,
    Object,
    Array,
}

/// How the vendor's collections of one kind are called.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Collection {
    /// Below the element's base URL: `/crm/v3/objects/{vendorName}`.
    pub vendor_path: String,
    /// Where an object's id is: a JSON pointer. Objects get it as `id`.
    pub id: String,
    /// The member that holds an object's fields (`properties`). Its values are texts in replies and in requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields_in: Option<String>,
    /// Whether replies carry the vendor's object as `raw`.
    #[serde(default)]
    pub raw: bool,
    /// The vendor's field names are lower-case, whatever callers write.
    #[serde(default)]
    pub lower_case: bool,
    /// How dates of `where` are written to the vendor.
    #[serde(default)]
    pub dates: Dates,
    /// The vendor's names of fields that callers call otherwise (`id` → `hs_object_id`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub field_names: BTreeMap<String, String>,
    pub operations: Vec<Operation>,
    /// How the vendor is asked which fields the objects have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Dates {
    /// As the caller wrote them.
    #[default]
    Iso,
    /// Since 1970.
    Milliseconds,
}

/// One call, and what it becomes at the vendor.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Operation {
    /// `list`, `get`, `create` …
    pub name: String,
    /// In a line, `{name}` being the resource's path: `List {name}`.
    pub summary: String,
    pub method: String,
    /// Behind the resource's path: empty, `/{id}`, `/batch/read`.
    #[serde(default)]
    pub path: String,
    /// Takes the place of the operation with the same method and path when `where` or `orderBy` is given.
    #[serde(default)]
    pub filtered: bool,
    /// Absent: as `method`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_method: Option<String>,
    /// Behind the collection's path; with a `/` twice in front, below the base URL instead.
    #[serde(default)]
    pub vendor_path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Where the names of `fields` go. Without it the vendor sends everything, and the reply is cut down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Slot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paging: Option<Paging>,
    /// How `where` and `orderBy` go to the vendor. Without it they are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// What a caller's body becomes. Without it the call takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// How a body is written to the vendor. Absent: as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<BodyEncoding>,
    /// Seconds that the vendor may take for this answer, in place of the element's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    #[serde(default)]
    pub reply: ReplyShape,
    /// Where the list is in the vendor's reply, or the object: a JSON pointer. Empty: the whole reply.
    #[serde(default)]
    pub root: String,
    /// Where each item of the list has its object: a JSON pointer. Absent: the item is the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Statuses by which the vendor says that a list has nothing in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nothing: Vec<u16>,
}

/// A value of the caller, of the instance, or a fixed one, and where it goes.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Parameter {
    /// The caller's name, or the configuration's key.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub from: Source,
    /// The fixed value, with `from = "value"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub required: bool,
    pub to: Slot,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    #[default]
    Query,
    /// A variable of the path.
    Path,
    Header,
    /// A member of the body; it is taken out of it.
    Body,
    Value,
    Configuration,
}

/// A place in a request to the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Slot {
    #[serde(rename = "in")]
    pub place: Place,
    /// In a statement: `{name}` of its text. In a body: a member, or a JSON pointer (`/variables/after`).
    pub name: String,
    /// Of lists in a query or a header; a list in a body is a JSON list.
    #[serde(default = "comma")]
    pub separator: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    Query,
    Path,
    Header,
    Body,
    Statement,
}

/// How a condition is told to the vendor.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Filter {
    /// HubSpot's search: `filterGroups` (or) of `filters` (and), and `sorts`, in the body.
    #[serde(rename_all = "camelCase")]
    FilterGroups { most_groups: usize, most_filters: usize, most_in_all: usize },
    /// One query parameter for each field, by the field's name: equality joined by AND, nothing else.
    Parameters(BTreeMap<String, String>),
    /// A statement in the vendor's own language.
    Statement(Statement),
}

/// `text` with `{fields}`, `{vendorName}`, `{where}`, `{orderBy}` and the numbers of pages that are `in = "statement"`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Statement {
    pub dialect: Dialect,
    pub text: String,
    pub to: Slot,
    /// The condition when the caller gives none.
    #[serde(default)]
    pub otherwise: String,
    /// The fields when the caller names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The field by which objects are ordered in the end, so that pages follow each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then_by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Dialect {
    /// Salesforce.
    Soql,
    /// Jira.
    Jql,
}

/// What a caller's body becomes.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Body {
    /// A batch: the caller sends a list of objects, or an object with this member; it becomes this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
    /// An item that is a mere text stands for an object with this member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bare_item: Option<String>,
    /// Members that stay beside the collection's `fieldsIn`; a flat body's others go into it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<String>,
    /// Goes to the vendor as it came.
    pub unchanged: bool,
    /// Members of list items that belong one level deeper.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deeper: Vec<Deeper>,
}

/// `probability` of each of the `stages` belongs into its `metadata`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Deeper {
    pub items: String,
    pub members: Vec<String>,
    pub into: String,
}

/// What the vendor's reply is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplyShape {
    List,
    #[default]
    Object,
    /// An object with a list of objects at `root`.
    Batch,
    /// Nothing that callers see.
    Empty,
}

/// Asking the vendor for the fields of its objects. Where nothing else is said, a JSON pointer into one of the fields.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    pub vendor_path: String,
    /// Where the list is in the reply.
    #[serde(default)]
    pub root: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub label: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<String>,
    /// True for a field that is the vendor's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// The key of the collection in which such fields are made and changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
}

impl Resource {
    pub fn has(&self, operation: &Operation) -> bool {
        self.only.is_empty() || self.only.contains(&operation.name)
    }
}

impl Operation {
    pub fn vendor_method(&self) -> &str {
        self.vendor_method.as_deref().unwrap_or(&self.method)
    }

    /// The vendor's path below the base URL, with its variables.
    pub fn vendor_template(&self, collection: &Collection) -> String {
        match self.vendor_path.strip_prefix("//") {
            Some(below_base) => format!("/{below_base}"),
            None => format!("{}{}", collection.vendor_path, self.vendor_path),
        }
    }
}

/// The names in braces, wherever they stand in a path of the vendor's: `/items/{id}.json`.
pub fn variables_in(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// The segments of a path; a variable is its name in braces.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// The name of a variable in braces.
pub fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn yes() -> bool {
    true
}

fn comma() -> String {
    ",".to_owned()
}
