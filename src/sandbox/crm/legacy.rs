//! `/contacts/v1`: what old clients still call, on the same contacts. Shapes from the vendor's legacy documentation.

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::portal::Portal;
use super::fault::{Fault, read};
use super::kinds::Kind;
use super::paging;
use super::records::Record;
use super::values::text_of;
use super::{Answer, Ask, Crm};

/// Vendor's documentation of the list and of the search.
const PAGE: usize = 100;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    vid: Option<Value>,
    email: Option<String>,
    properties: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    property: String,
    value: Value,
}

impl Change {
    fn properties(&self) -> Map<String, Value> {
        self.properties.iter().map(|pair| (pair.property.clone(), pair.value.clone())).collect()
    }
}

/// Of a path below `/contacts/v1`.
pub fn dispatch(crm: &mut Crm, ask: &Ask, rest: &[&str]) -> Answer {
    let kind = &Kind::read("contacts")?;
    match (ask.method, rest) {
        ("POST", ["contact"]) => {
            let id = crm.create(kind, &read::<Change>(ask.body)?.properties(), ask.now)?;
            Ok(HttpResponse::Ok().json(shown(crm.find(kind, &id.to_string(), None)?)))
        }
        ("POST", ["contact", "batch"]) => change_all(crm, ask, kind),
        ("GET", ["contact", "vid", id, "profile"]) => Ok(HttpResponse::Ok().json(shown(find(crm, kind, id)?))),
        ("POST", ["contact", "vid", id, "profile"]) => {
            let id = find(crm, kind, id)?.id;
            crm.update(kind, id, &read::<Change>(ask.body)?.properties(), ask.now)?;
            Ok(HttpResponse::NoContent().finish())
        }
        ("DELETE", ["contact", "vid", id]) => {
            let vid = find(crm, kind, id)?.id;
            crm.archive(kind, id, ask.now);
            Ok(HttpResponse::Ok().json(json!({"vid": vid, "deleted": true, "reason": "OK"})))
        }
        ("GET", ["lists", "all", "contacts", "all"]) => list(crm, ask, kind),
        ("GET", ["search", "query"]) => search(crm, ask, kind),
        _ => Err(Fault::not_found()),
    }
}

fn find<'a>(crm: &'a Crm, kind: &Kind, id: &str) -> Result<&'a Record, Fault> {
    crm.find(kind, id, None).map_err(|fault| Fault { message: "contact does not exist".to_owned(), ..fault })
}

fn shown(record: &Record) -> Value {
    let names = record.names().chain(["createdate", "lastmodifieddate"]);
    let values =
        names.filter_map(|name| Some((name.to_owned(), json!({"value": record.value(name)?, "versions": []}))));
    let email = record.value("email").map(|email| json!({"type": "EMAIL", "value": email}));
    let identities: Vec<_> = email.into_iter().collect();
    json!({
        "vid": record.id, "canonical-vid": record.id, "merged-vids": [], "portal-id": Portal::Main.id(), "is-contact": true,
        "properties": values.collect::<Map<_, _>>(),
        "identity-profiles": [{"vid": record.id, "identities": identities}],
    })
}

fn live<'a>(crm: &'a Crm, kind: &Kind, first: u64) -> impl Iterator<Item = &'a Record> {
    crm.records.from(kind, first).filter(|record| record.archived_at.is_none())
}

fn number(ask: &Ask, name: &str) -> Result<u64, Fault> {
    let text = ask.query.get(name).unwrap_or("0");
    text.parse().map_err(|_| Fault::validation(&format!("Invalid {name}: {text}")))
}

/// `count` and `vidOffset`, the id that the page begins with.
fn list(crm: &Crm, ask: &Ask, kind: &Kind) -> Answer {
    let limit = paging::limit(&ask.query, "count", 20, PAGE)?;
    let mut found = live(crm, kind, number(ask, "vidOffset")?);
    let contacts: Vec<_> = found.by_ref().take(limit).map(shown).collect();
    let next = found.next().map(|record| record.id);
    let offset = next.unwrap_or_default();
    Ok(HttpResponse::Ok().json(json!({"contacts": contacts, "has-more": next.is_some(), "vid-offset": offset})))
}

/// `q`, `count`, and `offset` in the number of contacts.
fn search(crm: &Crm, ask: &Ask, kind: &Kind) -> Answer {
    let query = ask.query.get("q").unwrap_or_default();
    let limit = paging::limit(&ask.query, "count", 20, PAGE)?;
    let offset = usize::try_from(number(ask, "offset")?).unwrap_or(usize::MAX);
    let wanted = query.to_lowercase();
    let has = |record: &&Record| {
        let mut texts = kind.searched().iter().filter_map(|name| record.value(name));
        texts.any(|text| text.to_lowercase().contains(&wanted))
    };
    let found: Vec<_> = live(crm, kind, 0).filter(has).map(shown).collect();
    let (total, contacts) = (found.len(), found.iter().skip(offset).take(limit).collect::<Vec<_>>());
    let next = offset.saturating_add(contacts.len());
    Ok(HttpResponse::Ok().json(json!({
        "query": query, "total": total, "offset": next, "has-more": next < total, "contacts": contacts,
    })))
}

/// Contacts by `vid` or `email`, made where there is none: 202 without a body.
fn change_all(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    for change in read::<Vec<Change>>(ask.body)? {
        let mut properties = change.properties();
        let known = match (&change.vid, &change.email) {
            (Some(vid), _) => Some(find(crm, kind, &text_of(vid).unwrap_or_default())?.id),
            (None, Some(email)) => crm.find(kind, email, Some("email")).ok().map(|record| record.id),
            (None, None) => return Err(Fault::validation("A contact needs a vid or an email")),
        };
        match known {
            Some(id) => crm.update(kind, id, &properties, ask.now)?,
            None => {
                let email = change.email.unwrap_or_default();
                properties.entry("email").or_insert_with(|| email.into());
                crm.create(kind, &properties, ask.now)?;
            }
        }
    }
    Ok(HttpResponse::Accepted().finish())
}
