//! The same way with a vendor that nobody here wrote, and with the example of `examples/`.

use serde_json::json;

use super::stage::{staged, staged_with, text};
use crate::flows::oidc_provider::{element_of, elements, secret_of};
use crate::support::oidc_provider::oidc_provider;
use crate::support::server::Setup;

#[test]
fn a_certified_provider_is_connected_and_refuses() {
    let Some(provider) = oidc_provider() else { return };
    let directory = elements(&provider.issuer);
    staged_with(Setup { elements: Some(directory.path().to_owned()), ..Setup::default() }, |stage| async move {
        for client in ["pkce-post-client", "basic-client", "denied"] {
            let client_id = if client == "denied" { "post-client" } else { client };
            let app = json!({ "clientId": client_id, "clientSecret": secret_of(client_id) });
            stage.server.caller().put(&format!("/elements/{}/app", element_of(client)), &app).await.ok();
            let facts = stage.play("provider", json!({ "element": element_of(client) })).await;
            let link = &facts["link"];
            let expected = if client == "denied" { "denied" } else { "authorised" };
            assert_eq!(link["status"], expected, "{facts:?}");
        }
        assert_eq!(stage.server.count().await, 2);
    });
}

#[test]
fn the_example_connects_an_account() {
    staged(|stage| async move {
        let facts = stage.play("example", json!({})).await;
        assert!(text(&facts, "shown").contains("authorised"), "{facts:?}");
        assert_eq!(stage.server.count().await, 1);
    });
}
