//! Other sites, other organizations, and texts that want to be more than texts.

use serde_json::json;

use super::person::{ORIGIN, Person, form};
use crate::support::caller::{read, with_key};
use crate::support::server::PASSWORD;
use crate::support::{TestServer, on_sqlite};

const SIGN_IN: [(&str, &str); 2] = [("email", "admin@example.com"), ("password", PASSWORD)];

on_sqlite!(no_other_site_signs_anybody_in, |server| async move {
    let mut person = Person::nobody(&server);
    person.get("/console/sign-in").await;
    let own = person.token.clone();
    let mut attacker = Person::nobody(&server);
    attacker.get("/console/sign-in").await;
    for token in ["", "x", attacker.token.as_str()] {
        let fields = [("token", token), SIGN_IN[0], SIGN_IN[1]];
        let reply = read(form(person.request("POST", "/console/sign-in"), &fields)).await;
        assert_eq!((reply.status, reply.header("set-cookie")), (403, None), "{token}");
    }
    let fields = [("token", own.as_str()), SIGN_IN[0], SIGN_IN[1]];
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://ligand.example"),
        ("origin", "https://ligand.example.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let reply = read(form(person.request("POST", "/console/sign-in").header(header, value), &fields)).await;
        assert_eq!((reply.status, reply.header("set-cookie")), (403, None), "{header}: {value}");
    }
    // Without the cookie, as other sites' forms come (SameSite).
    let reply = read(form(server.anonymous().request_at_root("POST", "/console/sign-in"), &fields)).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text.contains("did not send back the cookie"), "{reply:?}");
    assert!(!reply.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().contains("console=")));
    let reply = read(form(person.request("POST", "/console/sign-in").header("origin", ORIGIN), &fields)).await;
    assert_eq!(reply.status, 303, "all that was missing was the right origin");
});

/// Every form: its address and what it would do.
async fn forms(server: &TestServer) -> Vec<(String, Vec<(&'static str, &'static str)>)> {
    let caller = server.caller();
    let instance = caller.create_with_key("Untouched").await["id"].as_i64().unwrap();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let link = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok()["id"].as_i64().unwrap();
    let page = format!("/console/instances/{instance}");
    vec![
        (page.clone(), vec![("do", "disable")]),
        (page.clone(), vec![("do", "save"), ("name", "Changed")]),
        (page.clone(), vec![("do", "renew")]),
        (format!("{page}/delete"), vec![("do", "delete")]),
        (format!("/console/links/{link}"), vec![("do", "revoke")]),
        ("/console/links/new".to_owned(), vec![("name", "Changed")]),
        ("/console/elements/hubspotcrm".to_owned(), vec![("do", "connect")]),
        ("/console/elements/hubspotcrm".to_owned(), vec![("do", "remove-app")]),
        ("/console/elements/hubspotcrm".to_owned(), vec![("do", "save-app"), ("clientId", "changed")]),
        ("/console/organization".to_owned(), vec![("do", "save"), ("displayName", "Changed")]),
        ("/console/organization".to_owned(), vec![("do", "set-webhook"), ("url", "https://evil.example/")]),
        ("/console/deliveries".to_owned(), vec![("do", "retry"), ("id", "1")]),
        ("/console/sign-out".to_owned(), vec![]),
    ]
}

/// What forms could have changed.
async fn state(server: &TestServer) -> String {
    let caller = server.caller();
    let mut all = String::new();
    for path in
        ["/instances", "/connect/links", "/elements/hubspotcrm/app", "/organizations/me", "/notifications/webhook"]
    {
        all += &caller.get(path).await.ok().to_string();
    }
    all
}

on_sqlite!(no_form_works_from_elsewhere, |server| async move {
    let forms = forms(&server).await;
    let person = Person::admin(&server).await;
    // Another session of the same person.
    server.advance(chrono::TimeDelta::seconds(1));
    let other = Person::admin(&server).await;
    assert_ne!(person.token, other.token);
    let before = state(&server).await;
    for (path, fields) in &forms {
        for token in ["", "x", other.token.as_str()] {
            let fields: Vec<_> = [("token", token)].into_iter().chain(fields.iter().copied()).collect();
            let reply = read(form(person.request("POST", path).header("origin", ORIGIN), &fields)).await;
            assert_eq!(reply.status, 403, "{path} {fields:?}: {reply:?}");
        }
        let fields: Vec<_> = [("token", person.token.as_str())].into_iter().chain(fields.iter().copied()).collect();
        for (header, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let reply = read(form(person.request("POST", path).header(header, value), &fields)).await;
            assert_eq!(reply.status, 403, "{path}: {reply:?}");
        }
    }
    assert_eq!(state(&server).await, before);
});

on_sqlite!(another_organizations_rows_are_not_there, |server| async move {
    let forms = forms(&server).await;
    let before = state(&server).await;
    let mut stranger = Person::stranger(&server).await;
    for (path, fields) in forms.iter().filter(|(path, _)| path.bytes().any(|byte| byte.is_ascii_digit())) {
        assert_eq!(stranger.get(path).await.status, 404, "{path}");
        stranger.fails(path, fields, 404).await;
    }
    for list in ["/console", "/console/links", "/console/elements/hubspotcrm"] {
        let page = stranger.shown(list).await;
        assert!(!page.contains("Untouched") && !page.contains("sandbox-client"), "{page}");
    }
    assert_eq!(state(&server).await, before);
});

const SCRIPT: &str = "\"><script>alert(1)</script>&<img src=x onerror=alert(1)>";

on_sqlite!(a_script_in_a_name_is_a_text, |server| async move {
    let caller = server.caller();
    let mut body = with_key("a\" onmouseover=\"alert(1)");
    body["externalId"] = SCRIPT.into();
    body["tags"] = json!(["</textarea><b"]);
    body["configuration"]["event.notification.callback.url"] = SCRIPT.into();
    body["configuration"]["event.vendor.type"] = SCRIPT.into();
    let id = caller.post("/instances", &body).await.ok()["id"].clone();
    let app = json!({ "clientId": "x\" autofocus", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let link = json!({ "elements": ["hubspotcrm"], "externalId": SCRIPT, "name": "x\" autofocus" });
    let link = caller.post("/connect/links", &link).await.ok()["id"].clone();
    let mut person = Person::admin(&server).await;
    let query = serde_urlencoded::to_string([("q", SCRIPT), ("customer", SCRIPT), ("done", SCRIPT), ("state", SCRIPT)]);
    let query = query.unwrap();
    let pages = [
        "/console".to_owned(),
        "/console/elements/hubspotcrm".to_owned(),
        format!("/console/links/{link}"),
        format!("/console?{query}"),
        format!("/console/instances/{id}?{query}"),
        format!("/console/instances/{id}/delete"),
        format!("/console/elements?{query}"),
        "/console/links".to_owned(),
        format!("/console/links?{query}"),
        format!("/console/links/new?{query}"),
    ];
    for path in &pages {
        let page = person.shown(path).await;
        for bad in ["<script>", "<img", "onmouseover=\"", "</textarea><b", "x\" autofocus"] {
            assert!(!page.contains(bad), "{path}: {bad} in {page}");
        }
    }
    let page = person.fails("/console/links/new", &[("customer", SCRIPT), ("redirectUrl", SCRIPT)], 400).await;
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"), "{page}");
});
