//! The model of a document, made of elements.

use serde_json::Value;

use super::{AtVendor, Document, ERROR, Member, Operation, Parameter, ParameterKind, Place, Reply, Schema};
use crate::catalog::element::Element;
use crate::catalog::paging::{Paging, PagingStyle, Told};
use crate::catalog::resource::{self, Collection, FieldType, Filter, ReplyShape, Resource, Source, segments, variable};
use crate::hub::objects::{self, FieldMetadata};
use crate::hub::page::steps;
use crate::hub::route::segment_text;
use crate::kernel::paging::MAX_PAGE_SIZE;

impl Document {
    /// Of all that an element has.
    pub fn of_element(element: &Element) -> Self {
        let mut document = Self::empty(&element.name, &element.description, &element.hub);
        document.add_element(element);
        document
    }

    /// Of all that the elements of a hub have. What several have in common is told once, with the members of all.
    pub fn of_hub<'a>(hub: &str, elements: impl Iterator<Item = &'a Element>) -> Self {
        let mut document = Self::empty(hub, "", hub);
        let mut names = Vec::new();
        for element in elements {
            document.add_element(element);
            names.push(element.name.as_str());
        }
        document.description = format!("What the elements of this hub offer together: {}.", names.join(", "));
        document
    }

    /// Of one object and what belongs to it. `fields`: what the vendor says of it. None: the element has no such object.
    pub fn of_object(element: &Element, name: &str, fields: Option<&[FieldMetadata]>) -> Option<Self> {
        let found = objects::find_object(element, name)?.resource;
        let mut document = Self::empty(&element.name, &element.description, &element.hub);
        if variable(&found.path).is_some() {
            // A resource for objects of any name, under this one.
            let path = segment_text("object", name).ok()?;
            document.add(element, &Resource { path, ..found.clone() }, fields);
            return Some(document);
        }
        let first = segments(&found.path).next();
        for resource in element.resources.iter().filter(|resource| segments(&resource.path).next() == first) {
            document.add(element, resource, fields.filter(|_| resource.path == found.path));
        }
        Some(document)
    }

    fn empty(title: &str, description: &str, hub: &str) -> Self {
        let member = |name: &str, description: &str| Member::new(name, Schema::text(), description);
        let error = Schema::Object(vec![
            member("requestId", "The `Elements-Request-Id` of the reply"),
            member("message", "What was wrong and what to do"),
            member("code", "A stable name for the failure"),
            member("providerMessage", "The vendor's own words, when its refusal caused the failure"),
        ]);
        Self {
            title: title.to_owned(),
            description: description.to_owned(),
            hub: hub.to_owned(),
            tags: Vec::new(),
            operations: Vec::new(),
            definitions: [(ERROR.to_owned(), error)].into(),
        }
    }

    fn add_element(&mut self, element: &Element) {
        for resource in &element.resources {
            self.add(element, resource, None);
        }
    }

    /// `discovered`: the fields that the vendor names, instead of those that the element does.
    fn add(&mut self, element: &Element, resource: &Resource, discovered: Option<&[FieldMetadata]>) {
        let Some(collection) = element.collections.get(&resource.collection) else { return };
        let declared = objects::declared(resource, collection).fields;
        let part = Part { resource, collection, fields: discovered.unwrap_or(&declared), name: plain(&resource.path) };
        if !self.tags.iter().any(|(tag, _)| *tag == resource.path) {
            self.tags.push((resource.path.clone(), resource.description.clone()));
        }
        for operation in collection.operations.iter().filter(|operation| resource.has(operation)) {
            self.add_operation(&part, operation);
        }
    }

    fn add_operation(&mut self, part: &Part<'_>, operation: &resource::Operation) {
        let whole = format!("/{}{}", part.resource.path, operation.path);
        // An address stands once, whatever its variables are called.
        let known = self.operations.iter().find(|other| has_same_shape(&other.path, &whole));
        let path = known.map_or(whole, |other| other.path.clone());
        let parameters = part.parameters(operation, &path);
        let twin = self.operations.iter_mut().find(|other| other.path == path && other.method == operation.method);
        if let Some(twin) = twin {
            // The twin for conditions, or the same operation of another element.
            let is_new =
                |it: &Parameter| !twin.parameters.iter().any(|one| one.name == it.name && one.place == it.place);
            let further: Vec<Parameter> = parameters.into_iter().filter(is_new).collect();
            twin.parameters.extend(further);
        } else {
            let id = self.free_id(&operation.method, &path);
            let body = operation.body.as_ref().map(|rule| part.body(operation, rule));
            let body = body.map(|(name, item, whole)| {
                self.define(&name, item);
                whole
            });
            self.operations.push(Operation {
                id,
                tag: part.resource.path.clone(),
                method: operation.method.clone(),
                path,
                summary: operation.summary.replace("{name}", &part.resource.path),
                parameters,
                body,
                reply: part.reply(operation),
                vendor: part.at_vendor(operation),
            });
        }
        if operation.reply != ReplyShape::Empty {
            self.define(&part.name, part.object());
        }
    }

    /// A definition that is there already gets the members that it lacks.
    fn define(&mut self, name: &str, schema: Schema) {
        match (self.definitions.get_mut(name), schema) {
            (Some(Schema::Object(known)), Schema::Object(members)) => {
                let further = members.into_iter().filter(|it| !known.iter().any(|one| one.name == it.name));
                let further: Vec<Member> = further.collect();
                known.extend(further);
            }
            (_, schema) => drop(self.definitions.insert(name.to_owned(), schema)),
        }
    }

    /// `GET-contacts`, `PATCH-contacts-id`.
    fn free_id(&self, method: &str, path: &str) -> String {
        let id = format!("{method}-{}", plain(path));
        let taken = |id: &str| self.operations.iter().any(|operation| operation.id == id);
        let mut ids = (1u32..).map(|number| if number == 1 { id.clone() } else { format!("{id}-{number}") });
        ids.find(|id| !taken(id)).unwrap_or_default()
    }
}

/// A resource with what is needed to tell of it.
struct Part<'a> {
    resource: &'a Resource,
    collection: &'a Collection,
    fields: &'a [FieldMetadata],
    /// Of its definition.
    name: String,
}

impl Part<'_> {
    fn parameters(&self, operation: &resource::Operation, path: &str) -> Vec<Parameter> {
        let own = |name: &str| operation.parameters.iter().find(|it| it.from == Source::Path && it.name == name);
        let in_path = segments(path).filter_map(variable).map(|name| {
            let description = own(name).map_or_else(|| of_variable(name), |it| it.description.as_str());
            Parameter { required: true, ..text(Place::Path, name, description) }
        });
        let mut parameters: Vec<Parameter> = in_path.collect();
        let is_list = operation.reply == ReplyShape::List;
        if is_list && let Some(filter) = &operation.filter {
            parameters.push(text(Place::Query, "where", &self.of_where()));
            if !matches!(filter, Filter::Parameters(_)) {
                let description = "A field with `asc` or `desc`, or several with commas between";
                parameters.push(text(Place::Query, "orderBy", description));
            }
        }
        if operation.method == "GET" && operation.reply != ReplyShape::Empty {
            let description = "Names of fields, with commas between; the others are left out";
            parameters.push(text(Place::Query, "fields", description));
        }
        if is_list {
            let count = |name, description, most| Parameter {
                kind: ParameterKind::Count { most },
                ..text(Place::Query, name, description)
            };
            parameters.extend([
                count("page", "Which page, without `nextPage`", None),
                count("pageSize", "How many objects at most", Some(MAX_PAGE_SIZE)),
                text(Place::Query, "nextPage", "The `Elements-Next-Page-Token` of the page before"),
            ]);
        }
        for parameter in &operation.parameters {
            let place = match parameter.from {
                Source::Query => Place::Query,
                Source::Header => Place::Header,
                Source::Path | Source::Body | Source::Value | Source::Configuration => continue,
            };
            if !parameters.iter().any(|known| known.name == parameter.name && known.place == place) {
                let told = text(place, &parameter.name, &parameter.description);
                parameters.push(Parameter { required: parameter.required, ..told });
            }
        }
        parameters
    }

    fn of_where(&self) -> String {
        let mut description = "Conditions joined by AND and OR, with texts in single quotes".to_owned();
        if self.resource.closed {
            let names = self.fields.iter().filter(|field| field.filterable).map(|field| field.vendor_path.as_str());
            description.push_str(", on ");
            description.push_str(&names.collect::<Vec<_>>().join(", "));
        }
        description
    }

    fn reply(&self, operation: &resource::Operation) -> Reply {
        let object = || Schema::Named(self.name.clone());
        let (description, schema) = match operation.reply {
            ReplyShape::List => ("The objects", Some(Schema::list(object()))),
            ReplyShape::Object => ("The object", Some(object())),
            ReplyShape::Batch => {
                let around = |schema, step: &String| Schema::Object(vec![Member::new(step, schema, "")]);
                let whole = steps(&operation.root).iter().rev().fold(Schema::list(object()), around);
                ("The objects, and what failed", Some(whole))
            }
            ReplyShape::Empty => ("Done; the body is empty", None),
        };
        let mut headers = Vec::new();
        if operation.reply == ReplyShape::List {
            headers.push(("Elements-Returned-Count", "How many are on this page"));
            headers.push(("Elements-Next-Page-Token", "Send it as `nextPage`; absent on the last page"));
            if operation.paging.as_ref().is_some_and(|paging| paging.total.is_some()) {
                headers.push(("Elements-Total-Count", "How many there are in all"));
            }
        }
        Reply { description, schema, headers }
    }

    fn at_vendor(&self, operation: &resource::Operation) -> AtVendor {
        let path = operation.vendor_template(self.collection);
        let next = |paging: &Paging| match &paging.style {
            PagingStyle::Cursor { next: Told::Body(next), .. } | PagingStyle::Address { next: Told::Body(next) } => {
                Some(next.clone())
            }
            _ => None,
        };
        AtVendor {
            method: operation.vendor_method().to_owned(),
            path: path.replace("{vendorName}", &self.resource.vendor_name),
            root: operation.root.clone(),
            next: operation.paging.as_ref().and_then(next),
        }
    }

    /// An object as replies have it.
    fn object(&self) -> Schema {
        let mut members =
            vec![Member::new("id", Schema::text(), "The vendor's id of the object, under this name everywhere")];
        members.extend(self.resource.members.iter().map(|member| {
            let schema = match (&member.value, &member.variable) {
                (Some(value), _) => of_value(value),
                (None, Some(_)) if member.number => Schema::Of(FieldType::Number),
                (None, Some(_)) => Schema::text(),
                (None, None) => Schema::Any,
            };
            Member { read_only: true, ..Member::new(&member.name, schema, "") }
        }));
        let told: Vec<&FieldMetadata> = self.fields.iter().collect();
        for member in self.fields_of(&told) {
            if !members.iter().any(|known| known.name == member.name) {
                members.push(member);
            }
        }
        if self.collection.raw {
            members.push(Member::new("raw", Schema::Of(FieldType::Object), "The vendor's object"));
        }
        Schema::Object(members)
    }

    /// What a body is: the name and the schema of one object in it, and the whole.
    fn body(&self, operation: &resource::Operation, rule: &resource::Body) -> (String, Schema, Schema) {
        let name = format!("{}.{}", self.name, operation.name);
        let mut members = Vec::new();
        if let Some(bare) = &rule.bare_item {
            members.push(Member::new(bare, Schema::text(), ""));
        }
        if !rule.unchanged {
            let writable: Vec<_> = self.fields.iter().filter(|field| field.createable || field.updateable).collect();
            members.extend(self.fields_of(&writable).into_iter().map(|member| Member { read_only: false, ..member }));
            members.extend(rule.beside.iter().map(|name| Member::new(name, Schema::Any, "")));
        }
        let in_body = operation.parameters.iter().filter(|parameter| parameter.from == Source::Body);
        members.extend(in_body.map(|it| Member::new(&it.name, Schema::text(), &it.description)));
        let one = Schema::Named(name.clone());
        let whole = match &rule.items {
            Some(items) => Schema::Object(vec![Member::new(items, Schema::list(one), "")]),
            None => one,
        };
        (name, Schema::Object(members), whole)
    }

    /// Fields where they stand in an object. Those in a member of their own are texts.
    fn fields_of(&self, fields: &[&FieldMetadata]) -> Vec<Member> {
        let member = |field: &FieldMetadata, name: &str, schema| {
            let label = Some(&field.vendor_display_name).filter(|label| *label != name);
            let description = field.description.as_ref().or(label).cloned().unwrap_or_default();
            Member { read_only: field.vendor_read_only, ..Member::new(name, schema, description) }
        };
        let Some(inside) = &self.collection.fields_in else {
            return fields.iter().map(|field| member(field, &field.vendor_path, Schema::Of(kind_of(field)))).collect();
        };
        let inner = fields.iter().filter_map(|field| {
            let name = field.vendor_path.strip_prefix(inside.as_str())?.strip_prefix('.')?;
            Some(member(field, name, Schema::text()))
        });
        vec![Member::new(inside, Schema::Object(inner.collect()), "The fields, whose values are texts")]
    }
}

fn text(place: Place, name: &str, description: &str) -> Parameter {
    let (name, description) = (name.to_owned(), description.to_owned());
    Parameter { name, place, kind: ParameterKind::Text, description, required: false }
}

fn of_variable(name: &str) -> &'static str {
    match name {
        "id" => "The object's `id`",
        name if name.ends_with("Name") => "The name of an object, as `/objects` tells it",
        _ => "The `id` of the object that it belongs to",
    }
}

fn of_value(value: &Value) -> Schema {
    match value {
        Value::Bool(_) => Schema::Of(FieldType::Boolean),
        Value::Number(_) => Schema::Of(FieldType::Number),
        Value::String(_) => Schema::text(),
        Value::Array(_) => Schema::Of(FieldType::Array),
        Value::Object(_) => Schema::Of(FieldType::Object),
        Value::Null => Schema::Any,
    }
}

fn kind_of(field: &FieldMetadata) -> FieldType {
    match field.kind.as_str() {
        "number" => FieldType::Number,
        "boolean" => FieldType::Boolean,
        "object" => FieldType::Object,
        "array" => FieldType::Array,
        _ if field.format.as_deref() == Some("date-time") => FieldType::DateTime,
        _ => FieldType::String,
    }
}

fn has_same_shape(one: &str, other: &str) -> bool {
    let shape = |path| segments(path).map(|segment: &str| if variable(segment).is_some() { "{}" } else { segment });
    shape(one).eq(shape(other))
}

/// A path as a name that both versions and generators take: `{objectName}/properties` → `objectName-properties`.
fn plain(path: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let named = segments(path).map(|segment| variable(segment).unwrap_or(segment).chars().map(kept).collect());
    named.collect::<Vec<String>>().join("-")
}
