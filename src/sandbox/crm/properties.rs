//! The calls on properties and their groups.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};

use super::super::Sandbox;
use super::definitions::{added, lacks, merge};
use super::fault::{Fault, read};
use super::values::{add, shown_time};

fn name(request: &HttpRequest) -> &str {
    request.match_info().get("name").unwrap_or_default()
}

/// `GET properties/{kind}`: all of them, HubSpot has no pages here.
pub async fn list(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let kind = super::kind(&request)?;
        let all: Vec<_> = crm.definitions.properties(&kind).values().collect();
        Ok(HttpResponse::Ok().json(json!({"results": all})))
    })
}

/// `POST properties/{kind}`.
pub async fn create(sandbox: web::Data<Sandbox>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    sandbox.crm(|crm, now| {
        let kind = super::kind(&request)?;
        let body: Map<String, Value> = read(&body)?;
        if let Some(name) = lacks(&body, &["name", "label", "type", "fieldType", "groupName"]) {
            return Err(Fault::validation(&format!("Some required fields were not set: [{name}]")));
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, group) = (text("name").to_owned(), text("groupName"));
        if crm.definitions.find(&kind, &name).is_some() {
            return Err(Fault::conflict(&format!("Property named {name} already exists")));
        }
        if !kind.is_custom() && !crm.definitions.groups(&kind).contains_key(group) {
            return Err(Fault::validation(&format!("Property group \"{group}\" does not exist")));
        }
        let shown = added(&body, now);
        let reply = HttpResponse::Created().json(&shown);
        crm.definitions.properties(&kind).insert(name, shown);
        Ok(reply)
    })
}

/// `GET properties/{kind}/{name}`.
pub async fn show(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let kind = super::kind(&request)?;
        let found = crm.definitions.find(&kind, name(&request));
        found.map(|shown| HttpResponse::Ok().json(shown)).ok_or_else(|| Fault::missing("Property", name(&request)))
    })
}

/// `PATCH properties/{kind}/{name}`.
pub async fn update(sandbox: web::Data<Sandbox>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    sandbox.crm(|crm, now| {
        let kind = super::kind(&request)?;
        let mut changes: Map<String, Value> = read(&body)?;
        changes.remove("name");
        let all = crm.definitions.properties(&kind);
        let shown = all.get_mut(name(&request)).ok_or_else(|| Fault::missing("Property", name(&request)))?;
        merge(shown, &changes);
        add(shown, "updatedAt", shown_time(now));
        Ok(HttpResponse::Ok().json(shown))
    })
}

/// `DELETE properties/{kind}/{name}`: the standard ones stay.
pub async fn remove(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let kind = super::kind(&request)?;
        let all = crm.definitions.properties(&kind);
        let shown = all.get(name(&request)).ok_or_else(|| Fault::missing("Property", name(&request)))?;
        if shown.get("hubspotDefined") == Some(&Value::Bool(true)) {
            return Err(Fault::validation("A property that HubSpot defines can not be archived"));
        }
        all.remove(name(&request));
        Ok(HttpResponse::NoContent().finish())
    })
}

/// `GET`, `POST properties/{kind}/groups`, and `GET`, `PATCH`, `DELETE …/groups/{name}`.
pub async fn groups(sandbox: web::Data<Sandbox>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    sandbox.crm(|crm, _| {
        let kind = super::kind(&request)?;
        let groups = crm.definitions.groups(&kind);
        let known = request.match_info().get("name");
        let missing = || Fault::missing("Property group", name(&request));
        Ok(match (request.method().as_str(), known) {
            ("GET", None) => HttpResponse::Ok().json(json!({"results": groups.values().collect::<Vec<_>>()})),
            ("POST", None) => {
                let body: Map<String, Value> = read(&body)?;
                let mut shown = json!({"name": "", "label": "", "displayOrder": -1, "archived": false});
                merge(&mut shown, &body);
                let name = body.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                if lacks(&body, &["name", "label"]).is_some() {
                    return Err(Fault::validation("A property group needs a name and a label"));
                }
                if groups.contains_key(&name) {
                    return Err(Fault::conflict(&format!("Property group named {name} already exists")));
                }
                let reply = HttpResponse::build(StatusCode::CREATED).json(&shown);
                groups.insert(name, shown);
                reply
            }
            ("GET", Some(name)) => HttpResponse::Ok().json(groups.get(name).ok_or_else(missing)?),
            ("PATCH", Some(name)) => {
                let shown = groups.get_mut(name).ok_or_else(missing)?;
                merge(shown, &read(&body)?);
                HttpResponse::Ok().json(shown)
            }
            ("DELETE", Some(name)) => {
                groups.remove(name).ok_or_else(missing)?;
                HttpResponse::NoContent().finish()
            }
            _ => return Err(Fault::not_found()),
        })
    })
}
