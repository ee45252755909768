//! The account's users, who own records. They are given: HubSpot has no call that makes one.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::super::Sandbox;
use super::super::fields::Fields;
use super::super::state::{USER, USER_EMAIL};
use super::fault::Fault;
use super::objects::archived_wanted;
use super::paging;

/// Owner id, user id, e-mail, names, whether the user is gone. The first is who connects.
const OWNERS: &[(u64, i64, &str, &str, &str, bool)] = &[
    (41, USER, USER_EMAIL, "Some", "One", false),
    (42, 124, "ada@sandbox.hubspot.test", "Ada", "Lovelace", false),
    (43, 125, "grace@sandbox.hubspot.test", "Grace", "Hopper", false),
    (44, 126, "gone@sandbox.hubspot.test", "Gone", "Away", true),
];

fn shown(&(id, user, email, first, last, archived): &(u64, i64, &str, &str, &str, bool)) -> Value {
    json!({
        "id": id.to_string(), "email": email, "type": "PERSON", "firstName": first, "lastName": last,
        "userId": (!archived).then_some(user), "userIdIncludingInactive": user, "teams": [],
        "createdAt": "2024-01-01T00:00:00.000Z", "updatedAt": "2024-01-01T00:00:00.000Z", "archived": archived,
    })
}

/// `GET owners`: `email`, `limit`, `after`, `archived`.
pub async fn list(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    sandbox.crm(|_, _| {
        let query = Fields::parse(request.query_string().as_bytes());
        let archived = archived_wanted(&request);
        let limit = paging::limit(&query, 100, 500)?;
        let after = paging::after(&query)?;
        let wanted = query.get("email").map(str::to_lowercase);
        let mut found = OWNERS.iter().filter(|(id, _, email, .., gone)| {
            *gone == archived && *id >= after && wanted.as_ref().is_none_or(|wanted| wanted == email)
        });
        let results: Vec<_> = found.by_ref().take(limit).map(shown).collect();
        let next = found.next().map(|(id, ..)| id.to_string());
        Ok(HttpResponse::Ok().json(paging::page(&sandbox, &request, results, next)))
    })
}

/// `GET owners/{id}`: by the owner's id, or with `idProperty=userId` by the user's.
pub async fn show(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    sandbox.crm(|_, _| {
        let query = Fields::parse(request.query_string().as_bytes());
        let archived = archived_wanted(&request);
        let asked = request.match_info().get("id").unwrap_or_default();
        let found = OWNERS.iter().filter(|(.., gone)| *gone == archived).find(|(id, user, ..)| {
            let own = if query.get("idProperty") == Some("userId") { user.to_string() } else { id.to_string() };
            own == asked
        });
        found.map(|owner| HttpResponse::Ok().json(shown(owner))).ok_or_else(Fault::not_found)
    })
}
