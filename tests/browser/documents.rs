//! `/docs` as a person uses it: the page works under its Content-Security-Policy, and a call from it is answered.

use serde_json::json;

use super::stage::{staged, text};

#[test]
fn the_documents_page_works_under_its_policy() {
    staged(|stage| async move {
        let facts = stage.play("documents", json!({})).await;
        assert!(text(&facts, "policy").starts_with("default-src 'none'; script-src 'self';"), "{facts:?}");
        assert_eq!(facts["complaints"], json!([]));
        assert!(facts["operations"].as_u64().expect("a number") > 50, "{facts:?}");
    });
}
