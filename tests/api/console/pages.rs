//! What goes with every page: headers, navigation, and no secret.

use serde_json::json;

use super::person::{Person, assert_says};
use crate::support::caller::{Reply, with_key};
use crate::support::{TestServer, on_sqlite};

/// Every page of the console.
async fn pages(server: &TestServer) -> Vec<String> {
    let caller = server.caller();
    let webhook = json!({ "url": "https://app.example.com/notices" });
    caller.put("/notifications/webhook", &webhook).await.ok();
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    caller.put("/elements/hubspotcrm/app", &app).await.ok();
    let keyed = caller.create_with_key("Keyed").await["id"].clone();
    let authorised = caller.create_with_code(server.sandbox(), "Authorised").await["id"].clone();
    let link = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok()["id"].clone();
    vec![
        "/console".to_owned(),
        format!("/console/instances/{keyed}"),
        format!("/console/instances/{authorised}"),
        format!("/console/instances/{keyed}/delete"),
        "/console/elements".to_owned(),
        "/console/elements/hubspotcrm".to_owned(),
        "/console/links".to_owned(),
        format!("/console/links/{link}"),
        "/console/links/new".to_owned(),
        "/console/deliveries".to_owned(),
        "/console/organization".to_owned(),
    ]
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[track_caller]
fn assert_guarded(reply: &Reply, path: &str) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-robots-tag", "noindex"),
        ("cache-control", "no-store"),
        ("strict-transport-security", "max-age=31536000"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(reply.header(name), Some(value), "{path}");
    }
    for inline in ["<style", "style=", "onclick", "javascript:", "http-equiv"] {
        assert!(!reply.text.contains(inline), "{path}: {inline}");
    }
    for script in reply.text.split("<script").skip(1) {
        assert!(script.starts_with(" src=\"/console/assets/console.js\" defer>"), "{path}: {script}");
    }
}

on_sqlite!(every_page_has_its_headers_and_no_secret, |server| async move {
    let pages = pages(&server).await;
    let mut person = Person::admin(&server).await;
    let mut secrets = vec![
        with_key("")["configuration"]["hubspot.authorization.apikey"].as_str().unwrap().to_owned(),
        "sandbox-secret".to_owned(),
        server.admin.user_secret.expose().to_owned(),
        server.admin.organization_secret.expose().to_owned(),
        person.cookies["__Host-ligand-console"].clone(),
    ];
    for instance in server.caller().get("/instances").await.ok().as_array().unwrap() {
        secrets.push(instance["token"].as_str().unwrap().to_owned());
    }
    for path in pages.iter().map(String::as_str).chain(["/console/nothing"]) {
        let reply = person.get(path).await;
        assert_eq!(reply.status, if path.ends_with("nothing") { 404 } else { 200 }, "{path}: {reply:?}");
        assert_guarded(&reply, path);
        for secret in &secrets {
            assert!(!reply.text.contains(secret.as_str()), "{path} shows {secret}");
        }
        assert_says(&reply.text, &["<title>", " · Ligand</title>", "<h1>", "</h1>"]);
    }
    let mut nobody = Person::nobody(&server);
    for path in pages.iter().map(String::as_str) {
        let reply = nobody.get(path).await;
        assert_eq!(reply.status, 303, "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert!(reply.text.is_empty());
    }
    assert_guarded(&nobody.get("/console/sign-in").await, "/console/sign-in");
    assert_guarded(&nobody.get("/console/nothing").await, "/console/nothing");
});

on_sqlite!(an_address_says_which_methods_it_takes, |server| async move {
    let mut person = Person::admin(&server).await;
    for (method, path, allowed) in [
        ("PUT", "/console", "GET"),
        ("POST", "/console", "GET"),
        ("DELETE", "/console/organization", "GET, POST"),
        ("GET", "/console/sign-out", "POST"),
        ("PATCH", "/console/instances/1", "GET, POST"),
        ("POST", "/console/assets/console.css", "GET"),
    ] {
        let reply = crate::support::caller::read(person.request(method, path)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert!(reply.text.contains(&format!("it takes {allowed}.")), "{reply:?}");
    }
    for path in ["/console/nothing", "/console/assets/other.css", "/console/instances", "/console/links/1/2"] {
        person.fails_to_show(path, 404).await;
    }
    person.shown("/console/").await;
});

on_sqlite!(style_and_script_are_ours, |server| async move {
    let mut person = Person::nobody(&server);
    for (path, kind) in [
        ("/console/assets/console.css", "text/css; charset=utf-8"),
        ("/console/assets/console.js", "text/javascript; charset=utf-8"),
        ("/connect/assets/page.css", "text/css; charset=utf-8"),
    ] {
        let reply = person.get(path).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
});
