//! Resources and the collections that they are of.

use std::collections::BTreeSet;

use super::authentication::check_pointer;
use super::{Findings, OWN_HEADERS, is_token, paging};
use crate::catalog::element::Element;
use crate::catalog::resource::{
    Body, Collection, Filter, Operation, Parameter, Place, ReplyShape, Resource, Slot, Source, Statement, segments,
    variable, variables_in,
};

/// First segments that are the platform's, whatever the element.
const PLATFORM: [&str; 9] =
    ["authentication", "bulk", "docs", "elements", "hubs", "instances", "objects", "organizations", "ping"];

pub fn check(element: &Element, findings: &mut Findings) {
    for (at, pointer) in element.messages.iter().enumerate() {
        check_pointer(&format!("messages/{at}"), pointer, findings);
    }
    for (name, collection) in &element.collections {
        check_collection(element, &format!("collections/{name}"), collection, findings);
    }
    let mut paths = BTreeSet::new();
    for (at, resource) in element.resources.iter().enumerate() {
        let at = format!("resources/{at}");
        let twice = !paths.insert(resource.path.as_str());
        findings.demand(!twice, format!("{at}/path"), format!("the resource `{}` is there twice", resource.path));
        check_resource(element, &at, resource, findings);
    }
}

fn check_resource(element: &Element, at: &str, resource: &Resource, findings: &mut Findings) {
    let path = &resource.path;
    let first = segments(path).next().unwrap_or_default();
    let plain = !path.is_empty() && !path.starts_with('/') && segments(path).count() == path.split('/').count();
    let plain = plain && has_whole_variables(path);
    findings.demand(
        plain,
        format!("{at}/path"),
        format!("`{path}` is no path like `contacts` or `{{objectName}}/properties`"),
    );
    findings.demand(!PLATFORM.contains(&first), format!("{at}/path"), format!("`{first}` is a path of the API"));
    findings.demand(!resource.description.trim().is_empty(), format!("{at}/description"), "`description` is empty");
    let Some(collection) = element.collections.get(&resource.collection) else {
        let reason = format!("the collection `{}` is not declared", resource.collection);
        return findings.add(format!("{at}/collection"), reason);
    };
    let known: Vec<&str> = segments(path).filter_map(variable).collect();
    for name in segments(&resource.vendor_name).filter_map(variable).filter(|name| !known.contains(name)) {
        findings.add(format!("{at}/vendorName"), format!("the variable `{name}` is not one of `path`"));
    }
    for name in resource.only.iter().filter(|name| !collection.operations.iter().any(|it| it.name == **name)) {
        findings.add(format!("{at}/only"), format!("the collection has no operation `{name}`"));
    }
    for (number, member) in resource.members.iter().enumerate() {
        let at = format!("{at}/members/{number}");
        let sources = [member.from.is_some(), member.value.is_some(), member.variable.is_some()];
        let given = sources.into_iter().filter(|given| *given).count();
        findings.demand(given == 1, &at, "exactly one of `from`, `value` and `variable` must be given");
        if let Some(pointer) = &member.from {
            check_pointer(&format!("{at}/from"), pointer, findings);
        }
        if let Some(name) = member.variable.as_ref().filter(|name| !element.variables.contains_key(*name)) {
            findings.add(format!("{at}/variable"), format!("the variable `{name}` is not declared"));
        }
        let numbered = member.variable.is_some() || !member.number;
        findings.demand(numbered, format!("{at}/number"), "`number` is about a `variable`");
    }
    let told = !resource.closed || !resource.fields.is_empty();
    findings.demand(told, format!("{at}/closed"), "a closed resource must list its `fields`");
    let mut operations = collection.operations.iter().filter(|operation| resource.has(operation));
    let filters = operations.clone().any(|operation| operation.filter.is_some()) || operations.clone().next().is_none();
    findings.demand(
        filters || !resource.closed,
        format!("{at}/closed"),
        "`closed` is about conditions: there are none",
    );
    findings.demand(
        filters || resource.modified.is_none(),
        format!("{at}/modified"),
        "`modified` is about conditions: there are none",
    );
    // Every variable of a vendor's path has a value from somewhere.
    let found = operations.find_map(|operation| {
        let own = segments(&operation.path).filter_map(variable).chain(known.iter().copied()).chain(["vendorName"]);
        let own: Vec<&str> = own.collect();
        let to_path = operation.parameters.iter().filter(|parameter| parameter.to.place == Place::Path);
        let filled: Vec<&str> = to_path.map(|parameter| parameter.to.name.as_str()).collect();
        let template = operation.vendor_template(collection);
        let empty = variables_in(&template).find(|name| !own.contains(name) && !filled.contains(name));
        if let Some(name) = empty {
            return Some(format!(
                "`{}` of the collection has `{{{name}}}` in its path, which nothing fills",
                operation.name
            ));
        }
        let mut taken = operation.parameters.iter().filter(|parameter| parameter.from == Source::Path);
        let absent = taken.find(|parameter| !own.contains(&parameter.name.as_str()))?;
        Some(format!("`{}` of the collection takes `{}` from a path that has none", operation.name, absent.name))
    });
    if let Some(reason) = found {
        findings.add(format!("{at}/collection"), reason);
    }
}

/// A variable is a whole segment of what callers write.
fn has_whole_variables(path: &str) -> bool {
    segments(path)
        .all(|segment| variable(segment).is_some_and(|name| !name.is_empty()) || !segment.contains(['{', '}']))
}

fn check_collection(element: &Element, at: &str, collection: &Collection, findings: &mut Findings) {
    check_path(&format!("{at}/vendorPath"), &collection.vendor_path, findings);
    check_pointer(&format!("{at}/id"), &collection.id, findings);
    findings.demand(!collection.operations.is_empty(), format!("{at}/operations"), "there are no operations");
    let mut seen = BTreeSet::new();
    for (number, operation) in collection.operations.iter().enumerate() {
        let at = format!("{at}/operations/{number}");
        let twice = !seen.insert((&operation.method, &operation.path, operation.filtered));
        findings.demand(!twice, &at, "there is another operation with the same method and path");
        let is_twin = |other: &&Operation| other.method == operation.method && other.path == operation.path;
        let twins = collection.operations.iter().filter(is_twin).filter(|other| !other.filtered).count();
        let filtered = !operation.filtered || (twins > 0 && operation.filter.is_some());
        let reason = "a `filtered` operation needs a `filter`, and a twin for calls without a condition";
        findings.demand(filtered, format!("{at}/filtered"), reason);
        check_operation(element, collection, &at, operation, findings);
    }
    if let Some(metadata) = &collection.metadata {
        let at = format!("{at}/metadata");
        check_path(&format!("{at}/vendorPath"), &metadata.vendor_path, findings);
        for (member, pointer) in [("name", &metadata.name), ("type", &metadata.kind), ("label", &metadata.label)] {
            check_pointer(&format!("{at}/{member}"), pointer, findings);
        }
        let further = [
            ("root", Some(&metadata.root).filter(|root| !root.is_empty())),
            ("description", metadata.description.as_ref()),
            ("format", metadata.format.as_ref()),
            ("readOnly", metadata.read_only.as_ref()),
            ("standard", metadata.standard.as_ref()),
        ];
        for (member, pointer) in further {
            if let Some(pointer) = pointer {
                check_pointer(&format!("{at}/{member}"), pointer, findings);
            }
        }
        let unknown = variables_in(&metadata.vendor_path).find(|name| *name != "vendorName");
        findings.demand(unknown.is_none(), format!("{at}/vendorPath"), "only `{vendorName}` is known here");
        if let Some(key) = metadata.collection.as_ref().filter(|key| !element.collections.contains_key(*key)) {
            findings.add(format!("{at}/collection"), format!("the collection `{key}` is not declared"));
        }
    }
}

fn check_operation(
    element: &Element,
    collection: &Collection,
    at: &str,
    operation: &Operation,
    findings: &mut Findings,
) {
    for (member, method) in [("method", operation.method.as_str()), ("vendorMethod", operation.vendor_method())] {
        let known = matches!(method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE");
        findings.demand(known, format!("{at}/{member}"), format!("`{method}` is no method, in capitals"));
    }
    for (member, path) in [("path", &operation.path), ("vendorPath", &operation.vendor_path)] {
        if !path.is_empty() {
            check_path(&format!("{at}/{member}"), path, findings);
        }
    }
    let whole = has_whole_variables(&operation.path);
    findings.demand(whole, format!("{at}/path"), "a variable is a whole segment of what callers write");
    check_reply(at, operation, findings);
    for (number, parameter) in operation.parameters.iter().enumerate() {
        check_parameter(element, &format!("{at}/parameters/{number}"), parameter, findings);
    }
    let statement = match &operation.filter {
        Some(Filter::Statement(statement)) => Some(statement),
        _ => None,
    };
    findings.demand(
        operation.filter.is_none() || operation.reply == ReplyShape::List,
        format!("{at}/filter"),
        "only a reply that is a `list` has conditions",
    );
    let template = operation.vendor_template(collection);
    let mut slots: Vec<&Slot> = operation.parameters.iter().map(|parameter| &parameter.to).collect();
    slots.extend(&operation.fields);
    slots.extend(statement.map(|statement| &statement.to));
    for slot in slots {
        check_slot(at, slot, "", findings);
        let stands = slot.place != Place::Path || variables_in(&template).any(|name| name == slot.name);
        findings.demand(stands, at, format!("`{{{}}}` does not stand in the vendor's path", slot.name));
    }
    let text = statement.map_or("", |statement| statement.text.as_str());
    if let Some(paging) = &operation.paging {
        paging::check(at, operation, paging, text, findings);
    }
    if let Some(statement) = statement {
        check_statement(at, operation, statement, findings);
    }
    if let Some(body) = &operation.body {
        check_body(at, collection, body, findings);
    }
    let timeout = operation.timeout.is_none_or(|seconds| (1..=300).contains(&seconds));
    findings.demand(timeout, format!("{at}/timeout"), "`timeout` is outside 1–300 seconds");
    let paged = operation.paging.iter().flat_map(|paging| paging.size.iter().chain(paging.to()));
    let mut filled = operation.parameters.iter().map(|it| &it.to).chain(&operation.fields).chain(paged);
    let has_body = operation.body.is_some()
        || matches!(operation.filter, Some(Filter::FilterGroups { .. }))
        || filled.any(|slot| slot.place == Place::Body);
    findings.demand(
        has_body || operation.encoding.is_none(),
        format!("{at}/encoding"),
        "`encoding` is about a body, and there is none",
    );
}

fn check_reply(at: &str, operation: &Operation, findings: &mut Findings) {
    let root = &operation.root;
    if !root.is_empty() {
        check_pointer(&format!("{at}/root"), root, findings);
    }
    let rooted = match operation.reply {
        ReplyShape::List | ReplyShape::Object => true,
        ReplyShape::Batch => !root.is_empty(),
        ReplyShape::Empty => root.is_empty(),
    };
    findings.demand(
        rooted,
        format!("{at}/root"),
        "`root` is where a `batch` has its list; an `empty` reply has nothing there",
    );
    if let Some(item) = &operation.item {
        check_pointer(&format!("{at}/item"), item, findings);
        findings.demand(operation.reply == ReplyShape::List, format!("{at}/item"), "only a `list` has items");
    }
    let refusals = operation.nothing.iter().all(|status| (400..500).contains(status));
    let fits = operation.nothing.is_empty() || (refusals && operation.reply == ReplyShape::List);
    findings.demand(fits, format!("{at}/nothing"), "`nothing` are statuses from 400 to 499 that mean an empty `list`");
}

/// What is not in the text is told to nobody.
fn check_statement(at: &str, operation: &Operation, statement: &Statement, findings: &mut Findings) {
    let at = format!("{at}/filter");
    let numbers = operation.paging.iter().flat_map(|paging| paging.size.iter().chain(paging.to()));
    let numbers = numbers.filter(|slot| slot.place == Place::Statement).map(|slot| slot.name.as_str());
    let known: Vec<&str> = ["fields", "vendorName", "where", "orderBy"].into_iter().chain(numbers).collect();
    for name in variables_in(&statement.text).filter(|name| !known.contains(name)) {
        findings.add(&at, format!("nothing fills `{{{name}}}` of the statement"));
    }
    for name in ["where", "orderBy"] {
        let stands = variables_in(&statement.text).any(|it| it == name);
        findings.demand(stands, &at, format!("the statement has no `{{{name}}}`"));
    }
    let told = statement.fields.is_empty() || variables_in(&statement.text).any(|it| it == "fields");
    findings.demand(told, &at, "the statement has no `{fields}`");
}

fn check_body(at: &str, collection: &Collection, body: &Body, findings: &mut Findings) {
    let at = format!("{at}/body");
    let bare = body.bare_item.is_none() || body.items.is_some();
    findings.demand(bare, &at, "`bareItem` is about `items`");
    let nested = collection.fields_in.is_some() && !body.unchanged;
    findings.demand(body.beside.is_empty() || nested, &at, "`beside` is about fields that go into `fieldsIn`");
}

/// `statement`: the text that a slot may be in.
pub fn check_slot(at: &str, slot: &Slot, statement: &str, findings: &mut Findings) {
    let name = &slot.name;
    let fits = match slot.place {
        Place::Header => is_token(name) && !OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)),
        Place::Statement => statement.contains(&format!("{{{name}}}")),
        Place::Body => !name.trim_start_matches('/').is_empty(),
        Place::Query | Place::Path => !name.is_empty(),
    };
    findings.demand(fits, at, format!("`{name}` is no name of a {:?}", slot.place).to_lowercase());
}

fn check_parameter(element: &Element, at: &str, parameter: &Parameter, findings: &mut Findings) {
    let fixed = parameter.from == Source::Value;
    findings.demand(fixed == parameter.value.is_some(), at, "`from = \"value\"` and `value` need each other");
    findings.demand(fixed || !parameter.name.is_empty(), at, "the parameter has no name");
    findings.demand(!parameter.description.is_empty(), at, "the parameter has no description");
    let undeclared = parameter.from == Source::Configuration && element.entry(&parameter.name).is_none();
    findings.demand(!undeclared, at, format!("the configuration key `{}` is not declared", parameter.name));
}

fn check_path(at: &str, path: &str, findings: &mut Findings) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/{}-_.~".contains(c);
    let fits = path.starts_with('/') && path.chars().all(plain) && !path.split('/').any(|it| matches!(it, "." | ".."));
    findings.demand(fits, at, format!("`{path}` is no path that begins with `/`"));
}
