//! Elements and their apps, connect links, and the organization.

use serde_json::{Value, json};

use super::person::{Person, assert_says, between};
use crate::support::{TestServer, on_both, on_sqlite};

const APP: &str = "/console/elements/hubspotcrm";

async fn store_app(server: &TestServer) {
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    server.caller().put("/elements/hubspotcrm/app", &app).await.ok();
}

on_sqlite!(elements_are_found_by_words_and_hub, |server| async move {
    let mut person = Person::admin(&server).await;
    let page = person.shown("/console/elements").await;
    assert_says(&page, &["hubspotcrm", "crm", "oauth2", "badge idle\">none", "Set up"]);
    let found = person.shown("/console/elements?q=HUBSPOT&hub=crm").await;
    assert!(found.contains("/console/elements/hubspotcrm") && !found.contains("/console/elements/sfdc"), "{found}");
    assert!(person.shown("/console/elements?q=nosuchthing").await.contains("No element fits."));
    store_app(&server).await;
    let page = person.shown("/console/elements?q=hubspotcrm").await;
    assert_says(&page, &["badge good\">stored", "value=\"connect\"", "Connect Hubspot CRM"]);
    person.fails_to_show("/console/elements/nothing", 404).await;
});

on_both!(an_app_is_stored_and_its_secret_stays, |server| async move {
    let mut person = Person::admin(&server).await;
    let page = person.shown(APP).await;
    assert_says(
        &page,
        &["an administrator stores", "value=\"https://ligand.example/connector/callback/", "None is stored."],
    );
    let page = person.fails(APP, &[("do", "save-app"), ("clientId", "sandbox-client"), ("scopes", "a b")], 400).await;
    assert_says(&page, &["role=\"alert\"", "clientSecret is missing", "value=\"sandbox-client\"", "value=\"a b\""]);
    let fields =
        [("do", "save-app"), ("clientId", "sandbox-client"), ("clientSecret", "sandbox-secret"), ("none", "true")];
    let page = person.does(APP, &fields).await;
    assert_says(
        &page,
        &[
            "Saved.",
            "Connect an account",
            "value=\"sandbox-client\"",
            "One is stored.",
            "name=\"none\" value=\"true\" checked",
        ],
    );
    assert!(!page.contains("sandbox-secret"), "{page}");

    let fields = [
        ("do", "save-app"),
        ("clientId", "other-client"),
        ("clientSecret", ""),
        ("scopes", ""),
        ("preset", "granular"),
    ];
    let page = person.does(APP, &fields).await;
    assert_says(&page, &["value=\"granular\" selected", "Asked for", "crm.objects.contacts.read"]);
    let app = server.caller().get("/elements/hubspotcrm/app").await.ok();
    assert_eq!(
        (&app["clientId"], &app["clientSecret"], &app["preset"]),
        (&json!("other-client"), &json!("********"), &json!("granular"))
    );
    assert_eq!(app["optionalScopes"], Value::Null);

    let page = person.does(APP, &[("do", "remove-app")]).await;
    assert_says(&page, &["The app was removed.", "None is stored."]);
});

on_both!(one_connects_an_account_of_ones_own, |server| async move {
    store_app(&server).await;
    let mut person = Person::admin(&server).await;
    let reply = person.send(APP, &[("do", "connect"), ("authentication", "oauth2")]).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert!(reply.header("location").unwrap().starts_with("https://ligand.example/connect/"), "{reply:?}");
    let link = server.caller().get("/connect/links").await.ok()[0].clone();
    assert_eq!(link["elements"], json!(["hubspotcrm"]));
    let own = json!({ "elements": ["hubspotcrm"], "redirectUrl": "https://ligand.example/console/connected", "toConsole": true });
    server.caller().post("/connect/links", &own).await.fails(400, "address_not_allowed");

    let id = server.caller().create_with_key("Mine").await["id"].clone();
    for (query, target) in [
        (format!("status=authorised&instanceId={id}"), format!("/console/instances/{id}?done=connected")),
        ("status=denied".to_owned(), "/console/elements".to_owned()),
        ("status=authorised&instanceId=//evil.example".to_owned(), "/console/elements".to_owned()),
    ] {
        let reply = person.get(&format!("/console/connected?{query}")).await;
        assert_eq!((reply.status, reply.header("location")), (303, Some(target.as_str())));
    }
});

on_both!(links_are_made_copied_and_withdrawn, |server| async move {
    store_app(&server).await;
    let mut person = Person::admin(&server).await;
    assert!(person.shown("/console/links").await.contains("No connect link fits."));
    let fields = [
        ("element", "hubspotcrm"),
        ("element", "freshdesk"),
        ("customer", "customer-7"),
        ("name", "Seventh"),
        ("expiresIn", "3600"),
    ];
    let refused = [fields[2], ("redirectUrl", "https://evil.example/")];
    let page = person.fails("/console/links/new", &refused, 400).await;
    assert_says(
        &page,
        &["role=\"alert\"", "allowed origins", "value=\"customer-7\"", "value=\"https://evil.example/\""],
    );
    let reply = person.send("/console/links/new", &fields).await;
    let made = reply.header("location").expect("a location").to_owned();
    let page = person.shown(&made).await;
    let link = server.caller().get("/connect/links").await.ok()[0].clone();
    let url = link["url"].as_str().unwrap();
    assert_says(
        &page,
        &[
            "The link is made.",
            &format!("data-copy=\"{url}\""),
            "pending",
            "Seventh",
            "customer-7",
            "2026-03-01 13:00:00",
        ],
    );
    assert_eq!(link["elements"], json!(["hubspotcrm", "freshdesk"]));

    server
        .caller()
        .post("/connect/links", &json!({ "elements": ["hubspotcrm"], "externalId": "customer-8" }))
        .await
        .ok();
    let list = person.shown("/console/links").await;
    assert_says(&list, &["customer-8", "customer-7", url]);
    assert!(!person.shown("/console/links?customer=customer-8").await.contains("customer-7"));
    assert!(person.shown("/console/links?status=denied").await.contains("No connect link fits."));

    let path = format!("/console/links/{}", link["id"]);
    let page = person.does(&path, &[("do", "revoke")]).await;
    assert_says(&page, &["Withdrawn.", "badge idle\">revoked"]);
    assert!(!page.contains(url), "what works no more is not copied");
    assert!(!person.shown("/console/links").await.contains(url));
    assert_eq!(server.caller().get(&format!("/connect/links/{}", link["id"])).await.ok()["status"], "revoked");
});

on_sqlite!(a_long_list_of_links_goes_on, |server| async move {
    store_app(&server).await;
    for _ in 0..51 {
        server.caller().post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
    }
    let mut person = Person::admin(&server).await;
    let page = person.shown("/console/links?status=pending").await;
    assert_eq!(page.matches("id=\"link-").count(), 50);
    let next = between(&page, "id=\"next-page\" href=\"", "\"").expect("a next page").replace("&amp;", "&");
    let first = server.caller().get("/connect/links").await.ok()[0]["id"].clone();
    assert_says(&person.shown(&next).await, &[&format!("id=\"link-{first}\""), "First page"]);
});

on_both!(an_organization_chooses_origins_and_brand, |server| async move {
    let mut person = Person::admin(&server).await;
    let fields = [
        ("do", "save"),
        ("allowedOrigins", "https://app.example.com\r\nhttp://localhost:*"),
        ("displayName", "Acme Shop"),
        ("logoUrl", ""),
        ("colour", "#2A5BD7"),
        ("applicationUrl", "https://app.example.com/connections"),
    ];
    let page = person.does("/console/organization", &fields).await;
    assert_says(
        &page,
        &["Saved.", "https://app.example.com\nhttp://localhost:*", "value=\"Acme Shop\"", "value=\"#2a5bd7\""],
    );
    let shown = server.caller().get("/organizations/me").await.ok();
    assert_eq!(shown["vendorBearer"], false);
    assert_eq!(shown["applicationUrl"], "https://app.example.com/connections");
    assert_eq!(shown["brand"], json!({ "displayName": "Acme Shop", "logoUrl": null, "colour": "#2a5bd7" }));
    let page = person.fails("/console/organization", &[("do", "save"), ("allowedOrigins", "example.com")], 400).await;
    assert_says(&page, &["role=\"alert\"", "is no origin", ">\nexample.com</textarea>"]);
    let page = person.does("/console/organization", &[("do", "save"), ("vendorBearer", "true")]).await;
    assert_says(&page, &["name=\"vendorBearer\" value=\"true\" checked"]);
    let shown = server.caller().get("/organizations/me").await.ok();
    assert_eq!((&shown["allowedOrigins"], &shown["brand"]["displayName"]), (&json!([]), &Value::Null));
});

on_sqlite!(some_things_are_for_administrators_alone, |server| async move {
    store_app(&server).await;
    let mut member = Person::member(&server).await;
    let page = member.shown("/console").await;
    assert!(page.contains("member@example.com") && !page.contains("/console/organization"), "{page}");
    let page = member.shown(APP).await;
    assert_says(&page, &["Connect an account", "Only an administrator of the organization"]);
    assert!(!page.contains("sandbox-client") && !page.contains("name=\"clientSecret\""), "{page}");
    member.fails_to_show("/console/organization", 403).await;
    member.shown("/console").await;
    member.fails("/console/organization", &[("do", "save"), ("displayName", "Changed")], 403).await;
    member.fails(APP, &[("do", "save-app"), ("clientId", "changed")], 403).await;
    member.fails(APP, &[("do", "remove-app")], 403).await;
    assert_eq!(server.caller().get("/elements/hubspotcrm/app").await.ok()["clientId"], "sandbox-client");
    assert_eq!(member.send(APP, &[("do", "connect")]).await.status, 303, "to connect is for everybody");
});
