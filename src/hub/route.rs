//! Which resource and operation a path and a method lead to.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::families::Form;
use crate::catalog::element::Element;
use crate::catalog::resource::{Collection, Operation, Resource, segments, variable};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::plain_text::shortened;

/// What a call leads to.
#[derive(Debug, Clone)]
pub struct Route<'a> {
    pub resource: &'a Resource,
    pub collection: &'a Collection,
    pub operation: &'a Operation,
    /// Values of the path's variables, decoded; `vendorName` among them.
    pub values: BTreeMap<&'a str, String>,
}

/// Whether a bare path is one of the element's own, without any generic resource of it: it begins with a name that the
/// element declares, and in a family of the platform it consists of such names.
pub fn has_own(element: &Element, path: &[String]) -> bool {
    let first = path.first().map(String::as_str).unwrap_or_default();
    if !Form::Bare.reserves(first) {
        return is_named(element, first);
    }
    let mut resources = element.resources.iter().filter_map(|it| Some((it, element.collections.get(&it.collection)?)));
    resources.any(|(resource, collection)| {
        let mut operations = collection.operations.iter().filter(|operation| resource.has(operation));
        operations.any(|operation| fit(resource, operation, path).is_some_and(|fit| fit.is_literal()))
    })
}

fn is_named(element: &Element, first: &str) -> bool {
    element.resources.iter().any(|resource| segments(&resource.path).next() == Some(first))
}

/// Whether a resource may take an address that it fits. The platform's calls never reach a vendor: not the bare ones of
/// its families, unless the element declares that very path, and no bare ones but GETs through a resource that takes every
/// name.
fn may_take(form: Form, resource: &Resource, operation: &Operation, path: &[String], fit: &Fit<'_>) -> bool {
    let generic = segments(&resource.path).next().is_some_and(|first| variable(first).is_some());
    let reserved = path.first().is_some_and(|first| form.reserves(first));
    match form {
        Form::InHub => !(generic && reserved),
        Form::Bare if reserved => fit.is_literal(),
        Form::Bare => !generic || operation.method == "GET",
    }
}

/// `filtered`: the caller gave a condition or an order.
pub fn find<'a>(
    element: &'a Element,
    form: Form,
    method: &str,
    path: &[String],
    filtered: bool,
) -> Result<Route<'a>, ApiError> {
    let mut best: Option<(Rank, Route<'a>)> = None;
    let mut methods: Vec<&str> = Vec::new();
    for resource in &element.resources {
        let Some(collection) = element.collections.get(&resource.collection) else { continue };
        for operation in collection.operations.iter().filter(|operation| resource.has(operation)) {
            let Some(fit) = fit(resource, operation, path) else { continue };
            if !may_take(form, resource, operation, path, &fit) {
                continue;
            }
            if !methods.contains(&operation.method.as_str()) {
                methods.push(&operation.method);
            }
            let rank = Rank { literals: fit.literals, fits: operation.filtered == filtered };
            // Without a twin for conditions an operation serves both.
            let may = filtered || !operation.filtered;
            if operation.method == method && may && best.as_ref().is_none_or(|(other, _)| rank > *other) {
                best = Some((rank, Route { resource, collection, operation, values: fit.values }));
            }
        }
    }
    match best {
        Some((_, mut route)) => {
            let name = vendor_name(element, &route)?;
            route.values.insert("vendorName", name);
            Ok(route)
        }
        // That a resource could be read under any name says nothing of this one.
        None if methods.is_empty() || (form == Form::Bare && !has_own(element, path)) => {
            Err(no_resource(element, form, path))
        }
        None => {
            let methods = methods.join(", ");
            let message = format!("{} takes {methods} here, not {method}.", element.name);
            Err(ApiError::new(Code::MethodNotAllowed, message).with_allow(methods))
        }
    }
}

/// More literals first, then the literal further right, then the twin that fits.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    literals: (usize, Vec<bool>),
    fits: bool,
}

/// How a path fits a resource and an operation.
struct Fit<'a> {
    /// How many of its segments are literals, and which, from the right.
    literals: (usize, Vec<bool>),
    values: BTreeMap<&'a str, String>,
}

impl Fit<'_> {
    fn is_literal(&self) -> bool {
        self.values.is_empty()
    }
}

fn fit<'a>(resource: &'a Resource, operation: &'a Operation, path: &[String]) -> Option<Fit<'a>> {
    let mut values = BTreeMap::new();
    let mut literals = Vec::with_capacity(path.len());
    let mut given = path.iter();
    for segment in segments(&resource.path).chain(segments(&operation.path)) {
        let found = given.next()?;
        match variable(segment) {
            Some(name) => {
                values.insert(name, found.clone());
                literals.push(false);
            }
            None if segment == found => literals.push(true),
            None => return None,
        }
    }
    if given.next().is_some() {
        return None;
    }
    literals.reverse();
    Some(Fit { literals: (literals.iter().filter(|literal| **literal).count(), literals), values })
}

/// The vendor's name of the objects. Where a variable names another resource, its vendor name is meant.
fn vendor_name(element: &Element, route: &Route<'_>) -> Result<String, ApiError> {
    let mut filled = Vec::new();
    for segment in route.resource.vendor_name.split('/') {
        let Some(name) = variable(segment) else {
            filled.push(segment.to_owned());
            continue;
        };
        let value = route.values.get(name).map(String::as_str).unwrap_or_default();
        let of = element.resources.iter().find(|other| other.path == value && name.ends_with("Name"));
        let text = of.map_or(value, |other| other.vendor_name.as_str());
        filled.push(segment_text(name, text)?);
    }
    Ok(filled.join("/"))
}

/// What a segment has as it is; all else is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A value as one segment of a path: it can neither leave its place nor climb.
pub fn segment_text(name: &str, value: &str) -> Result<String, ApiError> {
    if value.is_empty() || matches!(value, "." | "..") {
        let message = format!("`{value}` cannot be the {name} of a path.");
        return Err(ApiError::new(Code::BadParameter, message));
    }
    Ok(utf8_percent_encode(value, SEGMENT).to_string())
}

fn no_resource(element: &Element, form: Form, path: &[String]) -> ApiError {
    let shown = shortened(&path.join("/"));
    let known: Vec<&str> = element.resources.iter().map(|resource| resource.path.as_str()).collect();
    let message = if known.is_empty() {
        format!("{} has no resources yet.", element.name)
    } else if form == Form::Bare {
        format!(
            "{} has no resource /{shown} that could be meant here: write /hubs/{}/{shown}, or one of {}.",
            element.name,
            element.hub,
            known.join(", ")
        )
    } else {
        format!("{} has no resource /{shown}: it has {}.", element.name, known.join(", "))
    };
    ApiError::new(Code::ResourceNotFound, message)
}
