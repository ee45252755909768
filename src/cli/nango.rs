//! What Nango's `GET /connection/{id}` answers (npm `@nangohq/types`: `ApiPublicConnectionFull`, `AllAuthCredentials`), as a line of
//! an import.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::catalog::element::{ApiKey, AuthenticationType, Element, Placement};
use crate::config::Mapping;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::account;
use crate::protocol::oauth2::granted;
use crate::protocol::variables::given_by_reply;
use crate::service::Services;
use crate::service::lifecycle::import_line::ImportAnswer;

/// The elements that take the connections of each `provider_config_key`.
pub struct Translation(BTreeMap<String, Arc<Element>>);

#[derive(Deserialize)]
struct Connection {
    connection_id: String,
    provider_config_key: String,
    #[serde(default)]
    connection_config: Option<Map<String, Value>>,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    tags: Option<Value>,
    #[serde(default)]
    end_user: Option<EndUser>,
    credentials: Credentials,
}

#[derive(Deserialize)]
struct EndUser {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
}

/// Those of the types that are taken; of the others the type alone.
#[derive(Deserialize)]
struct Credentials {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_at: Option<Value>,
    #[serde(default)]
    raw: Option<Value>,
    #[serde(default)]
    config_override: Option<ConfigOverride>,
    #[serde(default, rename = "apiKey")]
    api_key: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

#[derive(Deserialize)]
struct ConfigOverride {
    #[serde(default)]
    client_id: Option<String>,
    #[serde(default)]
    client_secret: Option<String>,
}

impl Translation {
    /// # Errors
    /// An element that is not there.
    pub fn of(services: &Services, owner: Owner, mappings: &[Mapping]) -> Result<Self, ApiError> {
        let named = mappings.iter().map(|mapping| {
            services.element_of(owner, &mapping.element).map(|element| (mapping.theirs.clone(), element))
        });
        Ok(Self(named.collect::<Result<_, _>>()?))
    }

    /// The line as an import takes it.
    pub fn line(&self, number: u64, text: &[u8]) -> Result<Vec<u8>, Box<ImportAnswer>> {
        let refused = |error: &ApiError, name: Option<String>| Box::new(ImportAnswer::failed(number, name, error));
        // serde quotes what it did not expect, which can be a secret.
        let connection: Connection = serde_json::from_slice(text).map_err(|error| {
            let message = format!("The line is no reply of GET /connection/{{id}}: see column {}.", error.column());
            refused(&ApiError::new(Code::BadBody, message), None)
        })?;
        let name = format!("nango:{}:{}", connection.provider_config_key, connection.connection_id);
        let line = self
            .translated(&connection, &name)
            .and_then(|line| serde_json::to_vec(&line).map_err(|error| ApiError::internal(error)));
        line.map_err(|error| refused(&error, Some(name)))
    }

    fn translated(&self, connection: &Connection, import_id: &str) -> Result<Map<String, Value>, ApiError> {
        let theirs = &connection.provider_config_key;
        let element = self.0.get(theirs).ok_or_else(|| {
            let message = format!("No element takes these connections: say so with --map {theirs}=ELEMENT.");
            ApiError::new(Code::MissingElement, message)
        })?;
        let user = connection.end_user.as_ref();
        let customer = user.and_then(|user| user.id.clone()).unwrap_or_else(|| connection.connection_id.clone());
        let name = user.and_then(|user| user.display_name.clone()).filter(|name| !name.trim().is_empty());
        let mut line = Map::new();
        line.insert("importId".to_owned(), import_id.into());
        line.insert("element".to_owned(), json!({ "key": element.key }));
        line.insert("name".to_owned(), name.unwrap_or_else(|| connection.connection_id.clone()).into());
        line.insert("externalId".to_owned(), customer.into());
        let mut configuration = Map::new();
        let mut values = Map::new();
        carry_config(element, connection, &mut configuration, &mut values);
        if let Some(Value::Object(tags)) = &connection.tags
            && !tags.is_empty()
        {
            let tags = tags.iter().map(|(key, value)| format!("{key}:{}", value.as_str().unwrap_or_default()));
            line.insert("tags".to_owned(), tags.collect());
        }
        let credentials = &connection.credentials;
        match credentials.kind.as_str() {
            "OAUTH2" => oauth2(element, credentials, &mut line, (&mut configuration, &mut values))?,
            "API_KEY" => {
                let declared = api_key_of(element)?;
                choose(element, AuthenticationType::ApiKey, &mut configuration);
                put(&mut configuration, &declared.configuration, credentials.api_key.as_deref());
            }
            "BASIC" => basic(element, credentials, &mut configuration)?,
            other => {
                let message = format!("Credentials of the type {other:?} are not taken: connect this customer anew.");
                return Err(ApiError::new(Code::BadAuthenticationType, message));
            }
        }
        line.insert("configuration".to_owned(), configuration.into());
        line.insert("vendorValues".to_owned(), values.into());
        Ok(line)
    }
}

/// What the customer or the vendor told at the connection, where the element has a place for it; the rest, and the integrator's own
/// metadata, as further configuration.
fn carry_config(
    element: &Element,
    connection: &Connection,
    configuration: &mut Map<String, Value>,
    values: &mut Map<String, Value>,
) {
    for (key, value) in connection.connection_config.iter().flatten().filter(|(_, value)| !value.is_null()) {
        let place = element.variables.iter().find(|(name, variable)| {
            let names = [
                Some(name.as_str()),
                variable.parameter.as_deref(),
                variable.configuration.as_deref(),
                variable.member(name),
            ];
            names.contains(&Some(key.as_str()))
        });
        match place {
            Some((_, variable)) if variable.configuration.is_some() => {
                let key = variable.configuration.clone().unwrap_or_default();
                configuration.insert(key, value.clone());
            }
            Some((name, variable)) if variable.is_told() => drop(values.insert(name.clone(), value.clone())),
            _ => drop(configuration.insert(format!("connection_config.{key}"), value.clone())),
        }
    }
    for (key, value) in connection.metadata.iter().flatten().filter(|(_, value)| !value.is_null()) {
        configuration.insert(format!("metadata.{key}"), value.clone());
    }
}

fn oauth2(
    element: &Element,
    credentials: &Credentials,
    line: &mut Map<String, Value>,
    (configuration, values): (&mut Map<String, Value>, &mut Map<String, Value>),
) -> Result<(), ApiError> {
    let Some(oauth2) = &element.authentication.oauth2 else {
        return Err(ApiError::new(Code::NoOauth, format!("{} does not use OAuth here.", element.name)));
    };
    choose(element, AuthenticationType::OAuth2, configuration);
    let tokens = json!({
        "access_token": credentials.access_token,
        "refresh_token": credentials.refresh_token,
        "expires_at": credentials.expires_at,
    });
    line.insert("providerData".to_owned(), tokens);
    if let Some(app) = &credentials.config_override {
        put(configuration, "oauth.api.key", app.client_id.as_deref());
        put(configuration, "oauth.api.secret", app.client_secret.as_deref());
    }
    // The token reply as it was: what it says beside the token is read as if it came now, but for its times.
    let Some(raw) = &credentials.raw else { return Ok(()) };
    for (name, value) in given_by_reply(element, raw).variables {
        values.entry(name).or_insert(value.into());
    }
    let scope = oauth2.reply.scope.iter().find_map(|pointer| raw.pointer(pointer));
    if let Some(scopes) = scope.and_then(granted::names) {
        line.insert("grantedScopes".to_owned(), scopes.into());
    }
    if let Some(account) = account::read(oauth2.reply.account(), Some(raw)) {
        let account = serde_json::to_value(account).map_err(|error| ApiError::internal(error))?;
        line.insert("vendorAccount".to_owned(), account);
    }
    Ok(())
}

fn basic(element: &Element, credentials: &Credentials, configuration: &mut Map<String, Value>) -> Result<(), ApiError> {
    let declared = api_key_of(element)?;
    choose(element, AuthenticationType::ApiKey, configuration);
    let username = credentials.username.as_deref().unwrap_or_default();
    let password = credentials.password.as_deref().unwrap_or_default();
    let pair = declared.forms.iter().any(|form| form.placement == Placement::Pair);
    let key = match &declared.username {
        Some(key) => {
            put(configuration, key, Some(username));
            password.to_owned()
        }
        None if pair => format!("{username}:{password}"),
        // A key in the place of one of the two, as many vendors have it.
        None if password.is_empty() => username.to_owned(),
        None => password.to_owned(),
    };
    put(configuration, &declared.configuration, Some(&key));
    Ok(())
}

fn api_key_of(element: &Element) -> Result<&ApiKey, ApiError> {
    element
        .authentication
        .api_key
        .as_ref()
        .ok_or_else(|| ApiError::new(Code::BadAuthenticationType, format!("{} takes no keys here.", element.name)))
}

/// Where the element has several ways.
fn choose(element: &Element, way: AuthenticationType, configuration: &mut Map<String, Value>) {
    if element.authentication_types().len() > 1 {
        configuration.insert("authentication.type".to_owned(), way.as_str().into());
    }
}

fn put(configuration: &mut Map<String, Value>, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        configuration.insert(key.to_owned(), value.into());
    }
}
