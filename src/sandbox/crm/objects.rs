//! The calls on one record, and the list of them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::fields::Fields;
use super::associations::Label;
use super::fault::{Fault, read};
use super::kinds::Kind;
use super::records::{Record, Wanted, id_of};
use super::{Answer, Ask, Crm, paging};

/// Histories are long: with them a page is half as long.
const PAGE: usize = 100;
const PAGE_WITH_HISTORY: usize = 50;

fn wanted(query: &Fields) -> Result<Wanted, Fault> {
    let texts = |name: &str| query.list(name).into_iter().map(str::to_owned).collect();
    let associations = query.list("associations").into_iter().map(Kind::read).collect::<Result<_, _>>()?;
    Ok(Wanted {
        properties: texts("properties"),
        with_history: texts("propertiesWithHistory"),
        associations,
        all: false,
    })
}

/// `GET {kind}`: in the order of ids; `after` is the id that the next page begins with.
pub fn list(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let wanted = wanted(&ask.query)?;
    let most = if wanted.with_history.is_empty() { PAGE } else { PAGE_WITH_HISTORY };
    let limit = paging::limit(&ask.query, "limit", 10, most)?;
    let first = paging::after(&ask.query)?;
    let archived = ask.wants_archived();
    let mut found = crm.records.from(kind, first).filter(|record| record.archived_at.is_some() == archived);
    let results: Vec<_> = found.by_ref().take(limit).map(|record| crm.show(kind, record, &wanted)).collect();
    let next = found.next().map(|record| record.id.to_string());
    Ok(HttpResponse::Ok().json(paging::page(ask, results, next)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NewRecord {
    properties: Map<String, Value>,
    associations: Option<Vec<NewAssociation>>,
}

#[derive(Debug, Deserialize)]
struct NewAssociation {
    to: Value,
    types: Vec<Label>,
}

impl NewRecord {
    pub fn create(&self, crm: &mut Crm, kind: &Kind, now: DateTime<Utc>) -> Result<u64, Fault> {
        let mut ends = Vec::new();
        for association in self.associations.iter().flatten() {
            let id = id_of(association.to.get("id"))?;
            // Ids are shared by all kinds, so an id alone names the other end.
            let end = id.parse().ok().and_then(|id| crm.records.kind_of(id).map(|kind| (kind, id)));
            ends.push((end.ok_or_else(Fault::no_object)?, &association.types));
        }
        let id = crm.create(kind, &self.properties, now)?;
        for ((to, to_id), labels) in ends {
            crm.associations.put((kind, id), (&to, to_id), labels);
        }
        Ok(id)
    }
}

/// `POST {kind}`.
pub fn create(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let id = read::<NewRecord>(ask.body)?.create(crm, kind, ask.now)?;
    shown(crm, kind, id, StatusCode::CREATED)
}

fn shown(crm: &Crm, kind: &Kind, id: u64, status: StatusCode) -> Answer {
    let record = crm.records.get(kind, id).ok_or_else(Fault::no_object)?;
    Ok(HttpResponse::build(status).json(crm.show(kind, record, &Wanted { all: true, ..Wanted::default() })))
}

impl Crm {
    pub fn find_archived(&self, kind: &Kind, id: &str) -> Result<&Record, Fault> {
        let record = id.parse().ok().and_then(|id| self.records.get(kind, id));
        record.filter(|record| record.archived_at.is_some()).ok_or_else(Fault::no_object)
    }
}

/// `GET {kind}/{id}`.
pub fn show(crm: &mut Crm, ask: &Ask, kind: &Kind, id: &str) -> Answer {
    let record = if ask.wants_archived() {
        crm.find_archived(kind, id)?
    } else {
        crm.find(kind, id, ask.query.get("idProperty"))?
    };
    Ok(HttpResponse::Ok().json(crm.show(kind, record, &wanted(&ask.query)?)))
}

/// `PATCH {kind}/{id}`.
pub fn update(crm: &mut Crm, ask: &Ask, kind: &Kind, id: &str) -> Answer {
    let change: NewRecord = read(ask.body)?;
    let id = crm.find(kind, id, ask.query.get("idProperty"))?.id;
    crm.update(kind, id, &change.properties, ask.now)?;
    shown(crm, kind, id, StatusCode::OK)
}

/// `DELETE {kind}/{id}`: 204, also for a record that is not there.
pub fn archive(crm: &mut Crm, ask: &Ask, kind: &Kind, id: &str) -> Answer {
    crm.archive(kind, id, ask.now);
    Ok(HttpResponse::NoContent().finish())
}

/// `POST {kind}/merge`: `{"primaryObjectId","objectIdToMerge"}`. Line items have none.
pub fn merge(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    if kind.name() == "line_items" {
        return Err(Fault::not_found());
    }
    let order: Value = read(ask.body)?;
    let end = |name: &str| id_of(order.get(name))?.parse().map_err(|_| Fault::no_object());
    let primary = end("primaryObjectId")?;
    crm.merge(kind, primary, end("objectIdToMerge")?, ask.now)?;
    shown(crm, kind, primary, StatusCode::OK)
}

/// `POST contacts/gdpr-delete`: `{"objectId","idProperty"?}`, for good.
pub fn forget(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let order: Value = read(ask.body)?;
    let id = crm.find(kind, &id_of(order.get("objectId"))?, order.get("idProperty").and_then(Value::as_str))?.id;
    crm.records.remove(kind, id);
    Ok(HttpResponse::NoContent().finish())
}
