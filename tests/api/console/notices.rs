//! The webhook, its secrets, and what became of deliveries.

use super::person::{Person, assert_says, between};
use crate::support::on_both;

const ORGANIZATION: &str = "/console/organization";

on_both!(a_webhook_is_set_and_its_secret_seen_once, |server| async move {
    let mut person = Person::admin(&server).await;
    let set = [("do", "set-webhook"), ("url", "https://app.example.com/notices")];
    let shown = person.send(ORGANIZATION, &set).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_says(&shown.text, &["it is not shown again", "data-copy=\"whsec_", "https://app.example.com/notices"]);
    let first = between(&shown.text, "data-copy=\"whsec_", "\"").unwrap().to_owned();
    let page = person.shown(ORGANIZATION).await;
    assert!(page.contains("https://app.example.com/notices") && !page.contains("whsec_"), "{page}");

    let page = person.send(ORGANIZATION, &[("do", "add-secret")]).await.text;
    let second = between(&page, "data-copy=\"whsec_", "\"").unwrap().to_owned();
    assert_ne!(first, second);
    assert!(!page.contains(&first), "{page}");
    let page = person.fails(ORGANIZATION, &[("do", "add-secret")], 400).await;
    assert_says(&page, &["role=\"alert\"", "Two secrets are active already"]);
    let id = between(&page, "name=\"id\" value=\"", "\"").unwrap().to_owned();
    let page = person.does(ORGANIZATION, &[("do", "remove-secret"), ("id", &id)]).await;
    assert_says(&page, &["The secret no longer signs.", "Make a secret"]);
    assert!(!page.contains(&format!("value=\"{id}\"")), "{page}");

    let bad = [("do", "set-webhook"), ("url", "http://app.example.com/")];
    assert_says(&person.fails(ORGANIZATION, &bad, 400).await, &["role=\"alert\"", "value=\"http://app.example.com/\""]);
    let page = person.does(ORGANIZATION, &[("do", "remove-webhook")]).await;
    assert!(
        page.contains("From now on nothing is told.") && !page.contains("https://app.example.com/notices"),
        "{page}"
    );
});

on_both!(deliveries_are_listed_and_sent_again, |server| async move {
    let mut person = Person::admin(&server).await;
    person.send(ORGANIZATION, &[("do", "set-webhook"), ("url", "https://app.example.com/notices")]).await;
    let ids: Vec<i64> = [server.caller().create_with_key("One").await, server.caller().create_with_key("Two").await]
        .iter()
        .map(|created| created["id"].as_i64().unwrap())
        .collect();
    let page = person.shown("/console/deliveries").await;
    let (one, two) = (format!("/console/instances/{}", ids[0]), format!("/console/instances/{}", ids[1]));
    assert_says(&page, &["instance.created", &two, "badge busy\">waiting", &one]);
    let page = person.shown(&format!("/console/deliveries?instanceId={}", ids[0])).await;
    assert!(page.contains(&one) && !page.contains(&two), "{page}");
    assert_says(&person.shown(&one).await, &[&format!("/console/deliveries?instanceId={}", ids[0])]);
    assert!(person.shown("/console/deliveries?status=failed").await.contains("Nothing fits."));
    for query in ["status=nothing", "instanceId=x", "linkId=x"] {
        person.fails_to_show(&format!("/console/deliveries?{query}"), 400).await;
    }

    let id = between(&page, "id=\"retry-", "\"").unwrap().to_owned();
    person.shown("/console/deliveries").await;
    let page = person.does("/console/deliveries", &[("do", "retry"), ("id", &id)]).await;
    assert_says(&page, &["It is sent once more."]);
    person.fails("/console/deliveries", &[("do", "retry"), ("id", "x")], 400).await;
    person.fails("/console/deliveries", &[("do", "retry")], 400).await;
    let mut stranger = Person::stranger(&server).await;
    assert!(stranger.shown("/console/deliveries").await.contains("Nothing fits."));
    stranger.fails("/console/deliveries", &[("do", "retry"), ("id", &id)], 404).await;
});
