//! Resources and the collections that they are of.

use std::collections::BTreeSet;

use super::authentication::check_pointer;
use super::{Findings, is_token};
use crate::catalog::element::Element;
use crate::catalog::resource::{
    Collection, Filter, Operation, PagingStyle, Parameter, Place, Resource, Slot, Source, segments, variable,
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
    }
    let told = !resource.closed || !resource.fields.is_empty();
    findings.demand(told, format!("{at}/closed"), "a closed resource must list its `fields`");
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
        check_operation(element, &at, operation, findings);
    }
    if let Some(metadata) = &collection.metadata {
        let at = format!("{at}/metadata");
        check_path(&format!("{at}/vendorPath"), &metadata.vendor_path, findings);
        for (member, pointer) in [("name", &metadata.name), ("type", &metadata.kind), ("label", &metadata.label)] {
            check_pointer(&format!("{at}/{member}"), pointer, findings);
        }
        if let Some(key) = metadata.collection.as_ref().filter(|key| !element.collections.contains_key(*key)) {
            findings.add(format!("{at}/collection"), format!("the collection `{key}` is not declared"));
        }
    }
}

fn check_operation(element: &Element, at: &str, operation: &Operation, findings: &mut Findings) {
    for (member, method) in [("method", operation.method.as_str()), ("vendorMethod", operation.vendor_method())] {
        let known = matches!(method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE");
        findings.demand(known, format!("{at}/{member}"), format!("`{method}` is no method, in capitals"));
    }
    for (member, path) in [("path", &operation.path), ("vendorPath", &operation.vendor_path)] {
        if !path.is_empty() {
            check_path(&format!("{at}/{member}"), path, findings);
        }
    }
    if !operation.root.is_empty() {
        check_pointer(&format!("{at}/root"), &operation.root, findings);
    }
    for (number, parameter) in operation.parameters.iter().enumerate() {
        check_parameter(element, &format!("{at}/parameters/{number}"), parameter, findings);
    }
    let statement = match &operation.filter {
        Some(Filter::Statement(statement)) => statement.text.as_str(),
        _ => "",
    };
    let mut slots: Vec<&Slot> = operation.parameters.iter().map(|parameter| &parameter.to).collect();
    slots.extend(&operation.fields);
    if let Some(paging) = &operation.paging {
        findings.demand(paging.largest > 0, format!("{at}/paging/largest"), "`largest` is zero");
        slots.push(&paging.size);
        let (to, pointer) = match &paging.style {
            PagingStyle::Cursor { next, to } => (to, Some(next)),
            PagingStyle::Offset { to, more } => (to, more.as_ref()),
        };
        slots.push(to);
        for pointer in pointer.into_iter().chain(&paging.total) {
            check_pointer(&format!("{at}/paging"), pointer, findings);
        }
    }
    for slot in slots {
        check_slot(at, slot, statement, findings);
    }
}

fn check_slot(at: &str, slot: &Slot, statement: &str, findings: &mut Findings) {
    let name = &slot.name;
    let fits = match slot.place {
        Place::Header => is_token(name),
        Place::Statement => statement.contains(&format!("{{{name}}}")),
        _ => !name.is_empty(),
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
