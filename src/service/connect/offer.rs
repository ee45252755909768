//! What a link offers for one element: how it authenticates, what is asked of the vendor, and what the person must enter.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::link_input::is_scope_key;
use crate::catalog::choice::Condition;
use crate::catalog::element::{AuthenticationType, ChoiceOption, ConfigurationEntry, Element};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::protocol::account::VendorAccount;
use crate::service::Services;
use crate::service::credentials::partner_app::{PartnerApp, no_app, own_client};
use crate::service::credentials::provision::with_values;
use crate::service::credentials::scope_choice::{self, Layer, ScopeChoice};
use crate::service::instance::configuration::{
    AUTHENTICATION_TYPE, CLIENT_ID, CLIENT_SECRET, Configuration, is_secret,
};
use crate::service::instance::connected::Connected;
use crate::service::lifecycle::new_host::{hosts_by_configuration, hosts_by_redirect};
use crate::service::links::settings::LinkSettings;
use crate::store::instances::Stored;

const REDIRECT_URI: &str = "oauth.callback.url";
const ASKED_SCOPES: &str = "oauth.scope";

pub struct Offer {
    pub element: Arc<Element>,
    pub authentication: AuthenticationType,
    /// None for a key.
    pub scopes: Option<ScopeChoice>,
    /// What the person is asked.
    pub fields: Vec<Field>,
    /// The vendor's account that the instance belongs to, where one is authorised anew.
    pub account: Option<VendorAccount>,
    /// What the instance's configuration is given before that: by the link and the OAuth app.
    pub(super) given: Map<String, Value>,
    /// That on top of the element's defaults, or of the instance's own.
    pub(super) configuration: Configuration,
    /// The organization's app, where it is the one that speaks.
    pub(super) app: Option<PartnerApp>,
}

impl Offer {
    /// What the person must know or have first.
    pub fn beforehand(&self) -> Option<&str> {
        let declared = &self.element.authentication;
        match self.authentication {
            AuthenticationType::OAuth2 => declared.oauth2.as_ref()?.beforehand.as_deref(),
            AuthenticationType::ApiKey => declared.api_key.as_ref()?.beforehand.as_deref(),
        }
    }
}

/// One input of the page.
#[derive(Debug, Clone)]
pub struct Field {
    pub key: String,
    pub name: String,
    pub description: String,
    pub secret: bool,
    pub options: Vec<ChoiceOption>,
    /// What the person chooses beside it says whether it is needed.
    pub when: Option<Condition>,
}

impl Services {
    /// The elements that a link offers. Where it names none: all that can be connected as things are.
    pub async fn offered_elements(&self, owner: Owner, settings: &LinkSettings) -> Result<Vec<Arc<Element>>, ApiError> {
        if !settings.elements.is_empty() {
            let named = |element: &&Arc<Element>| element.active && settings.elements.contains(&element.key);
            return Ok(self.elements_of(owner).iter().filter(named).cloned().collect());
        }
        let mut apps = self.partner_apps(owner).await?;
        let fits = |element: &&Arc<Element>| {
            let wanted = settings.authentication_type;
            element.active
                && element.offered_unnamed
                && wanted.is_none_or(|it| element.authentication_types().contains(&it))
        };
        let mut offered = Vec::new();
        for element in self.elements_of(owner).iter().filter(fits) {
            match self.offer_of(element, settings, None, apps.remove(&element.id)) {
                Ok(_) => offered.push(Arc::clone(element)),
                Err(error) if matches!(error.code, Code::AppNotFound | Code::BadConfiguration) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(offered)
    }

    /// Fails where the link could never connect this element; tells what is odd about its scopes. `only`: the link has no
    /// other.
    pub(super) async fn check_offer(
        &self,
        owner: Owner,
        element: &Arc<Element>,
        settings: &LinkSettings,
        only: bool,
    ) -> Result<Option<String>, ApiError> {
        let offer = self.offer(owner, element, settings).await?;
        let Some(oauth2) = element.authentication.oauth2.as_ref().filter(|_| offer.scopes.is_some()) else {
            return Ok(None);
        };
        // What the link itself names; what the person enters is looked at when it is entered.
        if let Some(app) = &offer.app {
            with_values(element, &offer.configuration, None, |values| {
                app.client(oauth2).refuse_foreign_host(oauth2, values)
            })?;
        }
        let presets = settings.preset.as_deref();
        let layer = Layer {
            scopes: settings.scopes.as_deref(),
            // What only some of the elements know is passed over by the others.
            optional_scopes: settings.optional_scopes.as_deref().filter(|_| only),
            preset: presets.filter(|name| only || oauth2.presets.contains_key(*name)),
        };
        scope_choice::check(element, layer)?;
        Ok(offer.scopes.and_then(|scopes| scopes.warning))
    }

    pub async fn offer(
        &self,
        owner: Owner,
        element: &Arc<Element>,
        settings: &LinkSettings,
    ) -> Result<Offer, ApiError> {
        let stored = match settings.instance_id {
            None => None,
            Some(id) => Some(self.stored_instance(owner, id).await?),
        };
        let app = match authentication_of(element, settings) {
            AuthenticationType::OAuth2 => self.partner_app(owner, element).await?,
            AuthenticationType::ApiKey => None,
        };
        self.refuse_secrets_of_old_file(element, settings)?;
        refuse_secrets_for_any_host(element, settings)?;
        let offer = self.offer_of(element, settings, stored.as_ref(), app)?;
        if let Some(app) = &offer.app {
            self.refuse_changed_element(element, app.given_for.as_deref())?;
        }
        Ok(offer)
    }

    /// What the link itself brings was given for the element as it was then.
    pub(super) fn refuse_secrets_of_old_file(
        &self,
        element: &Element,
        settings: &LinkSettings,
    ) -> Result<(), ApiError> {
        match secrets_of_link(element, settings).next() {
            Some(_) => self.refuse_changed_element(element, settings.given_for.get(&element.key).map(String::as_str)),
            None => Ok(()),
        }
    }

    /// `stored`: the instance that is authorised anew. `app`: the organization's.
    fn offer_of(
        &self,
        element: &Arc<Element>,
        settings: &LinkSettings,
        stored: Option<&Stored>,
        app: Option<PartnerApp>,
    ) -> Result<Offer, ApiError> {
        let authentication = authentication_of(element, settings);
        let (mut configuration, account) = match stored {
            None => (Configuration::of(element), None),
            Some(stored) => {
                let connected = Connected::of_row(&stored.instance)?;
                (self.configuration_of(stored)?, connected.account)
            }
        };
        let declared = |key: &str| element.entry(key).is_some_and(|declared| !declared.internal) || is_scope_key(key);
        let link = settings.configuration.iter().filter(|(key, _)| declared(key));
        let mut given: Map<String, Value> = link.map(|(key, value)| (key.clone(), value.clone())).collect();
        if element.entry(AUTHENTICATION_TYPE).is_some() {
            given.insert(AUTHENTICATION_TYPE.to_owned(), authentication.as_str().into());
        }
        let app = match authentication {
            AuthenticationType::ApiKey => None,
            AuthenticationType::OAuth2 => {
                let app = self.app_of_offer(element, &configuration, &mut given, app)?;
                let callback = app.as_ref().and_then(|app| app.callback.as_deref());
                given.insert(REDIRECT_URI.to_owned(), self.redirect_url_of(callback).into());
                app
            }
        };
        for (key, value) in app.iter().flat_map(|app| &app.configuration) {
            given.insert(key.clone(), value.as_str().into());
        }
        configuration.merge(element, given.clone())?;
        let of_link = Layer {
            scopes: settings.scopes.as_deref(),
            optional_scopes: settings.optional_scopes.as_deref(),
            preset: settings.preset.as_deref(),
        };
        let layers = [Some(of_link), Some(Layer::of_configuration(&configuration)), app.as_ref().map(Layer::of_app)];
        let layers: Vec<_> = layers.into_iter().flatten().collect();
        let scopes = (authentication == AuthenticationType::OAuth2).then(|| scope_choice::choose(element, &layers));
        if let Some(scopes) = scopes.as_ref().filter(|_| element.entry(ASKED_SCOPES).is_some()) {
            let asked = [scopes.mandatory.as_slice(), scopes.optional.as_slice()].concat().join(" ");
            configuration.set(ASKED_SCOPES, Some(asked.clone()));
            given.insert(ASKED_SCOPES.to_owned(), asked.into());
        }
        let fields = fields(element, authentication, settings, &configuration);
        Ok(Offer { element: Arc::clone(element), authentication, scopes, fields, account, given, configuration, app })
    }

    /// The organization's app, where it is the one that speaks. An app of the instance's own stays only where it knows our
    /// redirect URI, or where there is no other.
    fn app_of_offer(
        &self,
        element: &Element,
        before: &Configuration,
        given: &mut Map<String, Value>,
        app: Option<PartnerApp>,
    ) -> Result<Option<PartnerApp>, ApiError> {
        let brought = |key: &str| given.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if brought(CLIENT_ID) || brought(CLIENT_SECRET) {
            return Ok(None);
        }
        let own = own_client(before).is_some();
        if own && before.get(REDIRECT_URI) == Some(self.redirect_url().as_str()) {
            return Ok(None);
        }
        if app.is_some() {
            for key in [CLIENT_ID, CLIENT_SECRET].into_iter().filter(|key| element.entry(key).is_some()) {
                given.insert(key.to_owned(), Value::Null);
            }
        } else if !own {
            return Err(no_app(element));
        }
        Ok(app)
    }
}

/// OAuth where the element has it, unless the link says otherwise.
pub(super) fn authentication_of(element: &Element, settings: &LinkSettings) -> AuthenticationType {
    let default = match element.authentication.oauth2 {
        Some(_) => AuthenticationType::OAuth2,
        None => element.authentication.default,
    };
    settings.authentication_type.unwrap_or(default)
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
    let given = |key: &str| configuration.get(key).map(str::to_owned);
    let asked = element.configuration.iter().filter(|entry| {
        let ours = matches!(entry.key.as_str(), CLIENT_ID | CLIENT_SECRET | REDIRECT_URI | AUTHENTICATION_TYPE)
            || entry.is_for_app_alone();
        // Of a choice that was made, what belongs to it; else the person makes it.
        let other = entry.when.as_ref().is_some_and(|when| given(&when.key).is_some() && !when.holds(&given));
        let needed = (entry.required || is_key(entry)) && !entry.internal && entry.applies_to(authentication);
        let by_link = settings.configuration.get(&entry.key).is_some_and(|value| !value.is_null());
        let known = by_link || (!is_key(entry) && configuration.get(&entry.key).is_some());
        needed && !ours && !known && !other
    });
    asked
        .map(|entry| Field {
            key: entry.key.clone(),
            name: entry.name.clone(),
            description: entry.description.clone(),
            secret: entry.is_secret(),
            options: entry.options.clone(),
            when: entry.when.clone().filter(|when| given(&when.key).is_none()),
        })
        .collect()
}

fn secrets_of_link<'a>(element: &'a Element, settings: &'a LinkSettings) -> impl Iterator<Item = &'a str> {
    let brought = settings.configuration.iter().filter(|(_, value)| !value.is_null());
    brought.map(|(key, _)| key.as_str()).filter(|key| is_secret(element.entry(key), key))
}

/// Whoever opens the link would choose where the secrets go that it brings.
fn refuse_secrets_for_any_host(element: &Element, settings: &LinkSettings) -> Result<(), ApiError> {
    let one_app = element.authentication.oauth2.as_ref().is_some_and(|oauth2| oauth2.one_app_for_all_hosts);
    let secrets: Vec<&str> = secrets_of_link(element, settings).collect();
    if secrets.is_empty() || one_app || settings.instance_id.is_some() {
        return Ok(());
    }
    let named = |key: &str| settings.configuration.get(key).is_some_and(|value| !value.is_null());
    let left = hosts_by_configuration(element).filter(|key| !named(key));
    let left: Vec<&str> = left.chain(hosts_by_redirect(element)).collect();
    if left.is_empty() {
        return Ok(());
    }
    let message = format!(
        "The link brings {} and leaves {} to whoever opens it, who would choose the host that this is sent to: bring both, or neither.",
        secrets.join(" and "),
        left.join(" and ")
    );
    Err(ApiError::new(Code::BadConfiguration, message))
}
