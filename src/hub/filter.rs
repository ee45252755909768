//! A condition in the vendor's shape: HubSpot's filter groups, or query parameters.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Value, json};

use super::clause::{Clause, Comparison, Complaint, Condition, Field, Literal, Test};
use crate::catalog::resource::{Collection, Dates, Resource};

/// What callers write in place of a resource's own field of the last change.
pub const MODIFIED: &str = "lastmodifieddate";

/// The names and values of one resource's fields, as the vendor wants them.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    pub resource: &'a Resource,
    pub collection: &'a Collection,
}

impl Names<'_> {
    /// The vendor's name of a field that a condition or an order is about.
    pub fn vendor(&self, field: &Field) -> Result<String, Complaint> {
        let name = self.spelled(&field.name);
        if self.resource.closed && !self.filterable(&name) {
            let known: Vec<_> = self.resource.fields.iter().filter(|field| field.filterable).collect();
            let known: Vec<_> = known.iter().map(|field| field.name.as_str()).collect();
            return Err(Complaint::at(field.column, impossible(&field.name, &known)));
        }
        Ok(name)
    }

    /// A name as the vendor spells it.
    pub fn spelled(&self, name: &str) -> String {
        let inside = self.collection.fields_in.as_deref();
        let name = inside.and_then(|inside| name.strip_prefix(inside)?.strip_prefix('.')).unwrap_or(name);
        let name = if self.collection.lower_case { name.to_lowercase() } else { name.to_owned() };
        match &self.resource.modified {
            Some(modified) if name.eq_ignore_ascii_case(MODIFIED) => modified.clone(),
            _ => self.collection.field_names.get(&name).cloned().unwrap_or(name),
        }
    }

    fn filterable(&self, name: &str) -> bool {
        self.resource.fields.iter().any(|field| field.filterable && field.name == name)
    }

    /// `lastmodifieddate = 'x'` means since then.
    pub fn is_since(&self, condition: &Condition) -> bool {
        self.resource.modified.is_some()
            && condition.field.name.eq_ignore_ascii_case(MODIFIED)
            && matches!(condition.test, Test::Compare(Comparison::Equal, _))
    }

    /// A value as the vendor wants it.
    pub fn text(&self, literal: &Literal) -> String {
        match (self.collection.dates, DateTime::parse_from_rfc3339(&literal.text)) {
            (Dates::Milliseconds, Ok(time)) => time.timestamp_millis().to_string(),
            _ => literal.text.clone(),
        }
    }
}

/// What HubSpot's search takes at most.
#[derive(Clone, Copy)]
pub struct Limits {
    pub groups: usize,
    pub filters: usize,
    pub in_all: usize,
}

/// `filterGroups`: one of the groups has to fit, with all of its filters.
pub fn filter_groups(clause: &Clause, names: Names<'_>, limits: Limits) -> Result<Value, Complaint> {
    let too_complex = || {
        let Limits { groups, filters, in_all } = limits;
        let reason = format!(
            "the vendor takes {groups} alternatives of {filters} conditions each, {in_all} conditions in all: simplify it"
        );
        Complaint::at(1, reason)
    };
    let alternatives = alternatives(clause, limits.groups).ok_or_else(too_complex)?;
    let fits = alternatives.iter().all(|group| group.len() <= limits.filters)
        && alternatives.iter().map(Vec::len).sum::<usize>() <= limits.in_all;
    if !fits {
        return Err(too_complex());
    }
    let groups: Result<Vec<Value>, Complaint> = alternatives
        .iter()
        .map(|group| {
            let filters: Result<Vec<Value>, Complaint> = group.iter().map(|it| filter(it, names)).collect();
            Ok(json!({ "filters": filters? }))
        })
        .collect();
    groups.map(Value::Array)
}

/// Alternatives of conditions that hold together. None: there are more than `most`.
fn alternatives(clause: &Clause, most: usize) -> Option<Vec<Vec<&Condition>>> {
    let found = match clause {
        Clause::Is(condition) => vec![vec![condition]],
        Clause::Any(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(alternatives(part, most)?);
                (all.len() <= most).then_some(())?;
            }
            all
        }
        Clause::All(parts) => {
            let mut product: Vec<Vec<&Condition>> = vec![Vec::new()];
            for part in parts {
                let these = alternatives(part, most)?;
                (product.len().checked_mul(these.len())? <= most).then_some(())?;
                product = product
                    .iter()
                    .flat_map(|left| these.iter().map(move |right| [left.as_slice(), right.as_slice()].concat()))
                    .collect();
            }
            product
        }
    };
    (found.len() <= most).then_some(found)
}

fn filter(condition: &Condition, names: Names<'_>) -> Result<Value, Complaint> {
    let name = names.vendor(&condition.field)?;
    let with = |operator: &str, value: String| json!({ "propertyName": name, "operator": operator, "value": value });
    Ok(match &condition.test {
        Test::Compare(_, literal) if names.is_since(condition) => with("GTE", names.text(literal)),
        Test::Compare(comparison, literal) => {
            let operator = match comparison {
                Comparison::Equal => "EQ",
                Comparison::NotEqual => "NEQ",
                Comparison::Less => "LT",
                Comparison::Greater => "GT",
                Comparison::AtMost => "LTE",
                Comparison::AtLeast => "GTE",
            };
            with(operator, names.text(literal))
        }
        Test::Like(literal) => with("CONTAINS_TOKEN", literal.text.replace('%', "*")),
        Test::In(literals) => {
            let values: Vec<String> = literals.iter().map(|literal| names.text(literal)).collect();
            json!({ "propertyName": name, "operator": "IN", "values": values })
        }
        Test::Null => json!({ "propertyName": name, "operator": "NOT_HAS_PROPERTY" }),
        Test::NotNull => json!({ "propertyName": name, "operator": "HAS_PROPERTY" }),
    })
}

/// Query parameters, for vendors that compare for equality and nothing else.
pub fn parameters(
    clause: &Clause,
    names: Names<'_>,
    known: &BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, Complaint> {
    let mut pairs = Vec::new();
    let conditions = match clause {
        Clause::Is(condition) => vec![condition],
        Clause::All(_) if clause.conditions().len() == parts(clause) => clause.conditions(),
        _ => return Err(Complaint::at(1, "the vendor knows no OR here: ask once for each alternative")),
    };
    for condition in conditions {
        let name = names.vendor(&condition.field)?;
        let column = condition.field.column;
        let Some(parameter) = known.get(&name) else {
            let possible: Vec<_> = known.keys().map(String::as_str).collect();
            return Err(Complaint::at(column, impossible(&name, &possible)));
        };
        let Test::Compare(Comparison::Equal, literal) = &condition.test else {
            return Err(Complaint::at(column, format!("the vendor compares `{name}` for equality only")));
        };
        if pairs.iter().any(|(known, _)| known == parameter) {
            return Err(Complaint::at(column, format!("`{name}` has a condition already")));
        }
        pairs.push((parameter.clone(), names.text(literal)));
    }
    Ok(pairs)
}

fn impossible(name: &str, possible: &[&str]) -> String {
    let name: String = name.chars().take(40).collect();
    format!("no condition on the field `{name}` is possible; possible: {}", possible.join(", "))
}

fn parts(clause: &Clause) -> usize {
    match clause {
        Clause::All(parts) => parts.len(),
        _ => 1,
    }
}
