//! Elements of one's own (`LIGAND_ELEMENTS_DIR`), as the API shows them.

use std::fs;
use std::future::Future;

use serde_json::json;
use tempfile::TempDir;

use crate::support::server::{Setup, run_with};
use crate::support::{Database, TestServer};

/// Everything that the format asks for and nothing else.
const ACME: &str = r#"
id = 10001
key = "acmebooks"
name = "Acme Books"
hookName = "AcmeBooks"
description = "Connects to Acme Books."
configDescription = "Ask Acme for an app."
hub = "finance"
baseUrl = "https://{company}.acme.example/api"

[variables.company]
parameter = "subdomain"
configuration = "subdomain"

[authentication]
type = "oauth2"

[authentication.oauth2]
description = "For everybody."

[authentication.oauth2.authorize]
url = "https://{company}.acme.example/authorize?prompt=consent"
responseType = false

[authentication.oauth2.authorize.parameters]
access_type = "offline"
"a b" = "c&d"

[authentication.oauth2.scopes]
default = ["read", "write"]
separator = ","

[authentication.oauth2.token]
url = "https://{company}.acme.example/token"

[authentication.oauth2.refresh]
supported = false
"#;

/// An entry of an element's configuration.
pub fn entry(key: &str, more: &str) -> String {
    let texts = "name = \"A name\"\ndescription = \"A description.\"\ntype = \"TEXTFIELD_128\"";
    format!("\n[[configuration]]\nkey = \"{key}\"\n{texts}\n{more}\n")
}

fn acme() -> String {
    let given = "required = true\nauthentication = \"oauth2\"";
    let secret = "required = true\nsecret = true\nauthentication = \"oauth2\"";
    let kept = "internal = true\nsecret = true\nauthentication = \"oauth2\"";
    [
        ACME,
        &entry("oauth.api.key", given),
        &entry("oauth.api.secret", secret),
        &entry("oauth.callback.url", given),
        &entry("oauth.user.token", kept),
        &entry("subdomain", ""),
    ]
    .concat()
}

fn with_files<F: Future<Output = ()>>(files: &[(&str, &str)], test: impl FnOnce(TestServer) -> F) {
    let directory = TempDir::new().expect("a directory");
    for (name, text) in files {
        fs::write(directory.path().join(name), text).expect("the file is written");
    }
    let setup = Setup { elements: Some(directory.path().to_owned()), ..Setup::default() };
    run_with(Database::sqlite(), setup, test);
}

#[test]
fn a_directory_adds_an_element() {
    with_files(&[("acme.toml", &acme())], |server: TestServer| async move {
        let anonymous = server.anonymous();
        let keys = anonymous.get("/elements/keys").await.ok();
        assert_eq!(keys.as_array().unwrap().last(), Some(&json!("acmebooks")));
        assert_eq!(keys.as_array().unwrap().len(), 10);
        let element = anonymous.get("/elements/10001").await.ok();
        assert_eq!((&element["name"], &element["hub"]), (&json!("Acme Books"), &json!("finance")));
        assert_eq!(element["image"], json!(null));
        let filtered = anonymous.get_with("/elements", &[("where", "hub='finance'")]).await.ok();
        assert_eq!(filtered.as_array().unwrap().len(), 1);
        let metadata = anonymous.get("/elements/acmebooks/metadata?expand=true").await.ok();
        assert_eq!((&metadata["events"]["supported"], &metadata["image"]), (&json!(false), &json!("")));
    });
}

#[test]
fn its_quirks_show_in_the_address() {
    with_files(&[("acme.toml", &acme())], |server: TestServer| async move {
        let query = [("apiKey", "K"), ("callbackUrl", "https://a.example/cb"), ("subdomain", "shop")];
        let reply = server.anonymous().get_with("/elements/acmebooks/oauth/url", &query).await;
        // A query of its own, no response type, its own separator, fixed parameters; all percent-encoded.
        let expected = "https://shop.acme.example/authorize?prompt=consent&client_id=K\
                        &redirect_uri=https%3A%2F%2Fa.example%2Fcb&scope=read%2Cwrite&state=acmebooks\
                        &a%20b=c%26d&access_type=offline";
        assert_eq!(reply.ok(), json!({ "element": "acmebooks", "oauthUrl": expected }));
        let body = json!({ "apiKey": "K", "callbackUrl": "https://a.example/cb", "subdomain": "shop" });
        assert_eq!(server.anonymous().post("/elements/10001/oauth/url", &body).await.ok(), reply.ok());

        let query = [("apiKey", "K"), ("callbackUrl", "https://a.example/cb"), ("subdomain", "")];
        let reply = server.anonymous().get_with("/elements/acmebooks/oauth/url", &query).await;
        let message = reply.fails(400, "missing_parameter");
        assert_eq!(message, "Required parameters are missing: subdomain.");
        for trick in ["evil.example/", "a.b", "evil.example#", "a@evil", "-a", "%00"] {
            let query = [("apiKey", "K"), ("callbackUrl", "https://a.example/cb"), ("subdomain", trick)];
            let reply = server.anonymous().get_with("/elements/acmebooks/oauth/url", &query).await;
            reply.fails(400, "vendor_host");
        }
    });
}

#[test]
fn a_directory_replaces_an_element_and_keeps_its_id() {
    let built_in = include_str!("../../elements/closeio.toml");
    let ours = built_in.replacen("name = \"Close\"", "name = \"Our Close\"", 1).replacen("id = 146", "id = 10146", 1);
    with_files(&[("ours.toml", &ours)], |server: TestServer| async move {
        let anonymous = server.anonymous();
        let element = anonymous.get("/elements/closeio").await.ok();
        assert_eq!((&element["id"], &element["name"]), (&json!(146), &json!("Our Close")));
        assert_eq!(anonymous.get("/elements/146").await.ok(), element);
        anonymous.get("/elements/10146").await.fails(404, "element_not_found");
        assert_eq!(anonymous.get("/elements").await.ok().as_array().unwrap().len(), 9);
    });
}
