//! `PUT` and `PATCH`, with an id and by Element token; enabling; token reset.

use ligand::sandbox::{Failure, PresentedCredential, TOKEN_ROUTES};
use serde_json::{Value, json};

use crate::support::caller::{CALLBACK, read};
use crate::support::{TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";
const VERIFY: &str = "GET /account-info/v3/details";

fn path_of(instance: &Value) -> String {
    format!("/instances/{}", instance["id"])
}

fn token_of(instance: &Value) -> &str {
    instance["token"].as_str().expect("a token")
}

fn code(code: &str) -> Value {
    json!({ "providerData": { "code": code } })
}

on_both!(what_is_absent_stays, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_key("Before").await;
    let path = path_of(&instance);
    let mut expected = instance.clone();
    for method in ["PUT", "PATCH"] {
        for (change, member, value) in [
            (json!({ "name": "<b>R&D</b>" }), "name", json!("R&D")),
            (json!({ "tags": ["x", "y"] }), "tags", json!(["x", "y"])),
            (json!({ "tags": "one" }), "tags", json!(["one"])),
            (json!({ "tags": [] }), "tags", json!([])),
            (json!({ "name": "After" }), "name", json!("After")),
            (json!({ "externalId": "c-1" }), "externalId", json!("c-1")),
            (json!({ "externalId": null }), "externalId", json!(null)),
            (json!({ "disabled": true }), "disabled", json!(true)),
            (json!({ "disabled": false }), "disabled", json!(false)),
            (json!({ "tags": ["Docs"], "eventsEnabled": true }), "tags", json!(["Docs"])),
            (json!({}), "name", json!("After")),
        ] {
            expected[member] = value;
            assert_eq!(caller.send(method, &path, &change).await.ok(), expected, "{method} {change}");
            assert_eq!(caller.get(&path).await.ok(), expected, "{method} {change}");
        }
        for (change, code) in [
            (json!({ "name": null }), "bad_name"),
            (json!({ "name": "<br>" }), "bad_name"),
            (json!({ "tags": [""] }), "bad_tags"),
            (json!({ "id": 1 }), "id_mismatch"),
            (json!({ "element": { "key": "hubspot" } }), "id_mismatch"),
            (json!({ "element": { "id": 43 } }), "id_mismatch"),
            (json!({ "configuration": { "filter.response.nulls": "x" } }), "bad_configuration"),
            (json!({ "configuration": { "authentication.type": "x" } }), "bad_configuration"),
            (json!({ "externalAuthentication": "x" }), "bad_body"),
            (json!({ "providerData": { "error": "access_denied" } }), "authorization_denied"),
        ] {
            caller.send(method, &path, &change).await.fails(400, code);
        }
        assert_eq!(caller.get(&path).await.ok(), expected, "a refused change changes nothing");
    }
    assert_eq!(server.sandbox().counts(VERIFY).total, 1, "none of this concerns the vendor");
    let tags = caller.get("/instances?tags[]=Docs").await.ok();
    assert_eq!(tags[0]["id"], instance["id"], "the index of tags follows");
    assert_eq!(caller.get("/instances?tags[]=x&emptyList=200").await.ok(), json!([]));
});

on_both!(an_instance_sent_back_whole_changes_nothing, |server| async move {
    let caller = server.caller();
    let by_key = caller.create_with_key("Key").await;
    let by_code = caller.create_with_code(server.sandbox(), "Code").await;
    server.sandbox().forget_calls();
    for instance in [&by_key, &by_code] {
        for method in ["PUT", "PATCH"] {
            assert_eq!(caller.send(method, &path_of(instance), instance).await.ok(), *instance);
        }
        let reply = caller.with_element(token_of(instance)).put("/instances", instance).await;
        assert_eq!(reply.ok(), *instance);
        let by_element = format!("/elements/hubspotcrm{}", path_of(instance));
        assert_eq!(caller.put(&by_element, instance).await.ok(), *instance);
    }
    assert!(server.sandbox().calls().is_empty());
    // The secrets are still there: the key proves itself again, and the app exchanges another code.
    caller.put(&format!("{}?reAuthenticate=true", path_of(&by_key)), &json!({})).await.ok();
    let fresh = caller.code(server.sandbox()).await;
    caller.patch(&path_of(&by_code), &code(&fresh)).await.ok();
});

on_both!(a_new_code_replaces_the_credential_and_nothing_else, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Again").await;
    server.advance(chrono::TimeDelta::minutes(10));
    for (method, minutes) in [("PUT", "12:40:00"), ("PATCH", "12:40:00")] {
        let fresh = caller.code(server.sandbox()).await;
        let changed = caller.send(method, &path_of(&instance), &code(&fresh)).await.ok();
        assert_eq!(changed["expiresAt"], format!("2026-03-01T{minutes}Z"));
        let mut rest = changed.clone();
        for member in ["expiresAt", "lastRefreshAt"] {
            rest[member] = instance[member].clone();
        }
        let time = "oauth.user.refresh_time";
        rest["configuration"][time] = instance["configuration"][time].clone();
        assert_eq!(rest, instance, "id, token and all else stay");
    }
    assert_eq!(server.sandbox().live_grants(), 3);
});

on_both!(a_refused_code_leaves_the_old_credential, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Kept").await;
    let path = path_of(&instance);
    let wrong_app = json!({
        "providerData": { "code": caller.code(server.sandbox()).await },
        "configuration": { "oauth.api.secret": "wrong" }, "name": "Changed",
    });
    caller.patch(&path, &code("unknown")).await.fails(400, "vendor_refused");
    caller.patch(&path, &wrong_app).await.fails(400, "vendor_configuration");
    server.sandbox().set(|switches| switches.failure = Some(Failure::of(TOKEN_ROUTES, 503, 1)));
    let fresh = caller.code(server.sandbox()).await;
    caller.patch(&path, &code(&fresh)).await.fails(502, "vendor_unreachable");
    let without_code = format!("{path}?reAuthenticate=true");
    caller.put(&without_code, &json!({})).await.fails(400, "missing_code");
    assert_eq!(caller.get(&path).await.ok(), instance);
    // With the stored secret, not the wrong one.
    caller.patch(&path, &code(&fresh)).await.ok();
});

on_both!(a_new_key_is_verified_before_it_replaces_the_old_one, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_key("Key").await;
    let path = path_of(&instance);
    let key = |key: &str| json!({ "configuration": { "hubspot.authorization.apikey": key } });
    let settings = server.sandbox().settings().clone();
    for method in ["PUT", "PATCH"] {
        caller.send(method, &path, &key("wrong")).await.fails(400, "vendor_refused");
        caller.put(&format!("{path}?reAuthenticate=true"), &json!({})).await.ok();
        let proven = server.sandbox().calls().pop().and_then(|call| call.authorization);
        assert_eq!(proven, Some(PresentedCredential::new("hapikey", settings.api_key.expose())), "the old one stayed");
    }
    let before = server.sandbox().counts(VERIFY).total;
    caller.patch(&path, &key(settings.api_key.expose())).await.ok();
    assert_eq!(server.sandbox().counts(VERIFY).total, before, "the same key needs no proof");
    assert_eq!(caller.patch(&path, &key(settings.private_app_token.expose())).await.ok(), instance);
    caller.put(&format!("{path}?reAuthenticate=true"), &json!({})).await.ok();
    let proven = server.sandbox().calls().pop().and_then(|call| call.authorization);
    assert_eq!(proven, Some(PresentedCredential::new("Bearer", settings.private_app_token.expose())));
    caller.put(&format!("{path}?reAuthenticate=perhaps"), &json!({})).await.fails(400, "bad_parameter");
});

on_both!(the_authentication_type_can_be_switched, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_key("Switch").await;
    let path = path_of(&instance);
    let to_code = |code: Option<&str>| {
        let app = json!({
            "authentication.type": "oauth2", "oauth.api.key": "sandbox-client", "oauth.api.secret": "sandbox-secret",
            "oauth.callback.url": CALLBACK,
        });
        json!({ "configuration": app, "providerData": { "code": code } })
    };
    let alone = json!({ "configuration": { "authentication.type": "oauth2" } });
    caller.patch(&path, &alone).await.fails(400, "missing_configuration");
    caller.patch(&path, &to_code(None)).await.fails(400, "missing_code");
    let fresh = caller.code(server.sandbox()).await;
    let changed = caller.patch(&path, &to_code(Some(&fresh))).await.ok();
    assert_eq!((&changed["id"], &changed["token"]), (&instance["id"], &instance["token"]));
    assert_eq!(changed["configuration"]["oauth.user.token"], "********");
    assert_eq!(changed["expiresAt"], "2026-03-01T12:30:00Z");
    server.sandbox().forget_calls();
    let back = json!({ "configuration": { "authentication.type": "apiKey" } });
    let changed = caller.patch(&path, &back).await.ok();
    assert_eq!(server.sandbox().counts(VERIFY).total, 1, "the stored key is proven again");
    assert_eq!(changed["configuration"]["oauth.user.token"], Value::Null);
    assert_eq!(changed["expiresAt"], Value::Null);
});

on_both!(disabling_keeps_everything_else, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_key("On and off").await;
    let mut disabled = instance.clone();
    disabled["disabled"] = true.into();
    let own = caller.with_element(token_of(&instance));
    for (caller, path) in
        [(&caller, format!("{}/enabled", path_of(&instance))), (&own, "/instances/enabled".to_owned())]
    {
        for _ in 0..2 {
            assert_eq!(caller.delete(&path).await.ok(), disabled);
        }
        // As clients in the field send it: no body, its length said to be 0.
        let enable = caller.request("PUT", &path).header("content-length", "0").body("");
        assert_eq!(read(enable).await.ok(), instance);
    }
});

on_both!(a_token_names_its_instance, |server| async move {
    let caller = server.caller();
    let other = caller.create_with_key("Other").await;
    let instance = caller.create_with_key("Own").await;
    let own = caller.with_element(token_of(&instance));
    for method in ["PUT", "PATCH"] {
        let changed = own.send(method, "/instances", &json!({ "name": method, "id": instance["id"] })).await.ok();
        assert_eq!((&changed["id"], &changed["name"]), (&instance["id"], &json!(method)));
        own.send(method, "/instances", &json!({ "id": other["id"] })).await.fails(400, "id_mismatch");
        own.send(method, "/instances?reAuthenticate=true", &json!({})).await.ok();
    }
    let by_id = caller.get(&format!("{}/configuration", path_of(&instance))).await.ok();
    assert_eq!(own.get("/instances/configuration").await.ok(), by_id);
    let entry = by_id.as_array().expect("an array").iter().find(|entry| entry["key"] == "filter.response.nulls");
    let path = format!("/instances/configuration/{}", entry.expect("the entry")["id"]);
    assert_eq!(own.get(&path).await.ok(), *entry.expect("the entry"));
    let changed = own.patch(&path, &json!({ "propertyValue": false })).await.ok();
    assert_eq!(changed["propertyValue"], "false");
    own.get("/instances/configuration/999").await.fails(404, "configuration_not_found");
    // The literal body that clients in the field send with DELETE.
    let deletion = own.request("DELETE", "/instances").header("content-type", "application/json").body("null");
    let gone = read(deletion).await;
    assert_eq!((gone.status, gone.text.as_str()), (200, ""));
    caller.get(&path_of(&instance)).await.fails(404, "instance_not_found");
    own.get("/instances/configuration").await.fails(401, "bad_credentials");
    assert_eq!(caller.get(&path_of(&other)).await.ok(), other);
    let said = caller.get("/instances/configuration").await.fails(401, "missing_credentials");
    assert!(said.contains("Element"), "{said}");
    caller.with_element("nonsense").get("/instances/configuration").await.fails(401, "bad_credentials");
});

on_both!(a_token_is_reset_and_the_old_one_dies, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_key("Reset").await;
    let changed = caller.post(&format!("{}/token-reset", path_of(&instance)), &Value::Null).await.ok();
    assert_ne!(changed["token"], instance["token"]);
    assert_eq!(token_of(&changed).len(), 44);
    let mut rest = changed.clone();
    rest["token"] = instance["token"].clone();
    assert_eq!(rest, instance);
    caller.with_element(token_of(&instance)).get("/instances/configuration").await.fails(401, "bad_credentials");
    caller.with_element(token_of(&changed)).get("/instances/configuration").await.ok();
    assert_eq!(caller.get(&path_of(&instance)).await.ok(), changed);
});

async fn race(server: &TestServer, instance: &Value) -> Vec<Value> {
    let caller = server.caller();
    let path = path_of(instance);
    let changes: Vec<_> = (0..6).map(|at| json!({ "configuration": { (format!("k{at}")): at.to_string() } })).collect();
    let calls = changes.iter().map(|change| caller.patch(&path, change));
    futures_util::future::join_all(calls).await.iter().map(crate::support::Reply::ok).collect()
}

on_both!(changes_at_once_are_all_kept, |server| async move {
    let instance = server.caller().create_with_key("Race").await;
    assert_eq!(race(&server, &instance).await.len(), 6);
    let after = server.caller().get(&path_of(&instance)).await.ok();
    for at in 0..6 {
        assert_eq!(after["configuration"][format!("k{at}")], at.to_string());
    }
});

on_both!(a_code_is_spent_once_however_often_the_change_is_tried, |server| async move {
    let caller = server.caller();
    let instance = caller.create_with_code(server.sandbox(), "Race").await;
    let fresh = caller.code(server.sandbox()).await;
    server.sandbox().forget_calls();
    server.sandbox().patch(&json!({ "replyDelayMs": 300 })).expect("a switch");
    let path = path_of(&instance);
    let body = code(&fresh);
    let (exchanged, _) = tokio::join!(caller.patch(&path, &body), race(&server, &instance));
    let last = exchanged.ok();
    assert_eq!(server.sandbox().counts(TOKEN).total, 1);
    assert_eq!(last["token"], instance["token"]);
    // Neither the exchange nor the others lost anything, whoever came first.
    let after = caller.get(&path).await.ok();
    for at in 0..6 {
        assert_eq!(after["configuration"][format!("k{at}")], at.to_string());
    }
});

on_both!(what_does_not_exist_cannot_be_changed, |server| async move {
    let caller = server.caller();
    for id in ["1", "-1", "0", "9223372036854775807", "99999999999999999999", "x", "1.5", "%00"] {
        let path = format!("/instances/{id}");
        caller.get(&path).await.fails(404, "instance_not_found");
        caller.put(&path, &json!({ "name": "x" })).await.fails(404, "instance_not_found");
        caller.patch(&path, &json!({ "name": "x" })).await.fails(404, "instance_not_found");
        caller.delete(&path).await.fails(404, "instance_not_found");
        caller.delete(&format!("{path}/enabled")).await.fails(404, "instance_not_found");
    }
});

on_both!(changes_at_once_wait_for_each_other, |server| async move {
    let caller = server.caller();
    let path = format!("/instances/{}", caller.create_with_key("Busy").await["id"]);
    let changes = (0..24).map(|number| {
        let (caller, path) = (caller.clone(), path.clone());
        async move { caller.patch(&path, &json!({ "configuration": { format!("note.{number}"): "x" } })).await }
    });
    for reply in futures_util::future::join_all(changes).await {
        reply.ok();
    }
    let configuration = caller.get(&path).await.ok()["configuration"].clone();
    assert!((0..24).all(|number| configuration[format!("note.{number}")] == "x"), "{configuration}");
});
