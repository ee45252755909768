//! The calls on properties and their groups.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::definitions::{added, lacks, merge};
use super::fault::{Fault, read};
use super::kinds::Kind;
use super::values::{add, shown_time};
use super::{Answer, Ask, Crm};

/// `GET` (all of them, HubSpot has no pages here), `POST properties/{kind}`.
pub fn all(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    match ask.method {
        "GET" => {
            let all: Vec<_> = crm.definitions.properties(kind).values().collect();
            Ok(HttpResponse::Ok().json(json!({"results": all})))
        }
        "POST" => create(crm, ask, kind),
        _ => Err(Fault::not_found()),
    }
}

fn create(crm: &mut Crm, ask: &Ask, kind: &Kind) -> Answer {
    let body: Map<String, Value> = read(ask.body)?;
    if let Some(name) = lacks(&body, &["name", "label", "type", "fieldType", "groupName"]) {
        return Err(Fault::validation(&format!("Some required fields were not set: [{name}]")));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (name, group) = (text("name").to_owned(), text("groupName"));
    if crm.definitions.find(kind, &name).is_some() {
        return Err(Fault::conflict(&format!("Property named {name} already exists")));
    }
    if !kind.is_custom() && !crm.definitions.groups(kind).contains_key(group) {
        return Err(Fault::validation(&format!("Property group \"{group}\" does not exist")));
    }
    let shown = added(&body, ask.now);
    let reply = HttpResponse::Created().json(&shown);
    crm.definitions.properties(kind).insert(name, shown);
    Ok(reply)
}

/// `GET`, `PATCH`, `DELETE properties/{kind}/{name}`: the standard ones stay.
pub fn one(crm: &mut Crm, ask: &Ask, kind: &Kind, name: &str) -> Answer {
    let all = crm.definitions.properties(kind);
    let shown = all.get_mut(name).ok_or_else(|| Fault::missing("Property", name))?;
    match ask.method {
        "GET" => {}
        "PATCH" => {
            let mut changes: Map<String, Value> = read(ask.body)?;
            changes.remove("name");
            merge(shown, &changes);
            add(shown, "updatedAt", shown_time(ask.now));
        }
        "DELETE" if shown.get("hubspotDefined") == Some(&Value::Bool(true)) => {
            return Err(Fault::validation("A property that HubSpot defines can not be archived"));
        }
        "DELETE" => {
            all.remove(name);
            return Ok(HttpResponse::NoContent().finish());
        }
        _ => return Err(Fault::not_found()),
    }
    Ok(HttpResponse::Ok().json(shown))
}

/// `GET`, `POST properties/{kind}/groups`, and `GET`, `PATCH`, `DELETE …/groups/{name}`.
pub fn groups(crm: &mut Crm, ask: &Ask, kind: &Kind, name: Option<&str>) -> Answer {
    let groups = crm.definitions.groups(kind);
    let missing = || Fault::missing("Property group", name.unwrap_or_default());
    Ok(match (ask.method, name) {
        ("GET", None) => HttpResponse::Ok().json(json!({"results": groups.values().collect::<Vec<_>>()})),
        ("POST", None) => {
            let body: Map<String, Value> = read(ask.body)?;
            let mut shown = json!({"name": "", "label": "", "displayOrder": -1, "archived": false});
            merge(&mut shown, &body);
            let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if lacks(&body, &["name", "label"]).is_some() {
                return Err(Fault::validation("A property group needs a name and a label"));
            }
            if groups.contains_key(&name) {
                return Err(Fault::conflict(&format!("Property group named {name} already exists")));
            }
            let reply = HttpResponse::Created().json(&shown);
            groups.insert(name, shown);
            reply
        }
        ("GET", Some(name)) => HttpResponse::Ok().json(groups.get(name).ok_or_else(missing)?),
        ("PATCH", Some(name)) => {
            let shown = groups.get_mut(name).ok_or_else(missing)?;
            merge(shown, &read(ask.body)?);
            HttpResponse::Ok().json(shown)
        }
        ("DELETE", Some(name)) => {
            groups.remove(name).ok_or_else(missing)?;
            HttpResponse::NoContent().finish()
        }
        _ => return Err(Fault::not_found()),
    })
}
