//! Partner apps: an organization's own OAuth app for an element serves every instance that brings none.

use chrono::TimeDelta;
use ligand::service::Services;
use ligand::service::credentials::partner_app::PartnerApp;
use ligand::service::elements::of_owner::ANYBODY;
use serde_json::{Value, json};

use crate::support::caller::{CALLBACK, with_code};
use crate::support::copies::owner;
use crate::support::server::user;
use crate::support::{Caller, Reply, TestServer, on_both, on_sqlite};

const APP: &str = "/elements/hubspotcrm/app";
const TOKEN: &str = "POST /oauth/2026-03/token";

fn app() -> Value {
    json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" })
}

/// A creation that brings no app of its own.
fn without_client(name: &str, code: &str) -> Value {
    let mut body = with_code(name, code);
    let configuration = body["configuration"].as_object_mut().expect("an object");
    configuration.retain(|key, _| !key.starts_with("oauth.api."));
    body
}

async fn connected(server: &TestServer) -> Value {
    let code = server.caller().code(server.sandbox()).await;
    server.caller().post("/instances", &without_client("By the organization's app", &code)).await.ok()
}

/// The instance after its token was over.
async fn refresh(server: &TestServer, instance: &Value) -> Reply {
    server.advance(TimeDelta::hours(1));
    server.caller().get(&format!("/instances/{}?refresh=true", instance["id"])).await
}

/// Somebody of the administrator's organization who is no administrator.
async fn colleague(server: &TestServer) -> Caller {
    let of = owner(&server.services).await;
    let created = server.services.create_user(user("colleague@example.com", false), Some(of)).await.expect("a user");
    server.anonymous().signed(&created)
}

async fn stored(services: &Services) -> Option<PartnerApp> {
    let element = services.element_of(ANYBODY, "hubspotcrm").expect("the element");
    services.partner_app(owner(services).await, &element).await.expect("it opens")
}

on_both!(before_there_is_one_it_says_what_must_be_registered, |server| async move {
    let shown = server.caller().get("/elements/168/app").await.ok();
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("element"), "hubspotcrm");
    assert!(text("redirectUrl").starts_with("https://ligand.example/connector/callback/"), "{shown}");
    assert!(text("redirectUrl").ends_with("-hubspotcrm"), "{shown}");
    assert!(text("configDescription").contains("Client ID and client secret"), "{shown}");
    for absent in ["clientId", "clientSecret", "scopes", "optionalScopes", "preset", "warning"] {
        assert!(shown[absent].is_null(), "{absent}");
    }
    assert_eq!(shown["requestedScopes"], json!(["contacts"]));
    assert_eq!(shown["requestedOptionalScopes"], json!(["content", "reports", "e-commerce", "forms"]));
    let presets = shown["presets"].as_array().expect("a list").iter();
    assert_eq!(
        presets.map(|preset| preset["name"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["default", "granular"]
    );
    server.caller().delete(APP).await.fails(404, "app_not_found");
});

on_both!(an_administrator_stores_it_and_nobody_is_shown_the_secret, |server| async move {
    let caller = server.caller();
    let mut body = app();
    body["preset"] = "granular".into();
    body["optionalScopes"] = " tickets  tickets ".into();
    let saved = caller.put(APP, &body).await;
    let shown = saved.ok();
    assert_eq!((&shown["clientId"], &shown["clientSecret"]), (&json!("sandbox-client"), &json!("********")));
    assert_eq!((&shown["preset"], &shown["scopes"]), (&json!("granular"), &Value::Null));
    assert_eq!(shown["requestedScopes"].as_array().expect("a list").len(), 12);
    assert_eq!(shown["requestedOptionalScopes"], json!(["tickets"]));
    let colleague = colleague(&server).await;
    for reply in [saved, caller.get(APP).await, colleague.get(APP).await, caller.get("/elements/168/app").await] {
        assert!(!reply.text.contains("sandbox-secret"), "{}", reply.text);
        assert_eq!(reply.ok(), shown);
    }
    colleague.put(APP, &app()).await.fails(403, "not_allowed");
    colleague.delete(APP).await.fails(403, "not_allowed");
    server.anonymous().get(APP).await.fails(401, "missing_credentials");
    // Another organization has its own, or none; another element as well.
    assert!(server.stranger().await.get(APP).await.ok()["clientId"].is_null());
    assert!(caller.get("/elements/hubspot/app").await.ok()["clientId"].is_null());
    assert!(!format!("{:?}", stored(&server.services).await).contains("sandbox-secret"));
    assert_eq!(caller.delete(APP).await.status, 200);
    assert!(caller.get(APP).await.ok()["clientId"].is_null());
    caller.delete(APP).await.fails(404, "app_not_found");
});

on_both!(a_mask_written_back_leaves_the_secret_alone, |server| async move {
    let caller = server.caller();
    let missing = caller.put(APP, &json!({ "clientId": "a", "clientSecret": "********" })).await.fails(400, "bad_body");
    assert!(missing.contains("clientSecret is missing"), "{missing}");
    caller.put(APP, &app()).await.ok();
    let shown = caller.get(APP).await.ok();
    let secret = async || stored(&server.services).await.expect("an app").client_secret.expose().to_owned();
    for body in [shown, json!({ "clientId": "sandbox-client" }), json!({ "clientId": "x", "clientSecret": "" })] {
        caller.put(APP, &body).await.ok();
        assert_eq!(secret().await, "sandbox-secret", "{body}");
    }
    caller.put(APP, &json!({ "clientId": "x", "clientSecret": "another" })).await.ok();
    assert_eq!(secret().await, "another");
    let last = stored(&server.services).await.expect("an app");
    assert_eq!((last.scopes, last.optional_scopes, last.preset), (None, None, None), "a PUT replaces all else");
});

on_both!(what_is_no_app_is_refused, |server| async move {
    let caller = server.caller();
    for (member, value, code) in [
        ("clientId", json!(null), "bad_body"),
        ("clientId", json!(" "), "bad_body"),
        ("clientId", json!("********"), "bad_body"),
        ("clientId", json!(7), "bad_body"),
        ("clientId", json!("x".repeat(501)), "bad_body"),
        ("clientId", json!("a\u{0}b"), "bad_body"),
        ("clientSecret", json!(null), "bad_body"),
        ("clientSecret", json!("x".repeat(4001)), "bad_body"),
        ("preset", json!("unknown"), "bad_scopes"),
        ("scopes", json!("a \"b\""), "bad_scopes"),
        ("optionalScopes", json!("x".repeat(5000)), "bad_scopes"),
    ] {
        let mut body = app();
        body[member] = value;
        let reply = caller.put(APP, &body).await;
        reply.fails(400, code);
        assert!(!reply.text.contains("sandbox-secret"), "{}", reply.text);
    }
    let mut optional = app();
    optional["optionalScopes"] = "x".into();
    caller.put("/elements/closeio/app", &optional).await.fails(400, "bad_scopes");
    for element in ["freshdesk", "jira"] {
        let path = format!("/elements/{element}/app");
        caller.get(&path).await.fails(400, "no_oauth");
        caller.put(&path, &app()).await.fails(400, "no_oauth");
        caller.delete(&path).await.fails(400, "no_oauth");
    }
    caller.get("/elements/unknown/app").await.fails(404, "element_not_found");
    assert!(stored(&server.services).await.is_none());
});

on_both!(old_and_new_scopes_together_get_a_warning, |server| async move {
    let mut body = app();
    body["scopes"] = "contacts crm.objects.deals.read".into();
    let shown = server.caller().put(APP, &body).await.ok();
    let warning = shown["warning"].as_str().expect("a warning");
    assert!(warning.contains("`contacts`") && warning.contains("To roll back, "), "{warning}");
    body["scopes"] = "contacts".into();
    assert!(server.caller().put(APP, &body).await.ok()["warning"].is_null());
});

on_both!(an_instance_without_an_app_of_its_own_uses_it, |server| async move {
    let code = server.caller().code(server.sandbox()).await;
    let body = without_client("Too early", &code);
    let missing = server.caller().post("/instances", &body).await.fails(400, "missing_configuration");
    assert!(missing.contains("oauth.api.key, oauth.api.secret"), "{missing}");
    server.caller().put(APP, &app()).await.ok();
    let instance = server.caller().post("/instances", &body).await.ok();
    assert_eq!(instance["configuration"]["oauth.user.token"], "********");
    // It is read when it is needed, and copied nowhere.
    for key in ["oauth.api.key", "oauth.api.secret"] {
        assert!(instance["configuration"][key].is_null(), "{key}");
    }
    // Of nobody else's.
    let code = server.caller().code(server.sandbox()).await;
    let stranger = server.stranger().await;
    stranger.post("/instances", &without_client("Foreign", &code)).await.fails(400, "missing_configuration");
    // Half an app of one's own is none.
    for (key, other) in [("oauth.api.key", "oauth.api.secret"), ("oauth.api.secret", "oauth.api.key")] {
        let mut body = without_client("Half", &code);
        body["configuration"][key] = "mine".into();
        let missing = server.caller().post("/instances", &body).await.fails(400, "missing_configuration");
        assert!(missing.contains(other), "{missing}");
    }
    // Without a callback URL nobody knows which one the code is for.
    let mut body = without_client("Where", &code);
    body["configuration"].as_object_mut().expect("an object").remove("oauth.callback.url");
    server.caller().post("/instances", &body).await.fails(400, "missing_configuration");
});

on_both!(an_app_of_ones_own_counts_before_it, |server| async move {
    server.caller().put(APP, &json!({ "clientId": "wrong", "clientSecret": "wrong" })).await.ok();
    let instance = server.caller().create_with_code(server.sandbox(), "Own").await;
    refresh(&server, &instance).await.ok();
    let code = server.caller().code(server.sandbox()).await;
    let body = without_client("Organization's", &code);
    server.caller().post("/instances", &body).await.fails(400, "vendor_configuration");
});

on_both!(a_changed_secret_counts_at_once, |server| async move {
    let caller = server.caller();
    caller.put(APP, &app()).await.ok();
    let instance = connected(&server).await;
    refresh(&server, &instance).await.ok();
    caller.put(APP, &json!({ "clientId": "sandbox-client", "clientSecret": "rotated" })).await.ok();
    let said = refresh(&server, &instance).await.fails(400, "vendor_configuration");
    assert!(said.contains("missing or invalid client secret"), "{said}");
    let code = caller.code(server.sandbox()).await;
    caller.post("/instances", &without_client("Wrong", &code)).await.fails(400, "vendor_configuration");
    // The grant lives: it is the operator's matter.
    assert_eq!(caller.get(&format!("/instances/{}", instance["id"])).await.ok()["valid"], true);
    caller.put(APP, &app()).await.ok();
    assert_eq!(refresh(&server, &instance).await.ok()["valid"], true);
});

on_both!(without_it_tokens_cannot_be_renewed_and_nothing_dies, |server| async move {
    let caller = server.caller();
    caller.put(APP, &app()).await.ok();
    let instance = connected(&server).await;
    assert_eq!(caller.delete(APP).await.status, 200);
    let before = server.sandbox().counts(TOKEN).total;
    let said = refresh(&server, &instance).await.fails(400, "missing_configuration");
    assert!(said.contains("PUT /elements/hubspotcrm/app"), "{said}");
    assert_eq!(server.sandbox().counts(TOKEN).total, before, "nobody is asked with nothing");
    // A name is no matter of the app's; a new code is.
    let path = format!("/instances/{}", instance["id"]);
    caller.patch(&path, &json!({ "name": "Renamed" })).await.ok();
    let code = caller.code(server.sandbox()).await;
    caller.patch(&path, &json!({ "providerData": { "code": code } })).await.fails(400, "missing_configuration");
    caller.put(APP, &app()).await.ok();
    assert_eq!(refresh(&server, &instance).await.ok()["valid"], true);
});

on_both!(a_deleted_instance_is_revoked_with_it, |server| async move {
    let caller = server.caller();
    caller.put(APP, &app()).await.ok();
    let instance = connected(&server).await;
    assert_eq!(caller.delete(&format!("/instances/{}", instance["id"])).await.status, 200);
    assert_eq!(server.services.revoke_due_grants().await.expect("the job runs"), 1);
    assert_eq!(server.sandbox().live_grants(), 0);
});

on_both!(an_instance_moves_between_its_own_app_and_the_organizations, |server| async move {
    let caller = server.caller();
    caller.put(APP, &app()).await.ok();
    let instance = caller.create_with_code(server.sandbox(), "Moves").await;
    let path = format!("/instances/{}", instance["id"]);
    let none = json!({ "oauth.api.key": null, "oauth.api.secret": null });
    let code = caller.code(server.sandbox()).await;
    let change = json!({ "configuration": none, "providerData": { "code": code } });
    let moved = caller.patch(&path, &change).await.ok();
    assert!(moved["configuration"]["oauth.api.key"].is_null());
    assert_eq!((&moved["id"], &moved["token"]), (&instance["id"], &instance["token"]));
    refresh(&server, &instance).await.ok();
    let own = json!({ "oauth.api.key": "sandbox-client", "oauth.api.secret": "sandbox-secret" });
    let code = caller.code(server.sandbox()).await;
    let back = caller.patch(&path, &json!({ "configuration": own, "providerData": { "code": code } })).await.ok();
    assert_eq!(back["configuration"]["oauth.api.secret"], "********");
    caller.delete(APP).await;
    refresh(&server, &instance).await.ok();
});

on_both!(brought_tokens_are_renewed_with_it, |server| async move {
    let caller = server.caller();
    caller.put(APP, &app()).await.ok();
    // Tokens of a grant that the same app was given elsewhere.
    let code = caller.code(server.sandbox()).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("client_id", "sandbox-client"),
        ("client_secret", "sandbox-secret"),
    ];
    let vendor = Caller::anonymous(&format!("http://{}", server.vendor_address()));
    let request = vendor.request_at_root("POST", "/oauth/2026-03/token");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let body = serde_urlencoded::to_string(form).expect("plain texts");
    let tokens = crate::support::caller::read(request.body(body)).await.ok();
    let instance = json!({
        "name": "Brought", "element": { "key": "hubspotcrm" }, "externalAuthentication": "initial",
        "configuration": { "oauth.user.refresh_token": tokens["refresh_token"] },
    });
    let created = caller.post("/instances", &instance).await.ok();
    assert_eq!(created["externalAuthentication"], "initial");
    assert_eq!(created["vendorAccount"]["id"], "62515", "the reply to a refresh tells it too");
});

on_both!(writes_at_once_leave_one_app, |server| async move {
    let caller = server.caller();
    let put = |number: u32| {
        let caller = caller.clone();
        async move {
            caller.put(APP, &json!({ "clientId": format!("id-{number}"), "clientSecret": format!("{number}") })).await
        }
    };
    for reply in futures_util::future::join_all((0..8).map(put)).await {
        reply.ok();
    }
    let last = stored(&server.services).await.expect("an app");
    assert_eq!(last.client_id.expose(), format!("id-{}", last.client_secret.expose()), "id and secret belong together");
    assert_eq!(caller.delete(APP).await.status, 200);
    caller.delete(APP).await.fails(404, "app_not_found");
});

on_sqlite!(every_element_with_oauth_has_a_place_for_one, |server| async move {
    for element in ["closeio", "hubspot", "pipedrive", "sfdc"] {
        let path = format!("/elements/{element}/app");
        let shown = server.caller().put(&path, &app()).await.ok();
        assert!(shown["redirectUrl"].as_str().expect("an address").ends_with(&format!("-{element}")), "{shown}");
    }
});
