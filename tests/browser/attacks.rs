//! Who tries to get between.

use chrono::TimeDelta;
use serde_json::json;

use super::stage::{staged, text};

#[test]
fn a_forged_message_is_not_believed() {
    staged(|stage| async move {
        let facts = stage.play("forged", json!({})).await;
        assert!(facts["heard"].as_i64() > Some(40), "{facts:?}");
        assert_eq!(facts["shown"], "");
        assert_eq!(facts["result"]["status"], "authorised");
        assert_ne!(facts["result"]["instanceId"], 666);
    });
}

/// Cross-user session fixation: he makes a link for himself, and she agrees in a browser of her own.
#[test]
fn who_agrees_to_somebody_elses_link_connects_nothing() {
    staged(|stage| async move {
        let caller = stage.server.caller();
        caller.put("/notifications/webhook", &json!({ "url": "https://app.example/notices" })).await.ok();
        let facts = stage.play("other_profile", json!({})).await;
        assert!(text(&facts, "unknown").ends_with("/back?status=nobody"), "{facts:?}");
        assert!(text(&facts, "known").contains("handle="), "{facts:?}");
        assert!(text(&facts, "shown").contains("handle_not_found"), "{facts:?}");
        assert!(!text(&facts, "seen").contains("connected") && !text(&facts, "at").contains("handle"), "{facts:?}");
        let token_calls = || stage.server.sandbox().counts("POST /oauth/2026-03/token").total;
        assert_eq!((stage.server.count().await, token_calls()), (0, 0));
        stage.server.advance(TimeDelta::minutes(5));
        assert_eq!(stage.server.services.lapse_held().await.expect("no fault"), 2);
        let told = caller.get("/notifications/deliveries").await.ok();
        let told: Vec<_> = told.as_array().expect("a list").iter().map(|told| &told["notice"]).collect();
        let lapsed = told.iter().find(|notice| notice["type"] == "link.lapsed").expect("a notice of the attempt");
        assert_eq!(lapsed["data"]["linkId"], facts["his"]);
        assert_eq!((stage.server.count().await, token_calls()), (0, 0));
    });
}

#[test]
fn no_page_is_shown_in_a_frame() {
    staged(|stage| async move {
        let facts = stage.play("framed", json!({})).await;
        assert!(!text(&facts, "shown").contains("Acme Shop"), "{facts:?}");
    });
}
