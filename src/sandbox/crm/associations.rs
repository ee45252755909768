//! Which record belongs to which: kept in both directions, with the types that the caller gave.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::batch::{inputs, reply};
use super::fault::{Fault, read};
use super::kinds::Kind;
use super::records::id_of;
use super::{Answer, Ask, Crm};

/// Type ids of the unlabelled associations that HubSpot defines, there and back.
const TYPES: &[(&str, &str, u64, u64)] = &[
    ("deals", "contacts", 3, 4),
    ("deals", "companies", 341, 342),
    ("contacts", "companies", 279, 280),
    ("contacts", "tickets", 15, 16),
    ("deals", "line_items", 19, 20),
    ("leads", "contacts", 578, 579),
    ("leads", "companies", 610, 611),
];

/// The id of an unlabelled association; 1 for pairs that are not in the table.
fn default_type(from: &Kind, to: &Kind) -> u64 {
    let there = TYPES.iter().find(|(one, other, ..)| (*one, *other) == (from.name(), to.name()));
    let back = TYPES.iter().find(|(one, other, ..)| (*other, *one) == (from.name(), to.name()));
    there.map(|(_, _, id, _)| *id).or(back.map(|(_, _, _, id)| *id)).unwrap_or(1)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Label {
    association_category: String,
    association_type_id: u64,
}

#[derive(Debug, Default)]
pub struct Associations(BTreeMap<(Kind, u64, Kind), BTreeMap<u64, Vec<Label>>>);

impl Associations {
    pub fn put(&mut self, (from, id): (&Kind, u64), (to, to_id): (&Kind, u64), labels: &[Label]) {
        let plain = |from, to| Label {
            association_category: "HUBSPOT_DEFINED".to_owned(),
            association_type_id: default_type(from, to),
        };
        let given = if labels.is_empty() { vec![plain(from, to)] } else { labels.to_vec() };
        self.0.entry((from.clone(), id, to.clone())).or_default().insert(to_id, given);
        self.0.entry((to.clone(), to_id, from.clone())).or_default().insert(id, vec![plain(to, from)]);
    }

    fn remove(&mut self, (from, id): (&Kind, u64), (to, to_id): (&Kind, u64)) {
        self.0.entry((from.clone(), id, to.clone())).or_default().remove(&to_id);
        self.0.entry((to.clone(), to_id, from.clone())).or_default().remove(&id);
    }

    /// As version 3 shows them beside a record, by kind; a kind without any is left out.
    pub fn shown(&self, from: &Kind, id: u64, kinds: &[Kind]) -> impl Iterator<Item = (String, Value)> {
        kinds.iter().filter_map(move |to| {
            let found = self.0.get(&(from.clone(), id, to.clone())).filter(|found| !found.is_empty())?;
            let label = format!("{}_to_{}", from.singular(), to.singular());
            let results: Vec<_> = found.keys().map(|id| json!({"id": id.to_string(), "type": label})).collect();
            Some((to.name().replace('_', " "), json!({"results": results})))
        })
    }

    /// As version 4 shows them.
    fn listed(&self, from: &Kind, id: u64, to: &Kind) -> Vec<Value> {
        let found = self.0.get(&(from.clone(), id, to.clone())).into_iter().flatten();
        let types = |labels: &[Label]| -> Value {
            let shown = |label: &Label| json!({"category": label.association_category, "typeId": label.association_type_id, "label": null});
            labels.iter().map(shown).collect()
        };
        found.map(|(id, labels)| json!({"toObjectId": id.to_string(), "associationTypes": types(labels)})).collect()
    }
}

/// Below `{from}/{id}/associations`: `GET {to}`, `PUT`, `DELETE {to}/{toId}`, `PUT default/{to}/{toId}`.
pub fn of_record(crm: &mut Crm, ask: &Ask, (from, id): (&Kind, &str), rest: &[&str]) -> Answer {
    match (ask.method, rest) {
        ("GET", [to]) => {
            let (to, id) = (Kind::read(to)?, crm.find(from, id, None)?.id);
            Ok(HttpResponse::Ok().json(json!({"results": crm.associations.listed(from, id, &to)})))
        }
        ("PUT", ["default", to, to_id]) => {
            let to = Kind::read(to)?;
            let (one, other) = (crm.find(from, id, None)?.id, crm.find(&to, to_id, None)?.id);
            crm.associations.put((from, one), (&to, other), &[]);
            let results = [spec((from, one), (&to, other)), spec((&to, other), (from, one))];
            Ok(HttpResponse::Ok().json(json!({"status": "COMPLETE", "results": results})))
        }
        ("PUT", [to, to_id]) => {
            let labels: Vec<Label> = read(ask.body)?;
            if labels.is_empty() {
                return Err(Fault::validation("An association needs at least one type"));
            }
            let to = Kind::read(to)?;
            let (one, other) = (crm.find(from, id, None)?.id, crm.find(&to, to_id, None)?.id);
            crm.associations.put((from, one), (&to, other), &labels);
            Ok(HttpResponse::Created().json(json!({
                "fromObjectTypeId": from.name(), "fromObjectId": one, "toObjectTypeId": to.name(), "toObjectId": other,
                "labels": [],
            })))
        }
        // Whether or not there was one.
        ("DELETE", [to, to_id]) => {
            let to = Kind::read(to)?;
            if let (Ok(id), Ok(to_id)) = (id.parse(), to_id.parse()) {
                crm.associations.remove((from, id), (&to, to_id));
            }
            Ok(HttpResponse::NoContent().finish())
        }
        _ => Err(Fault::not_found()),
    }
}

fn spec((from, id): (&Kind, u64), (to, to_id): (&Kind, u64)) -> Value {
    let spec = json!({"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": default_type(from, to)});
    json!({"from": {"id": id.to_string()}, "to": {"id": to_id.to_string()}, "associationSpec": spec})
}

/// `POST associations/{from}/{to}/batch/{read,create}`: `{"inputs": […]}`.
pub fn batch(crm: &mut Crm, ask: &Ask, from: &Kind, to: &Kind, verb: &str) -> Answer {
    let mut results = Vec::new();
    for input in &inputs::<Value>(ask.body)? {
        let end = |name: &str| id_of(input.pointer(name));
        match verb {
            "read" => {
                let id = crm.find(from, &end("/id")?, None)?.id;
                let found = crm.associations.listed(from, id, to);
                results.push(json!({"from": {"id": id.to_string()}, "to": found}));
            }
            "create" => {
                let id = crm.find(from, &end("/from/id")?, None)?.id;
                let to_id = crm.find(to, &end("/to/id")?, None)?.id;
                let types = input.get("types").cloned().unwrap_or_default();
                let labels: Vec<Label> = serde_json::from_value(types).unwrap_or_default();
                crm.associations.put((from, id), (to, to_id), &labels);
                results.push(json!({"fromObjectId": id, "toObjectId": to_id, "labels": []}));
            }
            _ => return Err(Fault::not_found()),
        }
    }
    let status = if verb == "create" { StatusCode::CREATED } else { StatusCode::OK };
    Ok(reply(status, results, Vec::new(), ask.now))
}
