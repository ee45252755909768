//! People go back, click twice, open tabs, come late, and keep no cookies.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::stage::{Stage, staged, text};

async fn assert_one_instance(stage: &Stage) {
    assert_eq!(stage.server.count().await, 1);
    assert_eq!(stage.server.sandbox().live_grants(), 1);
}

#[test]
fn the_back_button_leads_nowhere_bad() {
    staged(|stage| async move {
        let facts = stage.play("back", json!({})).await;
        assert_eq!(facts["again"], false, "{facts:?}");
        assert_one_instance(&stage).await;
    });
}

#[test]
fn a_double_click_connects_once() {
    staged(|stage| async move {
        let facts = stage.play("double_click", json!({})).await;
        assert!(text(&facts, "verdict").contains("connected"), "{facts:?}");
        assert_one_instance(&stage).await;
    });
}

#[test]
fn of_two_tabs_one_connects_and_the_other_says_so() {
    staged(|stage| async move {
        let facts = stage.play("two_tabs", json!({})).await;
        assert!(text(&facts, "first").contains("connected"), "{facts:?}");
        assert_eq!(stage.server.count().await, 1);
    });
}

/// What the link shows to somebody who has not been there.
async fn visit(stage: &Stage, link: &Value) -> serde_json::Map<String, Value> {
    stage.play("visit", json!({ "address": link["url"] })).await
}

#[test]
fn an_expired_link_says_what_to_do() {
    staged(|stage| async move {
        let link = stage.link(json!({ "expiresIn": 600 })).await;
        stage.server.advance(TimeDelta::seconds(601));
        let facts = visit(&stage, &link).await;
        assert!(text(&facts, "verdict").contains("expired"), "{facts:?}");
        assert_eq!(facts["forward"], false);
        assert_eq!(stage.link_now(&link).await["status"], "expired");
    });
}

#[test]
fn a_spent_link_connects_nobody_else() {
    staged(|stage| async move {
        stage.play("double_click", json!({})).await;
        let links = stage.server.caller().get("/connect/links").await.ok();
        let facts = visit(&stage, &links[0]).await;
        assert_eq!(facts["forward"], false, "{facts:?}");
        assert_one_instance(&stage).await;
    });
}

#[test]
fn without_cookies_a_page_explains_and_nothing_is_stored() {
    staged(|stage| async move {
        let facts = stage.play("no_cookies", json!({})).await;
        assert_eq!(facts["cookies"], 0);
        assert!(text(&facts, "text").contains("cookies"), "{facts:?}");
        assert_eq!((stage.server.count().await, stage.server.sandbox().live_grants()), (0, 0));
    });
}
