//! The whole story through a client that progenitor generated from the OpenAPI document.

use std::env;
use std::process::Command;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use serde_json::{Map, Value, json};

use ligand::types::{CreateInstance, ElementReference, UpdateInstance};
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
        .api_key("sandbox-client")
        .callback_url(CALLBACK)
        .state("from-rust")
        .send()
        .await?;

    let connected = client
        .create_instance()
        .body(
            CreateInstance::builder()
                .name("Rust story")
                .element(ElementReference { key: Some("hubspotcrm".to_owned()), id: None })
                .provider_data(map(json!({ "code": consent(&url.oauth_url)? })))
                .configuration(map(json!({
                    "authentication.type": "oauth2",
                    "oauth.callback.url": CALLBACK,
                    "oauth.api.key": "sandbox-client",
                    "oauth.api.secret": "sandbox-secret",
                })))
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

    let with_key = client
        .create_element_instance()
        .key_or_id("hubspotcrm")
        .body(CreateInstance::builder().name("Rust story, with a key").configuration(map(json!({
            "authentication.type": "apiKey",
            "hubspot.authorization.apikey": "3a9990ff-bf17-40b1-9ce1-e1702e36ab51",
        }))))
        .send()
        .await?;
    assert_eq!(with_key.configuration["hubspot.authorization.apikey"].as_deref(), Some("********"));
    client.delete_instance().id(with_key.id).send().await?;

    client.delete_instance().id(id).send().await?;
    let gone = client.get_instance().id(id).send().await;
    assert!(matches!(gone, Err(Error::ErrorResponse(reply)) if reply.code == "instance_not_found"));

    // The one 404 that is no mistake: a list without members, unless it is asked for.
    let empty = client.list_instances().search_text(&changed.name).send().await;
    assert!(matches!(empty, Err(Error::ErrorResponse(reply)) if reply.message == "No instances found"));
    let none = client.list_instances().search_text(&changed.name).empty_list("200").send().await?;
    assert!(none.is_empty());
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

fn map(members: Value) -> Map<String, Value> {
    serde_json::from_value(members).expect("an object")
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
