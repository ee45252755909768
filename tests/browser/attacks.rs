//! Who tries to get between.

use serde_json::json;

use super::stage::staged;

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
