//! The account's users, who own records. They are given: HubSpot has no call that makes one.

use actix_web::HttpResponse;
use serde_json::{Value, json};

use super::super::state::{USER, USER_EMAIL};
use super::fault::Fault;
use super::{Answer, Ask, paging};

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
pub fn list(ask: &Ask) -> Answer {
    let limit = paging::limit(&ask.query, "limit", 100, 500)?;
    let after = paging::after(&ask.query)?;
    let wanted = ask.query.get("email").map(str::to_lowercase);
    let mut found = OWNERS.iter().filter(|(id, _, email, .., gone)| {
        *gone == ask.wants_archived() && *id >= after && wanted.as_ref().is_none_or(|wanted| wanted == email)
    });
    let results: Vec<_> = found.by_ref().take(limit).map(shown).collect();
    let next = found.next().map(|(id, ..)| id.to_string());
    Ok(HttpResponse::Ok().json(paging::page(ask, results, next)))
}

/// `GET owners/{id}`: by the owner's id, or with `idProperty=userId` by the user's.
pub fn show(ask: &Ask, asked: &str) -> Answer {
    let by_user = ask.query.get("idProperty") == Some("userId");
    let mut here = OWNERS.iter().filter(|(.., gone)| *gone == ask.wants_archived());
    let found = here.find(|(id, user, ..)| if by_user { user.to_string() == asked } else { id.to_string() == asked });
    found.map(|owner| HttpResponse::Ok().json(shown(owner))).ok_or_else(Fault::not_found)
}
