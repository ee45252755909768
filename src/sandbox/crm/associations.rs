//! Which record belongs to which: kept in both directions, with the types that the caller gave.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Sandbox;
use super::fault::{Fault, read};
use super::kinds::Kind;
use super::records::id_of;

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

/// `GET /crm/v4/objects/{from}/{id}/associations/{to}`.
pub async fn list(sandbox: web::Data<Sandbox>, path: web::Path<(String, String, String)>) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let (from, to) = (Kind::read(&path.0)?, Kind::read(&path.2)?);
        let id = crm.find(&from, &path.1, None)?.id;
        Ok(HttpResponse::Ok().json(json!({"results": crm.associations.listed(&from, id, &to)})))
    })
}

type Ends = (String, String, String, String);

/// `PUT /crm/v4/objects/{from}/{id}/associations/{to}/{toId}`: the body lists the types.
pub async fn put(sandbox: web::Data<Sandbox>, path: web::Path<Ends>, body: web::Bytes) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let labels: Vec<Label> = read(&body)?;
        if labels.is_empty() {
            return Err(Fault::validation("An association needs at least one type"));
        }
        let (from, to) = (Kind::read(&path.0)?, Kind::read(&path.2)?);
        let (id, to_id) = (crm.find(&from, &path.1, None)?.id, crm.find(&to, &path.3, None)?.id);
        crm.associations.put((&from, id), (&to, to_id), &labels);
        Ok(HttpResponse::Created().json(json!({
            "fromObjectTypeId": from.name(), "fromObjectId": id, "toObjectTypeId": to.name(), "toObjectId": to_id,
            "labels": [],
        })))
    })
}

/// `PUT /crm/v4/objects/{from}/{id}/associations/default/{to}/{toId}`: the unlabelled type.
pub async fn put_default(sandbox: web::Data<Sandbox>, path: web::Path<Ends>) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let (from, to) = (Kind::read(&path.0)?, Kind::read(&path.2)?);
        let (id, to_id) = (crm.find(&from, &path.1, None)?.id, crm.find(&to, &path.3, None)?.id);
        crm.associations.put((&from, id), (&to, to_id), &[]);
        let of = |(one, id): (&Kind, u64), (other, to): (&Kind, u64)| {
            let spec = json!({"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": default_type(one, other)});
            json!({"from": {"id": id.to_string()}, "to": {"id": to.to_string()}, "associationSpec": spec})
        };
        let results = [of((&from, id), (&to, to_id)), of((&to, to_id), (&from, id))];
        Ok(HttpResponse::Ok().json(json!({"status": "COMPLETE", "results": results})))
    })
}

/// `DELETE /crm/v4/objects/{from}/{id}/associations/{to}/{toId}`: 204, whether or not there was one.
pub async fn remove(sandbox: web::Data<Sandbox>, path: web::Path<Ends>) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let (from, to) = (Kind::read(&path.0)?, Kind::read(&path.2)?);
        if let (Ok(id), Ok(to_id)) = (path.1.parse(), path.3.parse()) {
            crm.associations.remove((&from, id), (&to, to_id));
        }
        Ok(HttpResponse::NoContent().finish())
    })
}

/// `POST /crm/v4/associations/{from}/{to}/batch/{read,create}`: `{"inputs": […]}`.
pub async fn batch(
    sandbox: web::Data<Sandbox>,
    path: web::Path<(String, String, String)>,
    body: web::Bytes,
) -> HttpResponse {
    sandbox.crm(|crm, now| {
        let (from, to) = (Kind::read(&path.0)?, Kind::read(&path.1)?);
        let inputs = super::batch::inputs::<Value>(&body)?;
        let mut results = Vec::new();
        for input in &inputs {
            let end = |name: &str| id_of(input.pointer(name));
            match path.2.as_str() {
                "read" => {
                    let id = crm.find(&from, &end("/id")?, None)?.id;
                    let found = crm.associations.listed(&from, id, &to);
                    results.push(json!({"from": {"id": id.to_string()}, "to": found}));
                }
                "create" => {
                    let id = crm.find(&from, &end("/from/id")?, None)?.id;
                    let to_id = crm.find(&to, &end("/to/id")?, None)?.id;
                    let types = input.get("types").cloned().unwrap_or_default();
                    let labels: Vec<Label> = serde_json::from_value(types).unwrap_or_default();
                    crm.associations.put((&from, id), (&to, to_id), &labels);
                    results.push(json!({"fromObjectId": id, "toObjectId": to_id, "labels": []}));
                }
                _ => return Err(Fault::not_found()),
            }
        }
        let status = if path.2 == "create" { StatusCode::CREATED } else { StatusCode::OK };
        Ok(super::batch::reply(status, results, Vec::new(), now))
    })
}
