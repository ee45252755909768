//! What a link offers for one element: how it authenticates, what is asked of the vendor, and what the person must enter.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Services;
use super::link_input::{LinkSettings, is_scope_key};
use crate::catalog::element::{AuthenticationType, ChoiceOption, ConfigurationEntry, Element};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::oauth2::token::Client;
use crate::kernel::secret::Secret;
use crate::service::configuration::{AUTHENTICATION_TYPE, Configuration};
use crate::service::scope_choice::{self, Layer, ScopeChoice};

const CLIENT_ID: &str = "oauth.api.key";
const CLIENT_SECRET: &str = "oauth.api.secret";
const REDIRECT_URI: &str = "oauth.callback.url";
const ASKED_SCOPES: &str = "oauth.scope";

pub struct Offer {
    pub element: Arc<Element>,
    pub authentication: AuthenticationType,
    /// Empty for a key.
    pub scopes: ScopeChoice,
    /// What the person is asked.
    pub fields: Vec<Field>,
    /// What the instance's configuration is given before that: by the link and the OAuth app.
    pub(super) given: Map<String, Value>,
    /// That on top of the element's defaults, or of the instance's own.
    pub(super) configuration: Configuration,
    pub(super) client: Option<Client>,
}

/// One input of the page.
#[derive(Debug, Clone)]
pub struct Field {
    pub key: String,
    pub name: String,
    pub description: String,
    pub secret: bool,
    pub options: Vec<ChoiceOption>,
}

impl Services {
    /// The elements that a link offers, as far as they can be connected.
    pub fn offered_elements(&self, settings: &LinkSettings) -> Vec<Arc<Element>> {
        let fits = |element: &&Arc<Element>| match settings.elements.as_slice() {
            [] => element.active && settings.authentication_type.is_none_or(|wanted| element.authentication_types().contains(&wanted)),
            named => named.contains(&element.key),
        };
        self.catalog.iter().filter(fits).cloned().collect()
    }

    /// Fails where the link could never connect this element.
    pub(super) async fn check_offer(
        &self,
        owner: Owner,
        element: &Arc<Element>,
        settings: &LinkSettings,
    ) -> Result<(), ApiError> {
        self.offer(owner, element, settings).await.map(drop)
    }

    pub async fn offer(
        &self,
        owner: Owner,
        element: &Arc<Element>,
        settings: &LinkSettings,
    ) -> Result<Offer, ApiError> {
        let authentication = authentication_of(element, settings);
        let mut configuration = match settings.instance_id {
            None => Configuration::of(element),
            Some(id) => self.configuration_of(&self.stored_instance(owner, id).await?)?,
        };
        let declared = |key: &str| element.entry(key).is_some_and(|declared| !declared.internal) || is_scope_key(key);
        let link = settings.configuration.iter().filter(|(key, _)| declared(key));
        let mut given: Map<String, Value> = link.map(|(key, value)| (key.clone(), value.clone())).collect();
        if element.entry(AUTHENTICATION_TYPE).is_some() {
            given.insert(AUTHENTICATION_TYPE.to_owned(), authentication.as_str().into());
        }
        let (mut scopes, mut client) = (ScopeChoice::default(), None);
        if authentication == AuthenticationType::OAuth2 {
            let app = self.partner_app(owner, element).await?;
            let of_link = client_in(|key| given.get(key).and_then(Value::as_str));
            let of_app =
                app.as_ref().map(|app| Client { id: app.client_id.clone(), secret: app.client_secret.clone() });
            let known = of_link.or(of_app).or_else(|| client_in(|key| configuration.get(key)));
            let known = known.ok_or_else(|| {
                let message = format!(
                    "There is no OAuth app for {}: PUT /elements/{}/app stores one, or the link brings {CLIENT_ID} and \
                     {CLIENT_SECRET} in its configuration.",
                    element.name, element.key
                );
                ApiError::new(Code::NoApp, message)
            })?;
            let text = |key: &str| given.get(key).and_then(Value::as_str).or_else(|| configuration.get(key));
            scopes = scope_choice::choose(
                element,
                &[
                    Layer {
                        scopes: settings.scopes.as_deref(),
                        optional_scopes: settings.optional_scopes.as_deref(),
                        preset: settings.preset.as_deref(),
                    },
                    Layer { scopes: text("Scopes"), optional_scopes: text("OptionalScopes"), preset: None },
                    Layer {
                        scopes: app.as_ref().and_then(|app| app.scopes.as_deref()),
                        optional_scopes: app.as_ref().and_then(|app| app.optional_scopes.as_deref()),
                        preset: app.as_ref().and_then(|app| app.preset.as_deref()),
                    },
                ],
            );
            given.insert(CLIENT_ID.to_owned(), known.id.expose().into());
            given.insert(CLIENT_SECRET.to_owned(), known.secret.expose().into());
            given.insert(REDIRECT_URI.to_owned(), self.redirect_uri().into());
            if element.entry(ASKED_SCOPES).is_some() {
                let asked: Vec<&str> =
                    scopes.mandatory.iter().chain(&scopes.optional).map(String::as_str).collect();
                given.insert(ASKED_SCOPES.to_owned(), asked.join(" ").into());
            }
            client = Some(known);
        }
        configuration.merge(element, given.clone())?;
        let fields = fields(element, authentication, settings, &configuration);
        Ok(Offer { element: Arc::clone(element), authentication, scopes, fields, given, configuration, client })
    }
}

/// OAuth where the element has it, unless the link says otherwise.
fn authentication_of(element: &Element, settings: &LinkSettings) -> AuthenticationType {
    let default = match element.authentication.oauth2 {
        Some(_) => AuthenticationType::OAuth2,
        None => element.authentication.default,
    };
    settings.authentication_type.unwrap_or(default)
}

fn client_in<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Option<Client> {
    let filled = |key: &str| value(key).filter(|text| !text.is_empty()).map(Secret::new);
    Some(Client { id: filled(CLIENT_ID)?, secret: filled(CLIENT_SECRET)? })
}

/// What is required and nobody has given. A key is asked for anew even when the instance has one.
fn fields(
    element: &Element,
    authentication: AuthenticationType,
    settings: &LinkSettings,
    configuration: &Configuration,
) -> Vec<Field> {
    let key = element.authentication.api_key.as_ref().filter(|_| authentication == AuthenticationType::ApiKey);
    let is_key = |entry: &ConfigurationEntry| {
        key.is_some_and(|key| key.configuration == entry.key || key.username.as_ref() == Some(&entry.key))
    };
    let asked = element.configuration.iter().filter(|entry| {
        let ours = matches!(entry.key.as_str(), CLIENT_ID | CLIENT_SECRET | REDIRECT_URI | AUTHENTICATION_TYPE);
        let needed = (entry.required || is_key(entry)) && !entry.internal && entry.applies_to(authentication);
        let by_link = settings.configuration.get(&entry.key).is_some_and(|value| !value.is_null());
        let known = by_link || (!is_key(entry) && configuration.get(&entry.key).is_some());
        needed && !ours && !known
    });
    asked
        .map(|entry| Field {
            key: entry.key.clone(),
            name: entry.name.clone(),
            description: entry.description.clone(),
            secret: entry.is_secret(),
            options: entry.options.clone(),
        })
        .collect()
}
