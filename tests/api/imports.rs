//! `POST /instances/import`: many instances at once, with the tokens that they have elsewhere (docs/moving.md).

use std::collections::BTreeSet;
use std::time::Instant;

use chrono::TimeDelta;
use ligand::store::limits::Limit;
use serde_json::{Value, json};

use super::audit::actions_of;
use super::external_tokens::own_tokens;
use crate::support::caller::{Caller, Reply, read};
use crate::support::on_both;

const TOKEN: &str = "POST /oauth/2026-03/token";

/// A line with a key.
pub fn key_line(number: usize) -> Value {
    json!({
        "importId": format!("old:{number}"),
        "name": format!("Customer {number}"),
        "externalId": format!("customer-{number}"),
        "element": { "key": "hubspotcrm" },
        "configuration": {
            "authentication.type": "apiKey",
            "hubspot.authorization.apikey": "3a9990ff-bf17-40b1-9ce1-e1702e36ab51",
        },
    })
}

/// A line with tokens.
pub fn token_line(import_id: &str, tokens: &Value) -> Value {
    json!({
        "importId": import_id,
        "name": import_id,
        "element": { "key": "hubspotcrm" },
        "configuration": { "oauth.api.key": "sandbox-client", "oauth.api.secret": "sandbox-secret" },
        "providerData": tokens,
    })
}

pub fn text_of(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

pub async fn sent(caller: &Caller, query: &str, body: String) -> Reply {
    let path = format!("/instances/import{query}");
    read(caller.request("POST", &path).header("content-type", "application/x-ndjson").body(body)).await
}

pub fn answers(reply: &Reply) -> Vec<Value> {
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-ndjson")), "{reply:?}");
    reply.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

async fn import(caller: &Caller, lines: &[Value]) -> Vec<Value> {
    answers(&sent(caller, "", text_of(lines)).await)
}

fn statuses(answers: &[Value]) -> Vec<&str> {
    answers.iter().map(|answer| answer["status"].as_str().expect("a status")).collect()
}

on_both!(a_line_becomes_an_instance_and_finds_it_again, |server| async move {
    let caller = server.caller();
    let (access_token, refresh_token) = own_tokens(&server).await;
    let tokens = json!({
        "access_token": access_token, "refresh_token": refresh_token, "refresh_time": "2026-03-01T11:50:00Z",
        "expires_at": "2026-03-01T12:20:00Z", "refresh_token_expires_at": "2026-06-01T00:00:00Z",
    });
    let mut whole = token_line("whole", &tokens);
    whole["tags"] = json!(["moved", "eu"]);
    whole["disabled"] = true.into();
    whole["vendorValues"] = json!({ "portalId": "62515" });
    whole["vendorAccount"] = json!({ "id": "62515", "name": "acme.example.com" });
    whole["grantedScopes"] = json!(["contacts", "oauth"]);
    let mut gone = token_line("gone", &json!({ "access_token": "at", "expires_in": 600 }));
    gone["invalidReason"] = "The vendor has withdrawn the grant.".into();
    let mut failing = token_line("failing", &json!({ "refresh_token": "rt" }));
    failing["failingSince"] = "2026-02-28T12:00:00Z".into();
    failing["refusedRefreshes"] = 3.into();
    failing["lastRefusal"] = "HubSpot refused the refresh token.".into();
    let lines =
        [whole, key_line(1), gone, failing, token_line("brief", &json!({ "access_token": "at", "expires_in": 600 }))];
    let reply = sent(&caller, "", text_of(&lines)).await;
    let made = answers(&reply);
    assert_eq!(statuses(&made), ["created"; 5], "{made:?}");
    let request = reply.header("elements-request-id").expect("an id");
    assert_eq!(actions_of(&server, request).await, ["instance.created"; 5]);
    assert_eq!(made.iter().map(|answer| answer["line"].as_u64()).collect::<Vec<_>>(), [1, 2, 3, 4, 5].map(Some));
    assert_eq!(made[0]["importId"], "whole");
    assert!(made[4]["warning"].as_str().is_some_and(|it| it.contains("no refresh token")), "{made:?}");
    assert!(made[0]["warning"].is_null() && made[1]["warning"].is_null(), "{made:?}");
    let mut shown = Vec::new();
    for answer in &made {
        shown.push(caller.get(&format!("/instances/{}", answer["id"])).await.ok());
    }
    let whole = &shown[0];
    assert_eq!(
        (&whole["name"], &whole["tags"], &whole["disabled"]),
        (&json!("whole"), &json!(["moved", "eu"]), &json!(true))
    );
    assert_eq!(
        (&whole["lastRefreshAt"], &whole["expiresAt"]),
        (&json!("2026-03-01T11:50:00Z"), &json!("2026-03-01T12:20:00Z"))
    );
    assert_eq!(whole["refreshTokenExpiresAt"], "2026-06-01T00:00:00Z");
    assert_eq!(whole["vendorAccount"], json!({ "id": "62515", "name": "acme.example.com" }));
    assert_eq!(
        (&whole["grantedScopes"], &whole["externalAuthentication"]),
        (&json!(["contacts", "oauth"]), &json!("initial"))
    );
    assert_eq!(whole["user"]["emailAddress"], "admin@example.com");
    assert_eq!((&shown[1]["externalId"], &shown[1]["externalAuthentication"]), (&json!("customer-1"), &json!("none")));
    assert_eq!(
        (&shown[2]["valid"], &shown[2]["invalidReason"]),
        (&json!(false), &json!("The vendor has withdrawn the grant."))
    );
    assert_eq!((&shown[3]["valid"], &shown[3]["refusedRefreshes"]), (&json!(true), &json!(3)));
    assert_eq!(shown[3]["failingSince"], "2026-02-28T12:00:00Z");
    assert!(server.sandbox().calls().is_empty(), "no vendor is asked");

    // Whatever else the line says by now.
    let mut again = lines.to_vec();
    again[0]["name"] = "another name".into();
    let found = import(&caller, &again).await;
    assert_eq!(statuses(&found), ["found"; 5], "{found:?}");
    let ids = |answers: &[Value]| answers.iter().map(|answer| answer["id"].clone()).collect::<Vec<_>>();
    assert_eq!((ids(&found), server.count().await), (ids(&made), 5));
    let mut moved = key_line(1);
    moved["element"] = json!({ "key": "hubspot" });
    assert_eq!(import(&caller, &[moved]).await[0]["code"], "id_mismatch");
    // The name of a line is its organization's alone, and goes with the instance.
    let stranger = server.stranger().await;
    assert_eq!(statuses(&import(&stranger, &[key_line(1)]).await), ["created"]);
    caller.delete(&format!("/instances/{}", made[1]["id"])).await.ok_empty();
    assert_eq!(statuses(&import(&caller, &[key_line(1), key_line(1)]).await), ["created", "found"]);
});

on_both!(a_refresh_token_is_first_sent_when_somebody_uses_the_instance, |server| async move {
    let caller = server.caller();
    let mut lines = Vec::new();
    for (name, told) in [
        ("over", json!({ "expires_at": 1_772_366_000 })),
        // Nobody knows how old it is.
        ("undated", json!({})),
    ] {
        let (access_token, refresh_token) = own_tokens(&server).await;
        let mut tokens = told;
        tokens["access_token"] = access_token.into();
        tokens["refresh_token"] = refresh_token.into();
        lines.push(token_line(name, &tokens));
    }
    let (_, refresh_token) = own_tokens(&server).await;
    lines.push(token_line("alone", &json!({ "refresh_token": refresh_token })));
    let made = import(&caller, &lines).await;
    assert_eq!(statuses(&made), ["created"; 3], "{made:?}");
    server.services.refresh_due().await.expect("the job runs");
    server.advance(TimeDelta::days(2));
    server.services.refresh_due().await.expect("the job runs");
    assert!(server.sandbox().calls().is_empty(), "the other system still uses them: {:?}", server.sandbox().calls());
    for (uses, answer) in (1..).zip(&made) {
        let shown = caller.get(&format!("/instances/{}", answer["id"])).await.ok();
        caller.with_element(shown["token"].as_str().expect("a token")).get("/ping").await.ok();
        assert_eq!(server.sandbox().counts(TOKEN).total, uses, "{shown}");
    }
});

on_both!(each_bad_line_is_told_and_stops_no_other, |server| async move {
    let caller = server.caller();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut line = key_line(9);
        change(&mut line);
        line.to_string()
    };
    let long = "x".repeat(600 << 10);
    let bad = [
        ("{\"importId\": ".to_owned(), "bad_body"),
        ("[]".to_owned(), "bad_body"),
        (changed(&|line| line["importId"] = Value::Null), "bad_body"),
        (changed(&|line| line["importId"] = "a\nb".into()), "bad_body"),
        (changed(&|line| line["name"] = Value::Null), "bad_name"),
        (changed(&|line| line["name"] = 7.into()), "bad_body"),
        (changed(&|line| line["element"] = json!({ "key": "nothing" })), "element_not_found"),
        (changed(&|line| drop(line.as_object_mut().unwrap().remove("element"))), "missing_element"),
        (changed(&|line| line["configuration"] = json!({ "authentication.type": "apiKey" })), "missing_configuration"),
        (changed(&|line| line["configuration"]["filter.response.nulls"] = "maybe".into()), "bad_configuration"),
        (changed(&|line| line["tags"] = json!([""])), "bad_tags"),
        (changed(&|line| line["vendorValues"] = json!({ "moon": 1 })), "bad_body"),
        (changed(&|line| line["failingSince"] = "lately".into()), "bad_body"),
        (changed(&|line| line["note"] = long.clone().into()), "body_too_large"),
        (token_line("a", &json!({})).to_string(), "missing_configuration"),
        (token_line("b", &json!({ "code": "c0de" })).to_string(), "bad_body"),
        (token_line("c", &json!({ "access_token": "s3cret", "expires_at": "soon" })).to_string(), "bad_configuration"),
        (token_line("d", &json!({ "access_token": "s3\ncret" })).to_string(), "bad_configuration"),
    ];
    let mut text = String::from("\u{feff}");
    for (number, (line, _)) in bad.iter().enumerate() {
        text.push_str(&format!("{}\r\n\n{line}\n", key_line(100 + number)));
    }
    let reply = sent(&caller, "", text).await;
    let told = answers(&reply);
    assert_eq!(told.len(), 2 * bad.len());
    for (number, (line, code)) in bad.iter().enumerate() {
        let (good, refused) = (&told[2 * number], &told[2 * number + 1]);
        assert_eq!((&good["status"], &good["line"]), (&json!("created"), &json!(3 * number + 1)), "{good}");
        assert_eq!(
            (&refused["code"], &refused["line"]),
            (&json!(code), &json!(3 * number + 3)),
            "{refused} of {line:.200}"
        );
        assert!(refused["message"].as_str().is_some_and(|it| it.ends_with('.')), "{refused}");
    }
    for secret in ["s3cret", "c0de", "3a9990ff"] {
        assert!(!reply.text.contains(secret), "{secret}");
    }
    assert_eq!(server.count().await, i64::try_from(bad.len()).unwrap());
    assert!(server.sandbox().calls().is_empty());
});

on_both!(what_is_no_import_is_refused_as_a_whole, |server| async move {
    let caller = server.caller();
    let line = || text_of(&[key_line(1)]);
    let typed =
        |kind: &'static str| caller.request("POST", "/instances/import").header("content-type", kind).body(line());
    read(typed("text/html")).await.fails(415, "unsupported_media_type");
    read(typed("application/x-ndjson").header("content-encoding", "gzip")).await.fails(415, "unsupported_media_type");
    sent(&caller, "?dryRun=perhaps", line()).await.fails(400, "bad_parameter");
    sent(&server.anonymous(), "", line()).await.fails(401, "missing_credentials");
    caller.get("/instances/import").await.fails(405, "method_not_allowed");
    assert_eq!(server.count().await, 0);
    for kind in ["application/jsonl", "application/json", "application/octet-stream"] {
        assert!(read(typed(kind)).await.text.contains("\"line\":1"), "{kind}");
    }
    assert_eq!(answers(&sent(&caller, "", String::new()).await), Vec::<Value>::new());
    for (lines, told) in [(line() + &line(), json!(["found", "found"])), (String::new(), json!([]))] {
        let asked = caller.request("POST", "/instances/import").header("content-type", "application/x-ndjson");
        let listed = read(asked.header("accept", "application/json").body(lines)).await.ok();
        let listed: Vec<&Value> = listed.as_array().expect("a list").iter().map(|answer| &answer["status"]).collect();
        assert_eq!(json!(listed), told);
    }
    // Blank lines count, too.
    let many = format!("{}{}{}", "\n".repeat(9_999), line(), line());
    let told = answers(&sent(&caller, "", many).await);
    assert_eq!(statuses(&told), ["found", "failed"], "{told:?}");
    assert_eq!((&told[1]["line"], &told[1]["code"]), (&json!(10_001), &json!("body_too_large")));
});

on_both!(a_dry_run_says_the_same_and_stores_nothing, |server| async move {
    let caller = server.caller();
    import(&caller, &[key_line(1)]).await;
    let mut bad = key_line(3);
    bad["name"] = "".into();
    let lines = text_of(&[key_line(1), key_line(2), key_line(2), bad]);
    let told = answers(&sent(&caller, "?dryRun=true", lines.clone()).await);
    assert_eq!(statuses(&told), ["found", "checked", "found", "failed"], "{told:?}");
    assert!(told[1]["id"].is_null() && told[2]["id"].is_null(), "{told:?}");
    assert_eq!(server.count().await, 1);
    assert_eq!(statuses(&answers(&sent(&caller, "", lines).await)), ["found", "created", "found", "failed"]);
});

on_both!(what_has_no_room_is_refused_and_costs_nothing, |server| async move {
    let caller = server.caller();
    let organization = caller.get("/organizations/me").await.ok()["id"].as_i64().expect("an id");
    let limit = |limits: Vec<(Limit, Option<u64>)>| server.services.set_limits(organization, limits);
    // One call, whatever it holds.
    limit(vec![(Limit::Instances, Some(70)), (Limit::Requests, Some(3))]).await.expect("the limits are set");
    let lines: Vec<Value> = (0..100).map(key_line).collect();
    let rehearsed = answers(&sent(&caller, "?dryRun=true", text_of(&lines)).await);
    let told = import(&caller, &lines).await;
    for (told, good) in [(&rehearsed, "checked"), (&told, "created")] {
        let refused: Vec<&Value> = told.iter().filter(|answer| answer["status"] == "failed").collect();
        assert_eq!((told.len(), refused.len()), (100, 30), "{good}: {told:?}");
        assert!(refused.iter().all(|answer| answer["code"] == "limit_reached"), "{refused:?}");
        assert_eq!(told.iter().filter(|answer| answer["status"] == good).count(), 70);
    }
    assert_eq!(server.count().await, 70);
    limit(vec![(Limit::Instances, None), (Limit::Requests, None)]).await.expect("the limits are set");
    let told = import(&caller, &lines).await;
    assert_eq!(told.iter().filter(|answer| answer["status"] == "found").count(), 70);
    assert_eq!(server.count().await, 100);
});

on_both!(five_thousand_lines_are_one_call, |server| async move {
    let caller = server.caller();
    caller.put("/notifications/webhook", &json!({ "url": "http://127.0.0.1:9/" })).await.ok();
    let mut lines: Vec<String> = (0..5000).map(|number| format!("{}\n", key_line(number))).collect();
    for number in (0..5000).step_by(250) {
        lines[number] = format!("{{\"importId\":\"old:{number}\"}}\n");
    }
    let stranger = server.stranger().await;
    let theirs = stranger.create_with_key("Theirs").await;
    server.sandbox().forget_calls();
    let import = async { (sent(&caller, "", lines.concat()).await, Instant::now()) };
    let others = async {
        for number in 0..3 {
            let renamed = json!({ "name": format!("Theirs, {number}") });
            stranger.patch(&format!("/instances/{}", theirs["id"]), &renamed).await.ok();
        }
        Instant::now()
    };
    let ((reply, ended), others_ended) = tokio::join!(import, others);
    assert!(others_ended < ended, "others have their turn in between");
    let told = answers(&reply);
    assert_eq!(
        told.iter().map(|answer| answer["line"].as_u64()).collect::<Vec<_>>(),
        (1..=5000).map(Some).collect::<Vec<_>>()
    );
    let made: BTreeSet<i64> = told.iter().filter_map(|answer| answer["id"].as_i64()).collect();
    assert_eq!((made.len(), server.count().await), (4980, 4980));
    let refused: Vec<_> = told.iter().filter(|answer| answer["status"] == "failed").collect();
    assert!(refused.len() == 20 && refused.iter().all(|answer| answer["code"] == "missing_element"), "{refused:?}");
    assert!(server.sandbox().calls().is_empty());
    let deliveries = caller.get("/notifications/deliveries?pageSize=200").await.ok();
    assert_eq!(deliveries.as_array().map(Vec::len), Some(200), "each is told");
});

on_both!(one_import_of_an_organization_at_a_time, |server| async move {
    let place = server.services.imports.wait(organization_of(&server.caller()).await, 1).await.expect("a place");
    let refused = sent(&server.caller(), "", text_of(&[key_line(1)])).await;
    refused.fails(503, "busy");
    assert_eq!(statuses(&import(&server.stranger().await, &[key_line(1)]).await), ["created"], "others are not kept");
    drop(place);
    assert_eq!(statuses(&import(&server.caller(), &[key_line(1)]).await), ["created"]);
});

async fn organization_of(caller: &Caller) -> i64 {
    caller.get("/organizations/me").await.ok()["id"].as_i64().expect("an id")
}

on_both!(a_token_goes_to_no_host_that_the_app_is_not_for, |server| async move {
    // As a creation that brings tokens: without the organization's app, or with it.
    let caller = server.caller();
    let mut line = token_line("app", &json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 60 }));
    line["configuration"] = json!({});
    assert_eq!(import(&caller, &[line.clone()]).await[0]["code"], "missing_configuration");
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    assert_eq!(statuses(&import(&caller, &[line]).await), ["created"]);
});
