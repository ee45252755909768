//! A caller's call as requests to the vendor.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::Serializer;

use super::body;
use super::bookmark::{Position, fingerprint};
use super::clause::{self, Clause, Complaint, Field};
use super::families::Form;
use super::filter::{self, Limits, MODIFIED, Names};
use super::form::form;
use super::page::steps;
use super::paging::Wanted;
use super::route::{self, Route, segment_text};
use super::shape::{self, Shape};
use super::slots::Slots;
use super::statement;
use super::vendor_request::vendor_request;
use crate::catalog::element::Element;
use crate::catalog::oauth2::BodyEncoding;
use crate::catalog::resource::{Dialect, Filter, Place, ReplyShape, Source, Statement};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;
use crate::protocol::variables::Values;
use crate::protocol::{VendorFault, VendorRequest};

/// Bytes of a vendor's reply that a hub call reads at most: a page of large objects is some megabytes.
pub const LARGEST_REPLY: usize = 16 << 20;

/// What a caller sent.
pub struct Call<'a> {
    pub form: Form,
    pub method: &'a str,
    /// Behind the hub, decoded.
    pub path: &'a [String],
    /// Query parameters; empty ones count as not given.
    pub query: &'a dyn Fn(&str) -> Option<String>,
    pub header: &'a dyn Fn(&str) -> Option<String>,
    pub configuration: &'a dyn Fn(&str) -> Option<String>,
    pub body: Option<Value>,
    pub instance: i64,
}

/// What becomes of it: everything but the credential and the position in a list.
pub struct Plan<'a> {
    pub element: &'a Element,
    pub route: Route<'a>,
    /// Of a list.
    pub wanted: Option<Wanted>,
    pub fingerprint: String,
    /// What `fields` names.
    pub only: Option<Vec<String>>,
    slots: Slots,
    statement: Option<Unfilled<'a>>,
}

/// A statement but for its numbers, which come with the position. It is filled in once: a value is never looked into.
struct Unfilled<'a> {
    rule: &'a Statement,
    known: BTreeMap<&'static str, String>,
}

impl<'a> Plan<'a> {
    pub fn of(element: &'a Element, call: Call<'_>) -> Result<Self, ApiError> {
        let given = |name: &str| (call.query)(name).filter(|value| !value.is_empty());
        let (condition, order) = (given("where"), given("orderBy"));
        let filtered = condition.is_some() || order.is_some();
        let mut route = route::find(element, call.form, call.method, call.path, filtered)?;
        let mut plan_body = call.body;
        let mut given_values = Vec::new();
        for parameter in &route.operation.parameters {
            let value = match parameter.from {
                Source::Query => given(&parameter.name),
                Source::Header => (call.header)(&parameter.name),
                Source::Path => route.values.get(parameter.name.as_str()).cloned(),
                Source::Value => parameter.value.clone(),
                Source::Configuration => (call.configuration)(&parameter.name),
                Source::Body => taken(&mut plan_body, &parameter.name),
            };
            match value {
                Some(value) => given_values.push((&parameter.to, Value::String(value))),
                None if parameter.required => {
                    let message = format!("{} is missing: this call needs it.", parameter.name);
                    return Err(ApiError::new(Code::MissingParameter, message));
                }
                None => {}
            }
        }
        let operation = route.operation;
        let mut slots = Slots::default();
        if let Some(rule) = &operation.body {
            let sent = plan_body.unwrap_or_else(|| Value::Object(Map::new()));
            slots.body = Some(body::to_vendor(route.resource, route.collection, rule, sent)?);
        }
        for (slot, value) in given_values {
            slots.put(slot, value, &mut route.values)?;
        }
        let names = Names { resource: route.resource, collection: route.collection };
        let clause = condition.as_deref().map(clause::parse).transpose().map_err(|it| bad("where", &it))?;
        let order = match &order {
            Some(text) => clause::parse_order(text).map_err(|it| bad("orderBy", &it))?,
            None => newest_first(names, clause.as_ref()),
        };
        let only = given("fields").map(|text| names_of(&text));
        let statement = put_filter(&mut slots, &route, names, clause.as_ref(), &order, only.as_deref())?;
        if let (Some(slot), Some(only)) = (&operation.fields, &only) {
            // Without its id an object could not be told from others; among fields of their own it needs no asking.
            let id = route.collection.fields_in.is_none().then(|| steps(&route.collection.id).into_iter().next());
            let mut named: Vec<String> = id.flatten().into_iter().collect();
            for name in only.iter().filter(|name| *name != "raw").map(|name| names.spelled(name)) {
                if !named.contains(&name) {
                    named.push(name);
                }
            }
            let named = named.into_iter().map(Value::String).collect();
            slots.put(slot, Value::Array(named), &mut route.values)?;
        }
        let path = call.path.join("/");
        let instance = call.instance.to_string();
        let parts = [&instance, &path, condition.as_deref().unwrap_or_default(), &given("orderBy").unwrap_or_default()];
        let fingerprint = fingerprint(&parts.map(|part: &str| part));
        let wanted = (operation.reply == ReplyShape::List)
            .then(|| {
                let (page, size, token) = (given("page"), given("pageSize"), given("nextPage"));
                Wanted::read(page.as_deref(), size.as_deref(), token.as_deref(), &fingerprint)
            })
            .transpose()?;
        Ok(Self { element, route, wanted, fingerprint, only, slots, statement })
    }

    /// The request for one of the vendor's pages, or for the one object. The credential is placed later.
    pub fn request(&self, values: Values<'_>, from: &Position, size: usize) -> Result<VendorRequest, ApiError> {
        let operation = self.route.operation;
        let mut slots = self.slots.clone();
        let mut path_values = self.route.values.clone();
        let mut numbers = BTreeMap::new();
        if let Some(paging) = &operation.paging {
            let place = match from {
                Position::Start | Position::Address(_) => None,
                Position::Cursor(text) | Position::Behind(text) => Some(Value::from(text.as_str())),
                Position::Offset(number) | Position::Page { number, .. } => Some(Value::from(*number)),
            };
            let to = place.and_then(|place| Some((paging.to()?, place)));
            for (slot, value) in to.into_iter().chain(paging.size.as_ref().map(|slot| (slot, Value::from(size)))) {
                if slot.place == Place::Statement {
                    numbers.insert(slot.name.as_str(), value.to_string());
                } else {
                    slots.put(slot, value, &mut path_values)?;
                }
            }
        }
        if let Some(unfilled) = &self.statement {
            let text =
                fill_statement(&unfilled.rule.text, &|name| unfilled.known.get(name).or(numbers.get(name)).cloned());
            slots.put(&unfilled.rule.to, Value::String(text), &mut path_values)?;
        }
        let url = match from {
            Position::Address(address) => next_url(values, address)?,
            _ => {
                let template = operation.vendor_template(self.route.collection);
                let mut url = vendor_url(values, &template, &path_values)?;
                if !slots.query.is_empty() {
                    url.set_query(Some(&Serializer::new(String::new()).extend_pairs(&slots.query).finish()));
                }
                url
            }
        };
        let mut request = vendor_request(values, operation.vendor_method(), url)?;
        request.largest_reply = LARGEST_REPLY;
        for (name, value) in slots.headers {
            request.set_header(&name, Secret::new(value));
        }
        if let Some(seconds) = operation.timeout {
            request.timeout = Duration::from_secs(seconds);
        }
        if let Some(body) = slots.body {
            let (content_type, text) = match operation.encoding {
                Some(BodyEncoding::Form) => ("application/x-www-form-urlencoded", form(&body)),
                Some(BodyEncoding::Json) | None => ("application/json", body.to_string()),
            };
            request.set_header("Content-Type", Secret::new(content_type));
            request.body = Some(Secret::new(text));
        }
        Ok(request)
    }

    /// `variable`: the values of the element's variables.
    pub fn shape(&self, nulls: bool, variable: &dyn Fn(&str) -> Option<String>) -> Shape<'_> {
        let Route { resource, collection, .. } = &self.route;
        let constants = shape::constants(&resource.members, variable);
        Shape { resource, collection, nulls, only: self.only.as_deref(), constants }
    }
}

fn taken(body: &mut Option<Value>, name: &str) -> Option<String> {
    match body.as_mut()?.as_object_mut()?.remove(name)? {
        Value::String(text) => Some(text),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// What a vendor named as the address of the next page, which has all parameters with it. It cannot leave the base URL's host.
fn next_url(values: Values<'_>, address: &str) -> Result<Url, ApiError> {
    let mut url = base_url(values)?;
    let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
    url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    url.set_query(query);
    Ok(url)
}

/// Where the element's addresses begin.
pub fn base_url(values: Values<'_>) -> Result<Url, ApiError> {
    let element = values.element;
    values.url(&element.base_url).map_err(|fault: VendorFault| fault.into_error(&element.name, "the call"))
}

/// An address below the element's base URL.
pub fn vendor_url(values: Values<'_>, template: &str, path: &BTreeMap<&str, String>) -> Result<Url, ApiError> {
    let mut url = base_url(values)?;
    let path = fill_path(template, path)?;
    url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
    Ok(url)
}

/// `/crm/v3/objects/{vendorName}/{id}.json`: each value stays within its segment. `vendorName` was checked when it was made.
fn fill_path(template: &str, values: &BTreeMap<&str, String>) -> Result<String, ApiError> {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, name, behind)) = next_variable(rest) {
        path.push_str(before);
        let value = values.get(name).map(String::as_str).unwrap_or_default();
        match name {
            "vendorName" => path.push_str(value),
            _ => path.push_str(&segment_text(name, value)?),
        }
        rest = behind;
    }
    path.push_str(rest);
    Ok(path)
}

fn next_variable(template: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = template.split_once('{')?;
    let (name, behind) = rest.split_once('}')?;
    Some((before, name, behind))
}

/// `a, b` → a and b.
fn names_of(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Changes since a time come newest first.
fn newest_first(names: Names<'_>, clause: Option<&Clause>) -> Vec<(Field, bool)> {
    let since = clause.is_some_and(|clause| clause.conditions().into_iter().any(|it| names.is_since(it)));
    if since { vec![(Field { name: MODIFIED.to_owned(), column: 1 }, true)] } else { Vec::new() }
}

fn put_filter<'a>(
    slots: &mut Slots,
    route: &Route<'a>,
    names: Names<'_>,
    clause: Option<&Clause>,
    order: &[(Field, bool)],
    only: Option<&[String]>,
) -> Result<Option<Unfilled<'a>>, ApiError> {
    let unknown = |parameter: &str| {
        let message = format!("/{} takes no {parameter}: leave it out.", route.resource.path);
        Err(ApiError::new(Code::BadWhere, message))
    };
    let in_where = |complaint: Complaint| bad("where", &complaint);
    match &route.operation.filter {
        None if clause.is_some() => unknown("where"),
        None if !order.is_empty() => unknown("orderBy"),
        None => Ok(None),
        Some(Filter::FilterGroups { most_groups, most_filters, most_in_all }) => {
            let limits = Limits { groups: *most_groups, filters: *most_filters, in_all: *most_in_all };
            let groups = clause.map(|clause| filter::filter_groups(clause, names, limits)).transpose();
            if let Some((second, _)) = order.get(1) {
                let complaint = Complaint::at(second.column, "the vendor orders by one field only");
                return Err(bad("orderBy", &complaint));
            }
            let groups = groups.map_err(in_where)?.unwrap_or_else(|| Value::Array(Vec::new()));
            let sorts: Result<Vec<Value>, ApiError> = order
                .iter()
                .map(|(field, descending)| {
                    let name = names.vendor(field).map_err(|it| bad("orderBy", &it))?;
                    let direction = if *descending { "DESCENDING" } else { "ASCENDING" };
                    Ok(serde_json::json!({ "propertyName": name, "direction": direction }))
                })
                .collect();
            // Beside what is in the body already.
            let body = slots.body.get_or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(members) = body {
                members.insert("filterGroups".to_owned(), groups);
                members.insert("sorts".to_owned(), Value::Array(sorts?));
            }
            Ok(None)
        }
        Some(Filter::Parameters(_)) if !order.is_empty() => unknown("orderBy"),
        Some(Filter::Parameters(known)) => {
            if let Some(clause) = clause {
                slots.query.extend(filter::parameters(clause, names, known).map_err(in_where)?);
            }
            Ok(None)
        }
        Some(Filter::Statement(rule)) => tell(rule, route, names, clause, order, only).map(Some),
    }
}

fn tell<'a>(
    rule: &'a Statement,
    route: &Route<'_>,
    names: Names<'_>,
    clause: Option<&Clause>,
    order: &[(Field, bool)],
    only: Option<&[String]>,
) -> Result<Unfilled<'a>, ApiError> {
    let soql = rule.dialect == Dialect::Soql;
    let condition = clause.map(|clause| statement::condition(clause, names, rule.dialect)).transpose();
    let condition = condition.map_err(|it| bad("where", &it))?.unwrap_or_else(|| rule.otherwise.clone());
    let mut order: Vec<(Field, bool)> = order.to_vec();
    if let Some(last) = &rule.then_by
        && !order.iter().any(|(field, _)| names.spelled(&field.name) == *last)
    {
        order.push((Field { name: last.clone(), column: 1 }, false));
    }
    let order = statement::order(&order, names, rule.dialect).map_err(|it| bad("orderBy", &it))?;
    let fields = match only {
        None => rule.fields.clone(),
        Some(only) => {
            let with_id = [steps(&route.collection.id).join(".")];
            let mut named: Vec<String> = Vec::new();
            for name in with_id.iter().chain(only).filter(|name| !matches!(name.as_str(), "id" | "raw")) {
                let field = Field { name: name.clone(), column: 1 };
                let name = statement::identifier(&field, names, rule.dialect).map_err(|it| bad("fields", &it))?;
                if !named.contains(&name) {
                    named.push(name);
                }
            }
            named
        }
    };
    let condition = match condition.as_str() {
        "" => String::new(),
        text if soql => format!(" WHERE {text}"),
        _ => condition,
    };
    let order = if order.is_empty() { order } else { format!(" ORDER BY {order}") };
    let known = [
        ("fields", fields.join(", ")),
        ("vendorName", route.values.get("vendorName").cloned().unwrap_or_default()),
        ("where", condition),
        ("orderBy", order),
    ];
    Ok(Unfilled { rule, known: known.into() })
}

/// Fills in what is known and leaves the rest. A value is never looked into again.
fn fill_statement(template: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let filled = after.split_once('}').and_then(|(name, behind)| Some((value(name)?, behind)));
        match filled {
            Some((value, behind)) => {
                text.push_str(&value);
                rest = behind;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

fn bad(parameter: &str, complaint: &Complaint) -> ApiError {
    ApiError::new(Code::BadWhere, format!("{parameter} cannot be read at {complaint}."))
}
