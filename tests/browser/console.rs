//! The operator's way through the console, seen, judged by axe and photographed into `target/screenshots`.

use serde_json::{Value, json};

use super::stage::{staged, text};
use crate::support::caller::with_key;
use crate::support::server::PASSWORD;

#[test]
fn an_operator_finds_the_way_and_pages_stay_true() {
    staged(|stage| async move {
        stage.server.caller().delete("/elements/hubspotcrm/app").await;
        let pictures = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
        std::fs::create_dir_all(pictures).expect("a directory");
        let given = json!({ "pictures": pictures, "password": PASSWORD, "instance": with_key("Came meanwhile") });
        // No jobs run here: what was done so far is in the audit log.
        stage.server.services.chain_audit_log().await.expect("it is chained");
        let facts = stage.play("console", given).await;
        let copied = text(&facts, "copied");
        assert!(copied.starts_with(&format!("{}/connector/callback/", stage.url())), "{copied}");
        assert!(text(&facts, "connected").starts_with("/console/instances/"));
        assert_eq!(facts["focus"], "revoke", "a page that stays true takes nothing from who works with it");
        assert_eq!((&facts["before"], &facts["session"]), (&json!(0), &json!(0)));
        let serious = |fault: &&Value| fault["impact"] == "serious" || fault["impact"] == "critical";
        let serious: Vec<&Value> = facts["faults"].as_array().expect("faults").iter().filter(serious).collect();
        assert!(serious.is_empty(), "{serious:#?}");
        assert_eq!(facts["pages"].as_array().expect("pages").len(), 20, "{facts:?}");
        // The browser says so of each reply that is no success: the wrong password and the page that is not there.
        let errors = facts["errors"].as_array().expect("errors");
        assert!(
            errors.iter().all(|error| error.as_str().is_some_and(|text| text.contains("status of 40"))),
            "{errors:?}"
        );
    });
}
