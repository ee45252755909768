//! A vendor whose page posts what others redirect with: the cookie, which is `Lax`, does not come along with the form of another site.

use serde_json::json;

use super::stage::{staged_with, text};
use crate::api::element_format::Own;
use crate::support::vendor::Vendor;

/// Posts to the callback with the state that it was asked with.
const PAGE: &str = r#"<!doctype html><title>Own</title><form method="post" action="CALLBACK">
<input name="state" value="STATE"><input name="code" value="CODE"><button>Post it</button></form>
<script>
const asked = new URLSearchParams(location.search);
const form = document.forms[0];
form.action = asked.get('redirect_uri');
form.state.value = asked.get('state');
form.submit();
</script>"#;

#[test]
fn a_form_of_the_vendors_page_connects() {
    let vendor = Vendor::start();
    vendor.answers("/token", 200, json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 }));
    vendor.answers_in_bytes("/authorize", 200, "content-type: text/html\r\n", PAGE.replace("CODE", "by-form"));
    let own = Own { authorize: "parameters = { response_mode = \"form_post\" }", ..Own::default() };
    let (_directory, setup) = own.setup(&vendor);
    staged_with(setup, |stage| async move {
        let caller = stage.server.caller();
        caller.put("/elements/own/app", &json!({ "clientId": "app", "clientSecret": "secret" })).await.ok();
        let facts = stage.play("form_post", json!({})).await;
        assert_eq!(text(&facts, "verdict"), "Own is connected", "{facts:?}");
        // The code is in no address that the browser keeps.
        assert!(!facts["pages"].to_string().contains("by-form"), "{facts:?}");
        assert_eq!(stage.server.count().await, 1);
    });
}
