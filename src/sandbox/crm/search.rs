//! `POST {kind}/search`: groups of filters, any of which must hold as a whole.

use std::cmp::Ordering;

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::fault::{Fault, read};
use super::kinds::Kind;
use super::records::{Record, Wanted};
use super::values::{add, compare, text_of};
use super::{Answer, Ask, Crm};

/// Vendor's documentation of the search API.
const GROUPS: usize = 5;
const FILTERS_IN_GROUP: usize = 6;
const FILTERS: usize = 18;
const PAGE: u64 = 200;
const REACH: u64 = 10_000;
const QUERY: usize = 3000;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Search {
    filter_groups: Vec<Group>,
    /// The same as one group.
    filters: Vec<Filter>,
    query: Option<String>,
    sorts: Vec<Value>,
    properties: Vec<String>,
    limit: Option<u64>,
    after: Option<Value>,
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: Operator,
    value: Option<Value>,
    high_value: Option<Value>,
    values: Option<Vec<Value>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Operator {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
    Between,
    In,
    NotIn,
    HasProperty,
    NotHasProperty,
    ContainsToken,
    NotContainsToken,
}

pub fn run(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let search: Search = read(ask.body)?;
    check(crm, kind, &search)?;
    let limit = search.limit.unwrap_or(10);
    let after: u64 = match &search.after {
        None | Some(Value::Null) => 0,
        Some(after) => {
            let text = text_of(after).filter(|text| !text.is_empty()).unwrap_or_else(|| "0".to_owned());
            text.parse().map_err(|_| Fault::validation(&format!("Invalid paging token: {text}")))?
        }
    };
    if limit == 0 || limit > PAGE {
        return Err(Fault::validation(&format!("Invalid limit: {limit}. It must be between 1 and {PAGE}")));
    }
    if after.saturating_add(limit) > REACH {
        return Err(Fault::validation(&format!("A search reaches no more than {REACH} results")));
    }
    let live = crm.records.of(kind).filter(|record| record.archived_at.is_none());
    let mut found: Vec<&Record> = live.filter(|record| matches(crm, kind, &search, record)).collect();
    if let Some(sort) = search.sorts.first() {
        let (name, descending) = direction(sort);
        let of = crm.definitions.type_of(kind, &name).to_owned();
        // A record without a value comes last, whatever the direction.
        found.sort_by(|one, other| match (one.value(&name), other.value(&name)) {
            (Some(one), Some(other)) => {
                let order = compare(&of, &one, &other).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            }
            (one, other) => one.is_none().cmp(&other.is_none()),
        });
    }
    let wanted = Wanted { properties: search.properties.clone(), ..Wanted::default() };
    let (skip, take) = (usize::try_from(after).unwrap_or(usize::MAX), usize::try_from(limit).unwrap_or(usize::MAX));
    let results: Vec<_> = found.iter().skip(skip).take(take).map(|record| crm.show(kind, record, &wanted)).collect();
    let mut body = json!({"total": found.len(), "results": results});
    if found.len() > skip.saturating_add(take) {
        add(&mut body, "paging", json!({"next": {"after": (after + limit).to_string()}}));
    }
    Ok(HttpResponse::Ok().json(body))
}

fn check(crm: &Crm, kind: &Kind, search: &Search) -> Result<(), Fault> {
    let all = search.filter_groups.iter().map(|group| group.filters.len());
    if search.filter_groups.len() > GROUPS
        || all.clone().any(|count| count > FILTERS_IN_GROUP)
        || all.sum::<usize>() > FILTERS
    {
        let message = format!("At most {GROUPS} groups of {FILTERS_IN_GROUP} filters, and {FILTERS} filters in all");
        return Err(Fault::validation(&message));
    }
    if search.sorts.len() > 1 {
        return Err(Fault::validation("Only one sort can be applied to a search"));
    }
    if search.query.as_ref().is_some_and(|query| query.chars().count() > QUERY) {
        return Err(Fault::validation(&format!("The query is longer than {QUERY} characters")));
    }
    let sorted = search.sorts.iter().map(|sort| direction(sort).0);
    for name in filters(search).map(|filter| filter.property_name.clone()).chain(sorted) {
        if !kind.is_custom() && crm.definitions.find(kind, &name).is_none() {
            return Err(Fault::validation(&format!("There is no property named {name} for {}", kind.name())));
        }
    }
    match filters(search).find(|filter| !filter.is_whole()) {
        Some(filter) => Err(Fault::validation(&format!("The filter on {} lacks its value", filter.property_name))),
        None => Ok(()),
    }
}

fn filters(search: &Search) -> impl Iterator<Item = &Filter> {
    search.filter_groups.iter().flat_map(|group| &group.filters).chain(&search.filters)
}

/// `{"propertyName","direction"}`, or a name alone, descending with a hyphen before it.
fn direction(sort: &Value) -> (String, bool) {
    match sort {
        Value::String(name) => match name.strip_prefix('-') {
            Some(name) => (name.to_owned(), true),
            None => (name.clone(), false),
        },
        sort => {
            let text = |name: &str| sort.get(name).and_then(Value::as_str).unwrap_or_default();
            (text("propertyName").to_owned(), text("direction") == "DESCENDING")
        }
    }
}

fn matches(crm: &Crm, kind: &Kind, search: &Search, record: &Record) -> bool {
    let holds = |filter: &Filter| filter.holds(crm.definitions.type_of(kind, &filter.property_name), record);
    let grouped =
        search.filter_groups.is_empty() || search.filter_groups.iter().any(|group| group.filters.iter().all(holds));
    let queried = search.query.as_ref().is_none_or(|query| {
        let names: Vec<&str> =
            if kind.searched().is_empty() { record.names().collect() } else { kind.searched().to_vec() };
        let texts: Vec<_> =
            names.into_iter().filter_map(|name| record.value(name)).map(|it| it.to_lowercase()).collect();
        query.to_lowercase().split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
    });
    grouped && search.filters.iter().all(holds) && queried
}

impl Filter {
    /// Whether it has the values that its operator needs.
    fn is_whole(&self) -> bool {
        match self.operator {
            Operator::HasProperty | Operator::NotHasProperty => true,
            Operator::In | Operator::NotIn => self.values.as_ref().is_some_and(|values| !values.is_empty()),
            Operator::Between => self.value.is_some() && self.high_value.is_some(),
            _ => self.value.is_some(),
        }
    }

    fn holds(&self, kind: &str, record: &Record) -> bool {
        let own = record.value(&self.property_name);
        let to =
            |value: &Option<Value>| -> Option<Ordering> { compare(kind, own.as_deref()?, &text_of(value.as_ref()?)?) };
        let order = to(&self.value);
        let listed = || {
            let mut texts = self.values.iter().flatten().filter_map(text_of);
            own.as_deref().is_some_and(|own| texts.any(|text| compare(kind, own, &text) == Some(Ordering::Equal)))
        };
        let token = || {
            let text = self.value.as_ref().and_then(text_of).unwrap_or_default();
            own.as_deref().is_some_and(|own| has_token(own, &text))
        };
        match self.operator {
            Operator::Eq => order == Some(Ordering::Equal),
            Operator::Neq => order != Some(Ordering::Equal),
            Operator::Lt => order == Some(Ordering::Less),
            Operator::Lte => order.is_some_and(Ordering::is_le),
            Operator::Gt => order == Some(Ordering::Greater),
            Operator::Gte => order.is_some_and(Ordering::is_ge),
            Operator::Between => {
                order.is_some_and(Ordering::is_ge) && to(&self.high_value).is_some_and(Ordering::is_le)
            }
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::HasProperty => own.is_some(),
            Operator::NotHasProperty => own.is_none(),
            Operator::ContainsToken => token(),
            Operator::NotContainsToken => !token(),
        }
    }
}

/// A token is a run of letters and digits; `*` stands for any text within one, or within the whole value.
fn has_token(own: &str, asked: &str) -> bool {
    let (own, asked) = (own.to_lowercase(), asked.to_lowercase());
    let tokens = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric() && c != '*').filter(|it| !it.is_empty()).map(str::to_owned).collect()
    };
    let (has, wants) = (tokens(&own), tokens(&asked));
    let covers = super::super::switches::covers;
    covers(&asked, &own) || (!wants.is_empty() && wants.iter().all(|want| has.iter().any(|token| covers(want, token))))
}
