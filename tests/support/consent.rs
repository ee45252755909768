//! The bundled vendor of `serve --sandbox`, beside a program: its switches, and a user who agrees.

use serde_json::{Value, json};

use super::caller::{CALLBACK, Caller, read};
use super::program::Serving;

/// A code of the sandbox, as a user who consents.
pub async fn code(server: &Serving) -> String {
    control(server, json!({ "consent": "grant" })).await;
    let callback = CALLBACK.replace(':', "%3A");
    let anonymous = Caller::anonymous(&server.url);
    let path = format!("/elements/hubspotcrm/oauth/url?apiKey=sandbox-client&callbackUrl={callback}");
    let address = anonymous.get(&path).await.ok()["oauthUrl"].as_str().expect("an address").to_owned();
    let address = url::Url::parse(&address).expect("a URL");
    let path = format!("{}?{}", address.path(), address.query().expect("a query"));
    let reply = read(Caller::anonymous(&server.vendor).request_at_root("GET", &path)).await;
    let location = url::Url::parse(reply.header("location").expect("a redirect")).expect("a URL");
    location.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned()
}

pub async fn control(server: &Serving, switches: Value) {
    let vendor = Caller::anonymous(&server.vendor);
    let request = vendor.request_at_root("PATCH", "/control").header("content-type", "application/json");
    read(request.body(switches.to_string())).await.ok();
}
