//! Every page as a person sees it: axe's judgement here, pictures for the eye in `target/screenshots`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::stage::staged;

#[test]
fn no_page_shuts_anybody_out() {
    staged(|stage| async move {
        let pictures = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
        std::fs::create_dir_all(pictures).expect("a directory");
        let expired = stage.link(json!({ "expiresIn": 60 })).await;
        stage.server.advance(TimeDelta::seconds(61));
        let facts = stage.play("gallery", json!({ "pictures": pictures, "expired": expired["url"] })).await;
        let (pages, faults) = (facts["pages"].as_array().expect("pages"), facts["faults"].as_array().expect("faults"));
        let serious: Vec<&Value> =
            faults.iter().filter(|fault| fault["impact"] == "serious" || fault["impact"] == "critical").collect();
        assert!(serious.is_empty(), "{serious:#?}");
        assert!(pages.len() > 20, "{pages:?}");
    });
}
