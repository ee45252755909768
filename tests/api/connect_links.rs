//! `/connect/links`: what an integrator may ask for, and what it is told.

use chrono::TimeDelta;
use ligand::jobs;
use serde_json::{Value, json};

use crate::support::browser::{APP, Browser, link, set_up, shown};
use crate::support::{on_both, on_sqlite};

on_both!(a_link_says_what_it_was_made_with, |server| async move {
    let caller = set_up(&server).await;
    let asked = json!({
        "elements": ["168"], "authenticationType": "oauth2", "preset": "granular", "name": "<b>Acme</b>", "tags": ["a"],
        "externalId": "customer-42", "origin": format!("{APP}/"), "scopes": "contacts", "optionalScopes": "files",
        "configuration": { "filter.response.nulls": false }, "redirectUrl": format!("{APP}/done"),
        "notifyUrl": "https://app.example/notices", "expiresIn": 3600,
    });
    let made = caller.post("/connect/links", &asked).await.ok();
    let expected = json!({
        "status": "pending", "elements": ["hubspotcrm"], "elementKey": "hubspotcrm", "authenticationType": "oauth2",
        "preset": "granular", "name": "Acme", "tags": ["a"], "externalId": "customer-42", "origin": APP,
        "scopes": "contacts", "optionalScopes": "files", "redirectUrl": format!("{APP}/done"),
        "notifyUrl": "https://app.example/notices", "expiresAt": "2026-03-01T13:00:00Z", "instanceId": null,
        "reason": null, "grantedScopes": null, "vendorAccount": null, "allowOtherAccount": false,
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&made[member], value, "{member}");
    }
    let url = made["url"].as_str().unwrap();
    let token = url.strip_prefix("https://ligand.example/connect/").expect("our page");
    assert_eq!(token.len(), 43, "{token}");
    assert_eq!(shown(&caller, &made).await, made);
    // Without a word: a week, and the token is another one.
    let other = caller.post("/connect/links", &json!({})).await.ok();
    assert_eq!((&other["expiresAt"], &other["elements"]), (&json!("2026-03-08T12:00:00Z"), &json!([])));
    assert_ne!(other["url"], made["url"]);
});

on_sqlite!(what_no_link_can_be_made_of_is_refused, |server| async move {
    let caller = set_up(&server).await;
    let instance = caller.create_with_key("Here").await["id"].clone();
    let customer = json!({ "externalId": "a" });
    caller.patch(&format!("/instances/{instance}"), &customer).await.ok();
    let long = "x".repeat(5000);
    for (more, status, code) in [
        (json!({ "elements": ["nothing"] }), 404, "element_not_found"),
        (json!({ "elements": ["pipedrive"] }), 404, "app_not_found"),
        (json!({ "authenticationType": "basic" }), 400, "bad_authentication_type"),
        (json!({ "elements": ["sfdc"], "authenticationType": "apiKey" }), 400, "bad_authentication_type"),
        (json!({ "preset": "unknown" }), 400, "bad_link"),
        (json!({ "scopes": "a \"b\"" }), 400, "bad_scopes"),
        (json!({ "scopes": long }), 400, "bad_link"),
        (json!({ "configuration": { "unknown.key": "x" } }), 400, "bad_configuration"),
        (json!({ "configuration": { "oauth.user.token": "x" } }), 400, "bad_configuration"),
        (json!({ "configuration": { "create.bulk.properties": "perhaps" } }), 400, "bad_configuration"),
        (json!({ "expiresIn": 59 }), 400, "bad_link"),
        (json!({ "expiresIn": 7_776_001 }), 400, "bad_link"),
        (json!({ "expiresIn": "soon" }), 400, "bad_body"),
        (json!({ "name": "<b></b>" }), 400, "bad_name"),
        (json!({ "tags": ["<b>"] }), 400, "bad_tags"),
        (json!({ "externalId": "a\u{1}" }), 400, "bad_body"),
        (json!({ "origin": "https://evil.example" }), 400, "address_not_allowed"),
        (json!({ "origin": format!("{APP}/path") }), 400, "bad_link"),
        (json!({ "origin": "*" }), 400, "bad_link"),
        (json!({ "redirectUrl": "https://evil.example/" }), 400, "address_not_allowed"),
        (json!({ "redirectUrl": "https://app.example.evil.example/" }), 400, "address_not_allowed"),
        (json!({ "redirectUrl": "https://app.example@evil.example/" }), 400, "bad_link"),
        (json!({ "redirectUrl": "https://evil.example\\@app.example/" }), 400, "address_not_allowed"),
        (json!({ "redirectUrl": "javascript:alert(1)" }), 400, "bad_link"),
        (json!({ "redirectUrl": "/path" }), 400, "bad_link"),
        (json!({ "redirectUrl": format!("{APP}/#x") }), 400, "bad_link"),
        (json!({ "notifyUrl": "ftp://app.example" }), 400, "bad_link"),
        (json!({ "notifyUrl": "https://a:b@app.example" }), 400, "bad_link"),
        (json!({ "instanceId": 999_999 }), 404, "instance_not_found"),
        (json!({ "elements": ["hubspot"], "instanceId": instance }), 400, "id_mismatch"),
        (json!({ "instanceId": instance, "externalId": "b" }), 400, "id_mismatch"),
        (json!({ "allowOtherAccount": true }), 400, "bad_link"),
        (json!({ "confirm": true }), 400, "bad_link"),
    ] {
        let mut body = json!({ "elements": ["hubspotcrm"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let message = caller.post("/connect/links", &body).await.fails(status, code);
        assert!(message.ends_with('.'), "{message}");
    }
    caller.get("/connect/links").await.fails(404, "nothing_found");
    server.anonymous().post("/connect/links", &json!({})).await.fails(401, "missing_credentials");
});

on_both!(links_are_listed_by_customer_and_status, |server| async move {
    let caller = set_up(&server).await;
    let ids = |reply: Value| -> Vec<i64> {
        reply.as_array().expect("a list").iter().map(|link| link["id"].as_i64().unwrap()).collect()
    };
    let mut made = Vec::new();
    for (customer, expires) in [("a", 60), ("b", 600), ("a", 600), ("c", 600)] {
        made.push(link(&caller, json!({ "externalId": customer, "expiresIn": expires })).await["id"].as_i64().unwrap());
    }
    assert_eq!(ids(caller.get("/connect/links").await.ok()), made);
    assert_eq!(ids(caller.get("/connect/links?externalId=a").await.ok()), [made[0], made[2]]);
    let first = caller.get("/connect/links?pageSize=3").await;
    let next = first.header("elements-next-page-token").expect("another page").to_owned();
    assert_eq!(ids(first.ok()), made[..3]);
    assert_eq!(ids(caller.get(&format!("/connect/links?pageSize=3&nextPage={next}")).await.ok()), made[3..]);
    caller.delete(&format!("/connect/links/{}", made[3])).await.ok();
    // Time ends the first one, whether or not a job has noticed.
    server.advance(TimeDelta::seconds(60));
    for swept in [false, true] {
        if swept {
            assert_eq!(server.services.expire_links().await.expect("no fault"), 1);
            assert_eq!(server.services.expire_links().await.expect("no fault"), 0);
        }
        for (status, expected) in [("pending", &made[1..3]), ("expired", &made[..1]), ("revoked", &made[3..])] {
            assert_eq!(ids(caller.get(&format!("/connect/links?status={status}")).await.ok()), expected, "{status}");
        }
        let expired = caller.get(&format!("/connect/links/{}", made[0])).await.ok();
        assert_eq!(expired["status"], "expired");
    }
    assert!(ids(caller.get("/connect/links?status=opened&emptyList=200").await.ok()).is_empty());
    caller.get("/connect/links?status=open").await.fails(400, "bad_parameter");
    caller.get("/connect/links?externalId=%00").await.fails(404, "nothing_found");
    // Nobody else's.
    let stranger = server.stranger().await;
    stranger.get("/connect/links").await.fails(404, "nothing_found");
    for path in [made[1].to_string(), "999999".to_owned(), "x".to_owned(), "99999999999999999999".to_owned()] {
        let path = format!("/connect/links/{path}");
        stranger.get(&path).await.fails(404, "link_not_found");
        stranger.delete(&path).await.fails(404, "link_not_found");
    }
    jobs::purge(&server.services).await.expect("no fault");
});

on_both!(a_withdrawn_link_works_no_more, |server| async move {
    let caller = set_up(&server).await;
    let made = link(&caller, json!({})).await;
    let path = format!("/connect/links/{}", made["id"]);
    let browser = Browser::new(&server);
    let to_vendor = browser.submit(&made, &[]).await;
    let revoked = caller.delete(&path).await.ok();
    assert_eq!((&revoked["status"], &revoked["id"]), (&json!("revoked"), &made["id"]));
    assert_eq!(caller.delete(&path).await.ok()["status"], "revoked", "twice is once");
    // Not even for who is at the vendor, and the code is not spent.
    browser.follow(to_vendor).await.says(410, "This link was withdrawn");
    assert_eq!(server.sandbox().counts("POST /oauth/2026-03/token").total, 0);
    browser.get(made["url"].as_str().unwrap()).await.says(410, "This link was withdrawn");
    assert_eq!(server.count().await, 0);
    // What is over is not withdrawn.
    let spent = link(&caller, json!({})).await;
    browser.connect(&spent).await.says(200, "Hubspot CRM is connected");
    let message = caller.delete(&format!("/connect/links/{}", spent["id"])).await.fails(409, "link_ended");
    assert_eq!(message, "The link is authorised: it does not work any more.");
});

on_both!(a_page_of_links_ends_at_a_number_of_bytes_too, |server| async move {
    let caller = set_up(&server).await;
    let mut made = Vec::new();
    for _ in 0..40 {
        let configuration = json!({ "oauth.api.key": "x".repeat(60_000) });
        made.push(
            link(&caller, json!({ "elements": ["hubspotcrm"], "configuration": configuration })).await["id"].clone(),
        );
    }
    let (mut listed, mut pages, mut next) = (Vec::new(), 0, String::new());
    loop {
        let page = caller.get_with("/connect/links", &[("nextPage", next.as_str())]).await;
        assert!(page.text.len() < 3 << 20, "{} bytes", page.text.len());
        listed.extend(page.ok().as_array().expect("a list").iter().map(|link| link["id"].clone()));
        pages += 1;
        match page.header("elements-next-page-token") {
            Some(token) => next = token.to_owned(),
            None => break,
        }
    }
    assert_eq!((listed, pages), (made, 2));
});
