//! `/users`: people are made, changed, put out and removed by administrators.

use serde_json::{Value, json};

use crate::support::server::{PASSWORD, Setup};
use crate::support::{Caller, Reply, TestServer, on_both};

const MADE: &str = "Zx9#mnop";

pub fn draft(email: &str) -> Value {
    json!({ "firstName": "Sam", "lastName": "Roe", "email": email, "password": MADE })
}

/// A user who was made through the API, and a caller with the secrets.
pub async fn made(server: &TestServer, draft: &Value) -> (Value, Caller) {
    let user = server.caller().post("/users", draft).await.ok();
    let secret = user["secret"].as_str().expect("a secret");
    let organization = server.admin.organization_secret.expose();
    let caller = server.anonymous().with(&format!("User {secret}, Organization {organization}"));
    (user, caller)
}

pub async fn sign_in(server: &TestServer, email: &str, password: &str) -> Reply {
    server.anonymous().post("/authentication", &json!({ "username": email, "password": password })).await
}

async fn bearer(server: &TestServer, email: &str, password: &str) -> Caller {
    let token = sign_in(server, email, password).await.ok()["token"].as_str().expect("a token").to_owned();
    server.anonymous().with(&format!("Bearer {token}"))
}

async fn own_id(server: &TestServer) -> Value {
    server.caller().get("/users/admin@example.com").await.ok()["id"].clone()
}

on_both!(an_administrator_makes_a_user_who_calls_and_signs_in, |server| async move {
    let admin = server.caller();
    let (user, sam) = made(&server, &draft(" Sam+1@Example.com ")).await;
    let expected = json!({
        "firstName": "Sam", "lastName": "Roe", "fullName": "Sam Roe", "email": "sam+1@example.com", "active": true,
        "createdDate": "2026-03-01T12:00:00Z", "lastLoginDate": "1970-01-01", "roles": [],
    });
    for (member, value) in expected.as_object().expect("an object") {
        assert_eq!(&user[member], value, "{member}");
    }
    assert_eq!(user["secret"].as_str().map(str::len), Some(44));
    sam.get("/instances/count").await.ok();
    assert_eq!(sign_in(&server, "sam+1@example.com", MADE).await.ok()["organizationAdmin"], false);
    let id = &user["id"];
    for way in
        [format!("/users/{id}"), "/users/SAM+1@example.com".to_owned(), "/users/sam%2B1%40example.com".to_owned()]
    {
        let shown = admin.get(&way).await.ok();
        assert_eq!((&shown["id"], &shown["lastLoginDate"], &shown["secret"]), (id, &json!("2026-03-01"), &Value::Null));
    }
    let (boss, _) = made(&server, &json!({
        "firstName": "Al", "lastName": "Poe", "email": "al@example.com", "password": MADE, "roles": [{ "key": "org-admin" }],
    })).await;
    assert_eq!(boss["roles"][0]["key"], "org-admin");
    let listed = admin.get("/users?pageSize=2").await;
    let emails = |reply: &Reply| {
        let users = reply.ok();
        let emails = users.as_array().expect("a list").iter().map(|user| user["email"].as_str().unwrap_or_default());
        emails.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(emails(&listed), ["admin@example.com", "sam+1@example.com"]);
    let next = listed.header("elements-next-page-token").expect("a further page").to_owned();
    assert_eq!(emails(&admin.get(&format!("/users?pageSize=2&nextPage={next}")).await), ["al@example.com"]);
    assert!(!listed.text.contains("\"secret\""), "{}", listed.text);
});

on_both!(what_cannot_be_a_user_is_refused, |server| async move {
    let admin = server.caller();
    let with = |member: &str, value: Value| {
        let mut draft = draft("sam@example.com");
        draft[member] = value;
        draft
    };
    admin.post("/users", &json!({})).await.fails(400, "bad_body");
    for email in ["", "sam", "@example.com", "sam@", "a@b@c", "sa m@example.com", "a\nb@example.com", "removed:1"] {
        admin.post("/users", &with("email", email.into())).await.fails(400, "bad_body");
    }
    for (member, value) in
        [("firstName", json!("")), ("lastName", json!("x".repeat(101))), ("lastName", json!("<b></b>"))]
    {
        admin.post("/users", &with(member, value)).await.fails(400, "bad_body");
    }
    for (password, word) in [
        ("Zx9#mno", "at least"),
        ("zx9#mnop", "uppercase"),
        ("ZX9#MNOP", "lowercase"),
        ("Zxy#mnop", "numeric"),
        ("Zx9mnopq", "special character"),
        ("Sam9#mnop", "first name"),
        ("9#Roe-mnopq", "last name"),
    ] {
        let said = admin.post("/users", &with("password", password.into())).await.fails(400, "bad_password");
        assert!(said.contains(word), "{said}");
    }
    admin.post("/users", &with("roles", json!([{ "key": "nobody" }]))).await.fails(400, "unknown_role");
    admin.post("/users", &with("roles", json!([{ "key": "sys-admin" }]))).await.fails(403, "not_allowed");
    assert_eq!(admin.get("/users").await.ok().as_array().map(Vec::len), Some(1), "none of them was made");
    made(&server, &draft("sam@example.com")).await;
    admin.post("/users", &draft("SAM@example.com")).await.fails(409, "user_exists");
    server.stranger().await.post("/users", &draft("sam@example.com")).await.fails(409, "user_exists");
    for missing in ["/users/-1", "/users/99999999999999999999", "/users/nobody@example.com", "/users/removed:1"] {
        admin.get(missing).await.fails(404, "user_not_found");
        admin.patch(missing, &json!({})).await.fails(404, "user_not_found");
        admin.delete(missing).await.fails(404, "user_not_found");
    }
});

on_both!(who_is_put_out_is_refused_at_once_and_the_secret_comes_back, |server| async move {
    let admin = server.caller();
    let (user, sam) = made(&server, &draft("sam@example.com")).await;
    let session = bearer(&server, "sam@example.com", MADE).await;
    session.get("/instances/count").await.ok();
    let path = format!("/users/{}", user["id"]);
    assert_eq!(admin.patch(&path, &json!({ "active": false })).await.ok()["active"], false);
    sam.get("/instances/count").await.fails(401, "bad_credentials");
    session.get("/instances/count").await.fails(401, "bad_credentials");
    sign_in(&server, "sam@example.com", MADE).await.fails(401, "login_refused");
    // The address is still the user's own.
    admin.post("/users", &draft("sam@example.com")).await.fails(409, "user_exists");
    assert_eq!(admin.get("/users").await.ok()[1]["active"], false);
    assert_eq!(admin.patch(&path, &json!({ "active": true })).await.ok()["active"], true);
    sam.get("/instances/count").await.ok();
    session.get("/instances/count").await.fails(401, "bad_credentials");
    sign_in(&server, "sam@example.com", MADE).await.ok();
});

on_both!(who_is_removed_leaves_what_they_made_and_a_free_address, |server| async move {
    let admin = server.caller();
    let (user, sam) = made(&server, &draft("sam@example.com")).await;
    let instance = sam.create_with_key("Kept").await;
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    admin.put("/elements/hubspotcrm/app", &app).await.ok();
    let link = sam.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
    let session = bearer(&server, "sam@example.com", MADE).await;
    let reply = admin.delete("/users/sam@example.com").await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    for gone in [&sam, &session] {
        gone.get("/instances/count").await.fails(401, "bad_credentials");
    }
    for path in [format!("/users/{}", user["id"]), "/users/sam@example.com".to_owned()] {
        admin.get(&path).await.fails(404, "user_not_found");
        admin.patch(&path, &json!({ "active": true })).await.fails(404, "user_not_found");
        admin.delete(&path).await.fails(404, "user_not_found");
    }
    admin.put(&format!("/users/{}/roles/org-admin", user["id"]), &Value::Null).await.fails(404, "user_not_found");
    assert_eq!(admin.get("/users").await.ok().as_array().map(Vec::len), Some(1));
    let kept = admin.get(&format!("/instances/{}", instance["id"])).await.ok();
    assert_eq!((&kept["token"], &kept["user"]["firstName"]), (&instance["token"], &json!("Sam")));
    assert_ne!(kept["user"]["emailAddress"], "sam@example.com");
    assert_eq!(admin.get(&format!("/connect/links/{}", link["id"])).await.ok()["status"], "pending");
    let (again, other) = made(&server, &draft("sam@example.com")).await;
    assert_ne!(again["id"], user["id"]);
    assert_eq!(other.get("/authentication/sessions").await.ok(), json!([]));
    other.get("/instances/count").await.ok();
    for gone in [&sam, &session] {
        gone.get("/instances/count").await.fails(401, "bad_credentials");
    }
});

on_both!(a_role_is_granted_and_taken_away_and_counts_for_the_next_call, |server| async move {
    let admin = server.caller();
    let (user, sam) = made(&server, &draft("sam@example.com")).await;
    let path = format!("/users/{}/roles/org-admin", user["id"]);
    sam.get("/users").await.fails(403, "not_allowed");
    let role = admin.request("PUT", &path).header("content-length", "0");
    let role = crate::support::caller::read(role).await.ok();
    assert_eq!((&role["key"], &role["name"]), (&json!("org-admin"), &json!("Organization administrator")));
    sam.get("/users").await.ok();
    assert_eq!(sam.get(&format!("/users/{}/roles", user["id"])).await.ok()[0], role);
    admin.put(&path, &Value::Null).await.fails(409, "role_granted");
    let reply = admin.delete(&path).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    sam.get("/users").await.fails(403, "not_allowed");
    assert_eq!(admin.get(&format!("/users/{}/roles", user["id"])).await.ok(), json!([]));
    admin.delete(&path).await.fails(404, "role_not_granted");
    let changed = admin.patch(&format!("/users/{}", user["id"]), &json!({ "roles": [role] })).await.ok();
    assert_eq!(changed["roles"][0]["key"], "org-admin");
    sam.get("/users").await.ok();
});

on_both!(role_calls_are_refused_in_the_documented_order, |server| async move {
    let (admin, own) = (server.caller(), own_id(&server).await);
    let stranger = server.stranger().await;
    let foreign = stranger.get("/users/stranger@other.example").await.ok()["id"].clone();
    let (user, sam) = made(&server, &draft("sam@example.com")).await;
    for method in ["PUT", "DELETE"] {
        let send = async |caller: &Caller, path: String| caller.send(method, &path, &Value::Null).await;
        for anyone in [&json!(-1), &foreign, &own] {
            send(&admin, format!("/users/{anyone}/roles/nobody")).await.fails(400, "unknown_role");
            send(&admin, format!("/users/{anyone}/roles/sys-admin")).await.fails(403, "not_allowed");
        }
        send(&admin, "/users/-1/roles/org-admin".to_owned()).await.fails(404, "user_not_found");
        send(&admin, format!("/users/{foreign}/roles/org-admin")).await.fails(403, "not_allowed");
        send(&admin, format!("/users/{own}/roles/org-admin")).await.fails(403, "not_allowed");
        send(&sam, format!("/users/{}/roles/org-admin", user["id"])).await.fails(403, "not_allowed");
    }
    admin.get(&format!("/users/{foreign}/roles")).await.fails(403, "not_allowed");
    admin.get("/users/-1/roles").await.fails(404, "user_not_found");
    admin.get(&format!("/users/{foreign}")).await.fails(404, "user_not_found");
    admin.patch(&format!("/users/{foreign}"), &json!({ "active": false })).await.fails(404, "user_not_found");
    admin.delete(&format!("/users/{foreign}")).await.fails(404, "user_not_found");
    stranger.get("/users").await.ok();
});

on_both!(a_plain_user_is_refused_before_anything_is_looked_at, |server| async move {
    let (user, sam) = made(&server, &draft("sam@example.com")).await;
    let own = format!("/users/{}", user["id"]);
    assert_eq!(sam.get(&own).await.ok()["email"], "sam@example.com");
    assert_eq!(sam.get("/users/Sam@example.com/roles").await.ok(), json!([]));
    for path in ["/users/-1", "/users/admin@example.com", own.as_str()] {
        sam.patch(path, &json!({ "active": 7 })).await.fails(403, "not_allowed");
        sam.delete(path).await.fails(403, "not_allowed");
    }
    sam.get("/users/-1").await.fails(403, "not_allowed");
    sam.get("/users/-1/roles").await.fails(403, "not_allowed");
    sam.get("/users?pageSize=x").await.fails(403, "not_allowed");
    sam.post("/users", &json!({})).await.fails(403, "not_allowed");
});

on_both!(an_administrator_changes_a_user_and_only_signs_out_for_another_password, |server| async move {
    let admin = server.caller();
    let (user, _) = made(&server, &draft("sam@example.com")).await;
    let path = format!("/users/{}", user["id"]);
    let session = bearer(&server, "sam@example.com", MADE).await;
    // A whole user, as it was read, and with the present password.
    let mut whole = admin.get(&path).await.ok();
    whole["password"] = MADE.into();
    assert_eq!(admin.patch(&path, &whole).await.ok()["email"], "sam@example.com");
    session.get("/instances/count").await.ok();
    let changed =
        admin.patch(&path, &json!({ "firstName": "Max", "email": "Max@example.com", "lastName": null })).await.ok();
    assert_eq!((&changed["fullName"], &changed["email"]), (&json!("Max Roe"), &json!("max@example.com")));
    session.get("/instances/count").await.ok();
    sign_in(&server, "sam@example.com", MADE).await.fails(401, "login_refused");
    admin.patch(&path, &json!({ "email": "ADMIN@example.com" })).await.fails(409, "user_exists");
    admin.patch(&path, &json!({ "password": "short" })).await.fails(400, "bad_password");
    admin.patch(&path, &json!({ "password": "Xmax9#mnop" })).await.fails(400, "bad_password");
    admin.patch(&path, &json!({ "password": "Qy8!qrst" })).await.ok();
    session.get("/instances/count").await.fails(401, "bad_credentials");
    sign_in(&server, "max@example.com", "Qy8!qrst").await.ok();
    sign_in(&server, "max@example.com", MADE).await.fails(401, "login_refused");
});

on_both!(nobody_gets_around_the_proof_for_their_own_password, |server| async move {
    let admin = server.caller();
    let before = admin.get("/users/admin@example.com").await.ok();
    admin.patch("/users/admin@example.com", &json!({ "password": MADE })).await.fails(400, "current_password_required");
    assert_eq!(admin.patch("/users/admin@example.com", &json!({ "password": PASSWORD })).await.ok(), before);
    sign_in(&server, "admin@example.com", PASSWORD).await.ok();
});

on_both!(the_last_administrator_stays, |server| async move {
    let (admin, own) = (server.caller(), own_id(&server).await);
    let (boss, al) = made(&server, &{
        let mut draft = draft("al@example.com");
        draft["roles"] = json!([{ "key": "org-admin" }]);
        draft
    })
    .await;
    // Nobody does it to themselves, but for stepping aside.
    admin.delete(&format!("/users/{own}")).await.fails(403, "not_allowed");
    admin.patch(&format!("/users/{own}"), &json!({ "roles": [] })).await.fails(403, "not_allowed");
    al.patch(&format!("/users/{own}"), &json!({ "active": false })).await.ok();
    admin.get("/users").await.fails(401, "bad_credentials");
    let last = format!("/users/{}", boss["id"]);
    al.patch(&last, &json!({ "active": false })).await.fails(409, "last_administrator");
    // Whoever cannot sign in does not count.
    al.delete(&format!("/users/{own}/roles/org-admin")).await.ok_empty();
    al.put(&format!("/users/{own}/roles/org-admin"), &Value::Null).await.ok();
    al.patch(&last, &json!({ "active": false })).await.fails(409, "last_administrator");
    al.patch(&format!("/users/{own}"), &json!({ "active": true })).await.ok();
    al.patch(&last, &json!({ "active": false })).await.ok();
    al.get("/users").await.fails(401, "bad_credentials");
    assert_eq!(admin.get(&last).await.ok()["active"], false);
});

/// Ten administrators with their ids, half of them through another replica.
async fn bosses(server: &TestServer, beside: &TestServer) -> Vec<(Value, Caller)> {
    let mut bosses = vec![(own_id(server).await, server.caller())];
    for number in 0..9 {
        let mut draft = draft(&format!("boss{number}@example.com"));
        draft["roles"] = json!([{ "key": "org-admin" }]);
        let (user, caller) = made(server, &draft).await;
        let header = caller.authorization.clone().expect("a header");
        let caller = if number % 2 == 0 { beside.anonymous().with(&header) } else { caller };
        // Known there, as it was before all that follows.
        caller.get("/users").await.ok();
        bosses.push((user["id"].clone(), caller));
    }
    bosses
}

async fn able(server: &TestServer) -> usize {
    let all = server.services.store.read(ligand::store::users::list_everywhere).await.expect("the users");
    all.iter().filter(|(user, _)| user.active && user.organization_admin).count()
}

on_both!(of_administrators_who_remove_each_other_at_once_one_is_left, |server| async move {
    let beside = server.start_beside(Setup::default()).await;
    let bosses = bosses(&server, &beside).await;
    let acts = bosses.iter().enumerate().flat_map(|(number, (_, caller))| {
        let [next, after] = [1, 2].map(|distance| &bosses[(number + distance) % bosses.len()].0);
        [(caller, format!("/users/{next}")), (caller, format!("/users/{after}/roles/org-admin"))]
    });
    let replies = acts.map(|(caller, path)| async move { caller.delete(&path).await });
    for reply in futures_util::future::join_all(replies).await {
        assert!(matches!(reply.status, 200 | 401 | 403 | 404 | 409), "{reply:?}");
    }
    assert!(able(&server).await >= 1);
});

on_both!(of_administrators_who_step_aside_at_once_one_is_left, |server| async move {
    let beside = server.start_beside(Setup::default()).await;
    let bosses = bosses(&server, &beside).await;
    let replies = bosses
        .iter()
        .map(|(id, caller)| async move { caller.patch(&format!("/users/{id}"), &json!({ "active": false })).await });
    let replies = futures_util::future::join_all(replies).await;
    let refused: Vec<_> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert_eq!((able(&server).await, refused.len()), (1, 1), "{refused:?}");
    refused[0].fails(409, "last_administrator");
});
