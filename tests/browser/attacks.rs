//! Who tries to get between.

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

#[test]
fn no_page_is_shown_in_a_frame() {
    staged(|stage| async move {
        let facts = stage.play("framed", json!({})).await;
        assert!(!text(&facts, "shown").contains("Acme Shop"), "{facts:?}");
    });
}
