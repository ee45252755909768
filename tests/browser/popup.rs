//! The script's window, from a page of another origin.

use serde_json::{Map, Value, json};

use super::stage::{Stage, staged, text};

/// The promise's result names the one instance there is.
async fn assert_connected(stage: &Stage, facts: &Map<String, Value>) {
    let result = &facts["result"];
    assert_eq!(result["status"], "authorised", "{facts:?}");
    assert!(facts.get("meanwhile").is_none_or(|shown| shown == ""), "{facts:?}");
    let instance = stage.server.caller().get(&format!("/instances/{}", result["instanceId"])).await.ok();
    assert_eq!(instance["id"], result["instanceId"]);
    assert_eq!(stage.server.count().await, 1);
}

#[test]
fn the_window_comes_back_with_the_instance() {
    staged(|stage| async move {
        let facts = stage.play("popup", json!({})).await;
        assert_connected(&stage, &facts).await;
        assert!(text(&facts, "address").ends_with("?display=popup"));
        assert_eq!(
            (&facts["openerAtVendor"], &facts["closed"], &facts["shopStayed"]),
            (&json!(true), &json!(true), &json!(true))
        );
    });
}

/// `Cross-Origin-Opener-Policy` of the vendor ends the tie between the two windows for good.
#[test]
fn a_vendor_that_cuts_the_opener_off_does_no_harm() {
    staged(|stage| async move {
        let facts = stage.play("popup", json!({ "opener": "same-origin", "back": true })).await;
        assert_eq!(facts["openerAtVendor"], false);
        assert_connected(&stage, &facts).await;
    });
}

#[test]
fn a_shop_that_cuts_its_windows_off_does_no_harm() {
    staged(|stage| async move {
        let headers = json!({ "cross-origin-opener-policy": "same-origin" });
        let facts = stage.play("popup", json!({ "shopHeaders": headers, "back": true })).await;
        assert_connected(&stage, &facts).await;
    });
}

#[test]
fn a_window_that_was_left_is_not_the_end_of_the_link() {
    staged(|stage| async move {
        let facts = stage.play("popup_left", json!({})).await;
        assert_eq!((&facts["left"]["status"], &facts["left"]["instanceId"]), (&json!("opened"), &Value::Null));
        // A first tab of the browser, the shop and one window.
        assert_eq!(facts["windows"], 3);
        assert_connected(&stage, &facts).await;
    });
}

#[test]
fn where_windows_are_blocked_the_page_goes_there_itself() {
    staged(|stage| async move {
        let facts = stage.play("popup_blocked", json!({})).await;
        assert!(text(&facts, "back").contains("status=authorised"), "{facts:?}");
        assert_eq!((&facts["windows"], stage.server.count().await), (&json!(1), 1));
    });
}
