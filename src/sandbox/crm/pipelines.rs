//! The calls on pipelines and their stages.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::definitions::{lacks, merge};
use super::fault::{Fault, read};
use super::kinds::Kind;
use super::values::{add, shown_time};
use super::{Answer, Ask, Crm};

/// Pipelines as the API shows them; ids are texts.
#[derive(Debug)]
pub struct Pipelines {
    by_kind: BTreeMap<Kind, Vec<Value>>,
    count: u64,
}

/// Kind, id, label, and the stages: id, label, and the number or flag of its metadata.
type Standard = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const STANDARD: &[Standard] = &[
    (
        "deals",
        "default",
        "Sales Pipeline",
        &[
            ("appointmentscheduled", "Appointment Scheduled", "0.2"),
            ("qualifiedtobuy", "Qualified To Buy", "0.4"),
            ("presentationscheduled", "Presentation Scheduled", "0.6"),
            ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
            ("contractsent", "Contract Sent", "0.9"),
            ("closedwon", "Closed Won", "1.0"),
            ("closedlost", "Closed Lost", "0.0"),
        ],
    ),
    (
        "tickets",
        "0",
        "Support Pipeline",
        &[
            ("1", "New", "OPEN"),
            ("2", "Waiting on contact", "OPEN"),
            ("3", "Waiting on us", "OPEN"),
            ("4", "Closed", "CLOSED"),
        ],
    ),
    (
        "leads",
        "lead-pipeline-id",
        "Lead pipeline",
        &[("new-stage-id", "New", "NEW"), ("qualified-stage-id", "Qualified", "QUALIFIED")],
    ),
];

impl Default for Pipelines {
    fn default() -> Self {
        let mut pipelines = Self { by_kind: BTreeMap::new(), count: 0 };
        for (name, id, label, stages) in STANDARD {
            let Ok(kind) = Kind::read(name) else { continue };
            let meta = if *name == "deals" { "probability" } else { "ticketState" };
            let stages: Vec<_> = stages
                .iter()
                .enumerate()
                .map(|(order, (id, label, value))| {
                    json!({"id": id, "label": label, "displayOrder": order, "metadata": {meta: value}})
                })
                .collect();
            let body = json!({"label": label, "displayOrder": 0, "stages": stages});
            let shown = pipelines.shown((*id).to_owned(), &body, DateTime::<Utc>::UNIX_EPOCH);
            pipelines.by_kind.entry(kind).or_default().push(shown);
        }
        pipelines
    }
}

impl Pipelines {
    fn next_id(&mut self) -> String {
        self.count += 1;
        (9_000_000 + self.count).to_string()
    }

    fn shown(&mut self, id: String, body: &Value, now: DateTime<Utc>) -> Value {
        let mut shown = json!({"id": id, "label": "", "displayOrder": 0, "stages": [], "archived": false,
            "createdAt": shown_time(now), "updatedAt": shown_time(now)});
        let stages = body.get("stages").and_then(Value::as_array).into_iter().flatten();
        let stages: Vec<_> = stages.map(|stage| self.stage(stage, now)).collect();
        for name in ["label", "displayOrder"] {
            add(&mut shown, name, body.get(name).cloned().unwrap_or_default());
        }
        add(&mut shown, "stages", stages);
        shown
    }

    fn stage(&mut self, body: &Value, now: DateTime<Utc>) -> Value {
        let known = body.get("id").or_else(|| body.get("stageId")).and_then(Value::as_str).map(str::to_owned);
        let id = known.unwrap_or_else(|| self.next_id());
        let mut shown = json!({"id": id, "label": "", "displayOrder": 0, "metadata": {}, "archived": false,
            "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT", "createdAt": shown_time(now), "updatedAt": shown_time(now)});
        let mut body = body.as_object().cloned().unwrap_or_default();
        body.remove("id");
        merge(&mut shown, &body);
        shown
    }

    fn find(&mut self, kind: &Kind, id: &str) -> Result<&mut Value, Fault> {
        let mut all = self.by_kind.get_mut(kind).into_iter().flatten();
        all.find(|it| it.get("id").and_then(Value::as_str) == Some(id)).ok_or_else(|| Fault::missing("Pipeline", id))
    }
}

/// A pipeline that is sent whole.
fn whole(body: &[u8]) -> Result<Value, Fault> {
    let body: Map<String, Value> = read(body)?;
    if let Some(name) = lacks(&body, &["label", "displayOrder"]) {
        return Err(Fault::validation(&format!("Some required fields were not set: [{name}]")));
    }
    if !body.get("stages").is_some_and(Value::is_array) {
        return Err(Fault::validation("Some required fields were not set: [stages]"));
    }
    Ok(Value::Object(body))
}

/// `GET`, `POST pipelines/{kind}`.
pub fn all(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    match ask.method {
        "GET" => {
            let all = crm.pipelines.by_kind.entry(kind.clone()).or_default();
            Ok(HttpResponse::Ok().json(json!({"results": all})))
        }
        "POST" => {
            let id = crm.pipelines.next_id();
            let shown = crm.pipelines.shown(id, &whole(ask.body)?, ask.now);
            let reply = HttpResponse::Created().json(&shown);
            crm.pipelines.by_kind.entry(kind.clone()).or_default().push(shown);
            Ok(reply)
        }
        _ => Err(Fault::not_found()),
    }
}

/// `GET`, `PUT` (the whole of it), `PATCH` (label, order), `DELETE pipelines/{kind}/{id}`.
pub fn one(crm: &mut Crm, ask: &Ask, kind: &Kind, id: &str) -> Answer {
    let created = crm.pipelines.find(kind, id)?.get("createdAt").cloned().unwrap_or_default();
    match ask.method {
        "GET" => {}
        "PUT" => {
            let mut shown = crm.pipelines.shown(id.to_owned(), &whole(ask.body)?, ask.now);
            add(&mut shown, "createdAt", created);
            *crm.pipelines.find(kind, id)? = shown;
        }
        "PATCH" => {
            let mut changes: Map<String, Value> = read(ask.body)?;
            changes.retain(|name, _| matches!(name.as_str(), "label" | "displayOrder" | "archived"));
            let shown = crm.pipelines.find(kind, id)?;
            merge(shown, &changes);
            add(shown, "updatedAt", shown_time(ask.now));
        }
        "DELETE" => {
            let all = crm.pipelines.by_kind.entry(kind.clone()).or_default();
            all.retain(|pipeline| pipeline.get("id").and_then(Value::as_str) != Some(id));
            return Ok(HttpResponse::NoContent().finish());
        }
        _ => return Err(Fault::not_found()),
    }
    Ok(HttpResponse::Ok().json(crm.pipelines.find(kind, id)?))
}

/// `GET`, `POST pipelines/{kind}/{id}/stages`.
pub fn stages(crm: &mut Crm, ask: &Ask, kind: &Kind, id: &str) -> Answer {
    match ask.method {
        "GET" => {
            let stages = crm.pipelines.find(kind, id)?.get("stages").cloned();
            Ok(HttpResponse::Ok().json(json!({"results": stages})))
        }
        "POST" => {
            let stage = crm.pipelines.stage(&read(ask.body)?, ask.now);
            let pipeline = crm.pipelines.find(kind, id)?;
            if let Some(stages) = pipeline.get_mut("stages").and_then(Value::as_array_mut) {
                stages.push(stage.clone());
            }
            Ok(HttpResponse::Created().json(stage))
        }
        _ => Err(Fault::not_found()),
    }
}
