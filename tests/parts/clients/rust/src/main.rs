//! The whole story through a client that progenitor generated from the OpenAPI document.

use std::collections::HashMap;
use std::env;
use std::process::Command;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use ligand::types::{Configuration, CreateInstance, ElementReference, UpdateInstance};
use ligand::{Client, Error};

mod ligand {
    progenitor::generate_api!(spec = "../../../../openapi/openapi-3.0.json", interface = Builder);
}

type Failure = Box<dyn std::error::Error>;

const CALLBACK: &str = "http://localhost:9090/callback";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let client = client()?;

    let url = client
        .get_oauth_url()
        .key_or_id("hubspotcrm")
        .api_key("client-story")
        .callback_url(CALLBACK)
        .state("from-rust")
        .send()
        .await?;

    let connected = client
        .create_instance()
        .body(
            CreateInstance::builder()
                .name("Rust story")
                .element(ElementReference::builder().key("hubspotcrm"))
                .provider_data(HashMap::from([("code".to_owned(), consent(&url.oauth_url)?)]))
                .configuration(configuration())
                .tags(vec!["story".to_owned()]),
        )
        .send()
        .await?;
    let id = connected.id;
    assert!(connected.valid);
    assert!(!connected.token.is_empty());

    let read = client.get_instance().id(id).send().await?;
    assert_eq!((&read.name, &read.tags), (&connected.name, &connected.tags));

    let listed = client.list_instances().search_text("Rust story").send().await?;
    assert!(listed.iter().any(|instance| instance.id == id));

    let change = UpdateInstance::builder().name("Rust story, told twice".to_owned());
    let changed = client.update_instance().id(id).body(change).send().await?;
    assert_eq!(changed.name, "Rust story, told twice");

    client.delete_instance().id(id).send().await?;
    let gone = client.get_instance().id(id).send().await;
    assert!(matches!(gone, Err(Error::ErrorResponse(reply)) if reply.status() == 404));
    Ok(())
}

fn client() -> Result<Client, Failure> {
    let mut authorization = HeaderValue::from_str(&env::var("LIGAND_AUTHORIZATION")?)?;
    authorization.set_sensitive(true);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
    let http = reqwest::Client::builder().default_headers(headers).build()?;
    let base = format!("{}/elements/api-v2", env::var("LIGAND_URL")?);
    Ok(Client::new_with_client(&base, http))
}

fn configuration() -> Configuration {
    serde_json::from_value(serde_json::json!({
        "authentication.type": "oauth2",
        "oauth.callback.url": CALLBACK,
        "oauth.api.key": "client-story",
        "oauth.api.secret": "secret-of-client-story",
    }))
    .expect("a plain map of text")
}

/// A user who agrees, played by the script that all stories share.
fn consent(url: &str) -> Result<String, Failure> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../consent.py");
    let output = Command::new("python3").args([script, url]).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
