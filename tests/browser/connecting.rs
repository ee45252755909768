//! The straight way: link, page, vendor, result.

use serde_json::{Value, json};
use url::Url;

use super::stage::{Stage, staged, text};

/// What the shop learns from the address that the browser comes back to.
async fn assert_back_with_an_instance(stage: &Stage, back: &str) {
    let back = Url::parse(back).expect("an address");
    let told = |name: &str| back.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    assert_eq!(told("status").as_deref(), Some("authorised"), "{back}");
    let instance = told("instanceId").expect("an instance");
    let instance = stage.server.caller().get(&format!("/instances/{instance}")).await.ok();
    assert_eq!(instance["element"]["key"], "hubspotcrm");
    assert_eq!(stage.server.count().await, 1);
}

#[test]
fn a_customer_connects_and_comes_back_by_redirect() {
    staged(|stage| async move {
        let facts = stage.play("redirect", json!({})).await;
        let back = text(&facts, "back");
        assert!(back.starts_with(&format!("{}/back?order=7&", text(&facts, "shop"))), "{back}");
        assert_back_with_an_instance(&stage, back).await;
        assert_eq!(stage.server.sandbox().live_grants(), 1);
        // From the vendor to the shop, whose back end confirms: one redirect more than where nobody does.
        let way: Vec<&str> = facts["way"].as_array().expect("a way").iter().filter_map(Value::as_str).collect();
        assert!(matches!(way.as_slice(), [_, result, "/back", "/back"] if result.ends_with("/result")), "{way:?}");

        let cookies = facts["cookies"].as_array().expect("cookies");
        let ours: Vec<&Value> = cookies.iter().filter(|cookie| cookie["name"] == "ligand-connect").collect();
        assert_eq!(ours.len(), 1, "{cookies:?}");
        assert_eq!(
            (&ours[0]["httpOnly"], &ours[0]["sameSite"], &ours[0]["path"]),
            (&json!(true), &json!("Lax"), &json!("/"))
        );
    });
}

#[test]
fn a_redirect_needs_no_javascript() {
    staged(|stage| async move {
        let facts = stage.play("redirect", json!({ "javaScript": false })).await;
        assert_back_with_an_instance(&stage, text(&facts, "back")).await;
    });
}

#[test]
fn a_customer_who_says_no_may_say_yes_later() {
    staged(|stage| async move {
        let facts = stage.play("denial", json!({})).await;
        assert_eq!(facts["afterDenial"], "denied");
        assert_ne!(facts["denied"], facts["verdict"]);
        assert_eq!(stage.server.count().await, 1);
    });
}
