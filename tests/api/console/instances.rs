//! Instances: looked over, edited, switched off, renewed and deleted.

use chrono::TimeDelta;
use ligand::sandbox::EndOfGrant;
use serde_json::{Value, json};

use super::person::{Person, assert_says, between};
use crate::api::host_change::Hosts;
use crate::api::shares::connect;
use crate::support::browser::Browser;
use crate::support::caller::with_key;
use crate::support::server::{PASSWORD, run_with};
use crate::support::{TestServer, on_both, on_sqlite};

const KEY: &str = "hubspot.authorization.apikey";

async fn create(server: &TestServer, name: &str, customer: &str) -> i64 {
    let mut body = with_key(name);
    body["externalId"] = customer.into();
    server.caller().post("/instances", &body).await.ok()["id"].as_i64().expect("an id")
}

fn names(page: &str) -> Vec<&str> {
    let links = page.split("<a id=\"instance-").skip(1);
    links.map(|link| between(link, ">", "</a>").expect("a name")).collect()
}

on_both!(the_list_tells_state_use_and_customer, |server| async move {
    let (caller, mut person) = (server.caller(), Person::admin(&server).await);
    assert!(person.shown("/console").await.contains("No instance fits"));
    create(&server, "First 100%", "customer-1").await;
    let disabled = create(&server, "Second", "customer-2").await;
    caller.delete(&format!("/instances/{disabled}/enabled")).await.ok();
    let invalid = caller.create_with_code(server.sandbox(), "Third").await;
    caller.with_element(invalid["token"].as_str().unwrap()).get("/hubs/crm/contacts").await.ok();
    server.services.write_all_usage().await.expect("the usage is written");
    server.sandbox().revoke(EndOfGrant::UserRemoved);
    server.advance(TimeDelta::minutes(10));
    caller.get(&format!("/instances/{}?refresh=true", invalid["id"])).await.ok();
    server.stranger().await.create_with_key("Foreign").await;

    let page = person.shown("/console").await;
    assert_eq!(names(&page), ["Third", "Second", "First 100%"], "the newest first");
    assert_says(
        &page,
        &[
            "Third",
            "Hubspot CRM",
            "badge bad\">invalid",
            "2026-03-01 12:00:00",
            "badge good\">200",
            "2026-03-01 12:00:00",
        ],
    );
    assert_says(&page, &["Second", "customer-2", "badge idle\">disabled", "never"]);
    assert_says(&page, &["First 100%", "customer-1", "badge good\">valid"]);

    for (query, expected) in [
        ("q=SECOND", vec!["Second"]),
        ("q=100%25", vec!["First 100%"]),
        ("q=_", vec![]),
        ("q=customer-1", vec!["First 100%"]),
        ("q=customer", vec![]),
        ("q=%00", vec![]),
        ("state=valid", vec!["First 100%"]),
        ("state=invalid", vec!["Third"]),
        ("state=disabled", vec!["Second"]),
        ("state=", vec!["Third", "Second", "First 100%"]),
        ("element=hubspotcrm&q=i&state=invalid", vec!["Third"]),
        ("element=sfdc", vec![]),
    ] {
        assert_eq!(names(&person.shown(&format!("/console?{query}")).await), expected, "{query}");
    }
    person.fails_to_show("/console?element=nothing", 404).await;
    person.fails_to_show("/console?nextPage=x", 400).await;
});

on_sqlite!(a_long_list_goes_on, |server| async move {
    for number in 0..51 {
        create(&server, &format!("Shop {number}"), "").await;
    }
    let mut person = Person::admin(&server).await;
    let page = person.shown("/console?q=Shop&state=valid").await;
    assert_eq!(names(&page).len(), 50);
    let next = between(&page, "id=\"next-page\" href=\"", "\"").expect("a next page").replace("&amp;", "&");
    assert!(next.starts_with("/console?q=Shop&state=valid&nextPage="), "{next}");
    let page = person.shown(&next).await;
    assert_eq!(names(&page), ["Shop 0"]);
    assert!(
        !page.contains("id=\"next-page\"")
            && page.contains("id=\"first-page\" href=\"/console?q=Shop&amp;state=valid\""),
        "{page}"
    );
});

on_both!(an_instance_is_edited_and_its_secrets_stay, |server| async move {
    let id = create(&server, "Old name", "customer-1").await;
    let path = format!("/console/instances/{id}");
    let mut person = Person::admin(&server).await;
    let page = person.shown(&path).await;
    let key = with_key("")["configuration"][KEY].as_str().unwrap().to_owned();
    assert!(!page.contains(&key), "{page}");
    assert_says(&page, &["Old name", "badge good\">valid", "customer-1", "apiKey", "admin@example.com"]);
    assert_says(&page, &["name=\"field.hubspot.authorization.apikey\" type=\"password\" value=\"\"", "One is stored"]);
    for hidden in ["oauth.user.token", "field.oauth.api.key", "field.authentication.type"] {
        assert!(!page.contains(hidden), "{hidden}");
    }

    let fields = [
        ("do", "save"),
        ("name", "New name"),
        ("tags", "Berlin\r\n\r\n  Hamburg \r\n"),
        ("field.filter.response.nulls", "false"),
        ("field.event.poller.refresh_interval", "30"),
        ("field.hubspot.authorization.apikey", ""),
        ("field.oauth.user.token", "forged"),
    ];
    let page = person.does(&path, &fields).await;
    assert_says(&page, &["Saved.", "value=\"New name\"", "Berlin\nHamburg"]);
    let view = server.caller().get(&format!("/instances/{id}")).await.ok();
    assert_eq!((&view["name"], &view["tags"]), (&json!("New name"), &json!(["Berlin", "Hamburg"])));
    let configuration = &view["configuration"];
    assert_eq!(
        (&configuration["filter.response.nulls"], &configuration["event.poller.refresh_interval"]),
        (&json!("false"), &json!("30"))
    );
    assert_eq!(configuration["oauth.user.token"], Value::Null);
    let with_token = server.caller().with_element(view["token"].as_str().unwrap());
    with_token.get("/hubs/crm/ping").await.ok();

    let cleared = [("do", "save"), ("name", "New name"), ("field.event.poller.refresh_interval", "")];
    person.does(&path, &cleared).await;
    let view = server.caller().get(&format!("/instances/{id}")).await.ok();
    assert_eq!(view["configuration"]["event.poller.refresh_interval"], "15", "nothing means the default");

    let fields = [("do", "save"), ("name", "Lost?"), (&*format!("field.{KEY}"), "not-a-key")];
    let page = person.fails(&path, &fields, 400).await;
    assert_says(&page, &["role=\"alert\"", "value=\"Lost?\""]);
    assert!(!page.contains("not-a-key"), "{page}");
    let page = person.fails(&path, &[("do", "save"), ("name", "")], 400).await;
    assert_says(&page, &["role=\"alert\"", "Nothing is left of the name"]);
    person.fails(&path, &[("do", "explode")], 400).await;
    assert_eq!(server.caller().get(&format!("/instances/{id}")).await.ok()["name"], "New name");

    let effectless = [("do", "save"), ("name", "New name"), ("field.event.notification.enabled", "true")];
    assert_says(&person.does(&path, &effectless).await, &["Some of it has no effect in this version."]);
});

on_both!(who_saves_last_does_not_win_silently, |server| async move {
    let id = create(&server, "Old name", "customer-1").await;
    let (path, api) = (format!("/console/instances/{id}"), format!("/instances/{id}"));
    let (mut first, mut second) = (Person::admin(&server).await, Person::admin(&server).await);
    for person in [&mut first, &mut second] {
        person.shown(&path).await;
    }
    first.does(&path, &[("do", "save"), ("name", "Of the first"), ("customer", "customer-2")]).await;
    let late = [
        ("do", "save"),
        ("name", "Of the second"),
        ("customer", "customer-1"),
        ("tags", "second"),
        ("field.event.poller.refresh_interval", "30"),
        ("field.hubspot.authorization.apikey", "typed-key"),
    ];
    let page = second.fails(&path, &late, 409).await;
    assert_says(&page, &["role=\"alert\"", "changed meanwhile, so nothing was saved"]);
    // What they had entered, then the form with what is there.
    assert_says(&page, &["form said something else", "Of the second", "customer-1", "second", "30"]);
    assert_says(&page, &["name=\"name\" type=\"text\" value=\"Of the first\"", "value=\"customer-2\""]);
    assert!(!page.contains("typed-key"), "{page}");
    let view = server.caller().get(&api).await.ok();
    assert_eq!((&view["name"], &view["externalId"]), (&json!("Of the first"), &json!("customer-2")));

    // Refused for another reason, the form is still of the version that it was made of.
    first.does(&path, &[("do", "save"), ("name", "Again of the first")]).await;
    second.fails(&path, &[("do", "save"), ("name", "")], 409).await;
    second.fails(&path, &[("do", "save"), ("name", "")], 400).await;
    first.does(&path, &[("do", "save"), ("name", "Once more of the first")]).await;
    let page = second.fails(&path, &[("do", "save"), ("name", "")], 409).await;
    assert_says(&page, &["value=\"Once more of the first\""]);
    second.does(&path, &[("do", "save"), ("name", "Of the second")]).await;

    // A refreshed token is no change of what the form shows.
    let renewed = server.caller().create_with_code(server.sandbox(), "Renewed").await["id"].clone();
    let path = format!("/console/instances/{renewed}");
    first.shown(&path).await;
    server.advance(TimeDelta::minutes(10));
    server.caller().get(&format!("/instances/{renewed}?refresh=true")).await.ok();
    first.does(&path, &[("do", "save"), ("name", "New name")]).await;
    first.version = None;
    let page = first.fails(&path, &[("do", "save"), ("name", "Of no version")], 409).await;
    assert_says(&page, &["value=\"New name\""]);
});

on_both!(two_forms_at_once_leave_one_change, |server| async move {
    let id = create(&server, "Old name", "").await;
    let path = format!("/console/instances/{id}");
    let mut people = Vec::new();
    for _ in 0..4 {
        let mut person = Person::admin(&server).await;
        person.shown(&path).await;
        people.push(person);
    }
    let saved = people.iter_mut().enumerate().map(|(number, person)| {
        let path = path.as_str();
        async move { person.send(path, &[("do", "save"), ("name", &format!("Name {number}"))]).await.status }
    });
    let mut statuses = futures_util::future::join_all(saved).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409, 409, 409]);
});

on_both!(the_customer_of_an_instance_is_edited, |server| async move {
    let id = create(&server, "Shop", "customer-1").await;
    let path = format!("/console/instances/{id}");
    let mut person = Person::admin(&server).await;
    assert_says(&person.shown(&path).await, &["name=\"customer\" type=\"text\" value=\"customer-1\""]);
    person.does(&path, &[("do", "save"), ("name", "Shop"), ("customer", "customer-2")]).await;
    let found = server.caller().get("/instances?externalId=customer-2").await.ok();
    assert_eq!(found[0]["id"], id);
    let long = "x".repeat(256);
    let page = person.fails(&path, &[("do", "save"), ("name", "Shop"), ("customer", &long)], 400).await;
    assert_says(&page, &["role=\"alert\"", &long]);
    person.does(&path, &[("do", "save"), ("name", "Shop"), ("customer", "")]).await;
    assert_eq!(server.caller().get(&format!("/instances/{id}")).await.ok()["externalId"], Value::Null);
});

on_both!(an_instance_is_switched_refreshed_and_deleted, |server| async move {
    let created = server.caller().create_with_code(server.sandbox(), "Renewed").await;
    let (id, path) = (created["id"].as_i64().unwrap(), format!("/console/instances/{}", created["id"]));
    let mut person = Person::admin(&server).await;
    let page = person.does(&path, &[("do", "disable")]).await;
    assert_says(&page, &["Disabled: calls through it are refused.", "badge idle\">disabled", ">Enable<"]);
    let page = person.does(&path, &[("do", "enable")]).await;
    assert_says(&page, &["Enabled.", "badge good\">valid", ">Disable<"]);

    assert_says(&person.does(&path, &[("do", "refresh")]).await, &["The token is fresh"]);
    server.advance(TimeDelta::minutes(10));
    let page = person.does(&path, &[("do", "refresh")]).await;
    assert_says(&page, &["The token was refreshed.", "2026-03-01 12:10:00"]);
    server.sandbox().revoke(EndOfGrant::UserRemoved);
    server.advance(TimeDelta::minutes(10));
    let page = person.fails(&path, &[("do", "refresh")], 400).await;
    assert_says(&page, &["role=\"alert\"", "badge bad\">invalid"]);

    let page = person.shown(&format!("{path}/delete")).await;
    assert_says(&page, &["Delete Renewed?", "This cannot be undone.", "Keep it"]);
    assert_eq!(server.count().await, 1, "asking deletes nothing");
    let page = person.does(&format!("{path}/delete"), &[("do", "delete"), ("proof-password", PASSWORD)]).await;
    assert_says(&page, &["Deleted."]);
    assert_eq!(server.count().await, 0);
    person.fails_to_show(&format!("/console/instances/{id}"), 404).await;
    person.fails_to_show("/console/instances/x", 404).await;
});

on_both!(a_dead_connection_gets_a_link_to_authorise_it_anew, |server| async move {
    let app = json!({ "clientId": "sandbox-client", "clientSecret": "sandbox-secret" });
    server.caller().put("/elements/hubspotcrm/app", &app).await.ok();
    let id = server.caller().create_with_code(server.sandbox(), "Renewed").await["id"].clone();
    let mut person = Person::admin(&server).await;
    let page = person.does(&format!("/console/instances/{id}"), &[("do", "renew")]).await;
    assert_says(&page, &["The link is made.", "value=\"https://ligand.example/connect/", "pending"]);
    let links = server.caller().get("/connect/links").await.ok();
    assert_eq!(links[0]["instanceId"], id);
});

on_both!(a_person_moves_a_connection_to_another_host, in |database| {
    let hosts = Hosts::start();
    run_with(database, hosts.setup(), |server| async move {
        let (caller, mut person) = (server.caller(), Person::admin(&server).await);
        let before = connect(&caller, "127.0.0.1", 0).await;
        let path = format!("/console/instances/{}", before["id"]);
        assert!(!person.shown(&path).await.contains("Make a link to connect there"));
        let moved = [("do", "save"), ("name", "Desk"), ("field.desk", "127.0.0.2")];
        let page = person.fails(&path, &moved, 400).await;
        assert_says(&page, &["oauth.api.secret", "Enter the secrets anew", "Make a link to connect there"]);
        let link = [moved.as_slice(), &[("field.oauth.api.secret", "another"), ("by", "link")]].concat();
        let page = person.does(&path, &link).await;
        let url = between(&page, "https://ligand.example/connect/", "\"").expect("the link's address").to_owned();
        assert_eq!(caller.get(&format!("/instances/{}", before["id"])).await.ok(), before, "until it is used");
        let browser = Browser::new(&server);
        let to_vendor = browser.submit(&json!({ "url": format!("https://ligand.example/connect/{url}") }), &[]).await;
        let state = to_vendor.parameter("state").expect("a state");
        let end = browser.get(&format!("/connector/callback?code=a-code&state={state}")).await;
        browser.follow(end).await;
        let after = caller.get(&format!("/instances/{}", before["id"])).await.ok();
        assert_eq!((&after["token"], &after["configuration"]["desk"]), (&before["token"], &json!("127.0.0.2")));
        let asked = hosts.other.requests();
        assert!(asked.iter().all(|request| !request.whole().contains("refresh-0")), "{asked:?}");
        assert_eq!(asked.first().and_then(|request| request.field("client_secret")).as_deref(), Some("another"));
    });
});
