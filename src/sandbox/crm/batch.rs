//! Up to a hundred records in one call. A reply that is good in part is a 207 with `errors`.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::fault::{Fault, read};
use super::kinds::Kind;
use super::objects::NewRecord;
use super::records::{Wanted, id_of};
use super::values::{add, shown_time};
use super::{Answer, Ask, Crm};

const LIMIT: usize = 100;

#[derive(Deserialize)]
struct Batch<T> {
    inputs: Vec<T>,
}

pub fn inputs<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Fault> {
    let Batch { inputs } = read(body)?;
    match inputs.len() {
        0 => Err(Fault::validation("The batch has no inputs")),
        1..=LIMIT => Ok(inputs),
        more => Err(Fault::validation(&format!("The batch has {more} inputs, the limit is {LIMIT}"))),
    }
}

/// `status` is what a wholly good batch answers.
pub fn reply(status: StatusCode, results: Vec<Value>, errors: Vec<Value>, now: DateTime<Utc>) -> HttpResponse {
    let at = shown_time(now);
    let mut body = json!({"status": "COMPLETE", "results": results, "startedAt": at, "completedAt": at});
    if errors.is_empty() {
        return HttpResponse::build(status).json(body);
    }
    add(&mut body, "numErrors", errors.len());
    add(&mut body, "errors", errors);
    HttpResponse::MultiStatus().json(body)
}

/// `POST …/batch/{read,create,update,upsert,archive}`.
pub fn run(crm: &mut Crm, ask: &Ask, kind: &Kind, verb: &str) -> Answer {
    match verb {
        "read" => read_all(crm, ask, kind),
        "create" => create_all(crm, ask, kind),
        "update" => update_all(crm, ask, kind),
        "upsert" => upsert_all(crm, ask, kind),
        "archive" => {
            for input in inputs::<Value>(ask.body)? {
                crm.archive(kind, &id_of(input.get("id"))?, ask.now);
            }
            Ok(HttpResponse::NoContent().finish())
        }
        _ => Err(Fault::not_found()),
    }
}

/// What is missing is told in one error for all of it.
fn not_all(kind: &Kind, verb: &str, missing: &[String]) -> Vec<Value> {
    let name = kind.singular().to_uppercase();
    let message =
        format!("Could not {verb} some {name} objects, they may be deleted or not exist. Check that ids are valid.");
    let error = json!({
        "status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing},
        "errors": [], "links": {},
    });
    if missing.is_empty() { Vec::new() } else { vec![error] }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Reading {
    properties: Vec<String>,
    properties_with_history: Vec<String>,
    id_property: Option<String>,
}

fn read_all(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let inputs = inputs::<Value>(ask.body)?;
    let reading: Reading = read(ask.body)?;
    let wanted =
        Wanted { properties: reading.properties, with_history: reading.properties_with_history, ..Wanted::default() };
    let (mut results, mut missing) = (Vec::new(), Vec::new());
    for input in &inputs {
        let id = id_of(input.get("id"))?;
        let found = if ask.wants_archived() {
            crm.find_archived(kind, &id)
        } else {
            crm.find(kind, &id, reading.id_property.as_deref())
        };
        match found {
            Ok(record) => results.push(crm.show(kind, record, &wanted)),
            Err(fault) if fault.status == StatusCode::NOT_FOUND => missing.push(id),
            Err(fault) => return Err(fault),
        }
    }
    Ok(reply(StatusCode::OK, results, not_all(kind, "get", &missing), ask.now))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Creation {
    #[serde(flatten)]
    record: NewRecord,
    object_write_trace_id: Option<String>,
}

/// One bad input refuses the batch, unless every input has a trace id by which the caller can tell them apart.
fn create_all(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let inputs = inputs::<Creation>(ask.body)?;
    let traced = inputs.iter().all(|input| input.object_write_trace_id.is_some());
    let (mut created, mut errors) = (BTreeMap::new(), Vec::new());
    for input in &inputs {
        match input.record.create(crm, kind, ask.now) {
            Ok(id) => drop(created.insert(id, input.object_write_trace_id.clone())),
            Err(fault) if traced => {
                let mut error = fault.in_batch(&[]);
                add(&mut error, "context", json!({"objectWriteTraceId": [input.object_write_trace_id]}));
                errors.push(error);
            }
            Err(fault) => {
                created.keys().for_each(|id| crm.records.remove(kind, *id));
                return Err(fault);
            }
        }
    }
    let everything = Wanted { all: true, ..Wanted::default() };
    let shown = created.iter().filter_map(|(id, trace)| {
        let mut shown = crm.show(kind, crm.records.get(kind, *id)?, &everything);
        if let Some(trace) = trace {
            add(&mut shown, "objectWriteTraceId", trace.clone());
        }
        Some(shown)
    });
    Ok(reply(StatusCode::CREATED, shown.collect(), errors, ask.now))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Change {
    id: Value,
    id_property: Option<String>,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// Values that do not fit refuse the batch; records that are not there are told apart.
fn update_all(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let inputs = inputs::<Change>(ask.body)?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for input in &inputs {
        let id = id_of(Some(&input.id))?;
        match crm.find(kind, &id, input.id_property.as_deref()).map(|record| record.id) {
            Ok(id) => {
                crm.check_update(kind, id, &input.properties)?;
                found.push((id, &input.properties));
            }
            Err(fault) if fault.status == StatusCode::NOT_FOUND => missing.push(id),
            Err(fault) => return Err(fault),
        }
    }
    for (id, properties) in &found {
        crm.update(kind, *id, properties, ask.now)?;
    }
    let everything = Wanted { all: true, ..Wanted::default() };
    let shown = found.iter().filter_map(|(id, _)| Some(crm.show(kind, crm.records.get(kind, *id)?, &everything)));
    Ok(reply(StatusCode::OK, shown.collect(), not_all(kind, "update", &missing), ask.now))
}

/// Each result says whether the record is `new`.
fn upsert_all(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let everything = Wanted { all: true, ..Wanted::default() };
    let mut results = Vec::new();
    for input in inputs::<Change>(ask.body)? {
        let text = id_of(Some(&input.id))?;
        let named = input.id_property.as_deref().filter(|name| *name != "hs_object_id");
        let (id, new) = match (crm.find(kind, &text, named).map(|record| record.id), named) {
            (Ok(id), _) => {
                crm.update(kind, id, &input.properties, ask.now)?;
                (id, false)
            }
            (Err(fault), Some(name)) if fault.status == StatusCode::NOT_FOUND => {
                let mut properties = input.properties;
                properties.entry(name.to_owned()).or_insert_with(|| text.into());
                (crm.create(kind, &properties, ask.now)?, true)
            }
            (Err(fault), _) => return Err(fault),
        };
        let record = crm.records.get(kind, id).ok_or_else(Fault::no_object)?;
        let mut shown = crm.show(kind, record, &everything);
        add(&mut shown, "new", new);
        results.push(shown);
    }
    Ok(reply(StatusCode::OK, results, Vec::new(), ask.now))
}
