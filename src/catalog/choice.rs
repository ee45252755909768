//! What hangs on the value of another input: which inputs apply, how a key travels, how a client authenticates.

use serde::{Deserialize, Serialize};

use super::element::{ApiKey, ConfigurationEntry, Element, Placement};
use super::oauth2::{ClientAuthentication, OAuth2};

/// Values of an instance's configuration by key, or none.
pub type Given<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Holds where another entry of the configuration has one of these values.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub key: String,
    pub is: Vec<String>,
}

impl Condition {
    pub fn holds(&self, given: &Given<'_>) -> bool {
        given(&self.key).is_some_and(|value| self.is.contains(&value))
    }
}

impl Placement {
    /// The configuration key that names the header or the parameter, where none is fixed.
    pub fn named_by(&self) -> Option<&str> {
        match self {
            Self::HeaderNamed { by } | Self::QueryNamed { by } => Some(by),
            _ => None,
        }
    }
}

impl ApiKey {
    /// Whether the configuration chooses among its forms.
    pub fn is_chosen(&self) -> bool {
        self.forms.iter().any(|form| form.when.is_some())
    }

    /// Every configuration key that decides what the credential is, or how it travels.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let of_forms = self.forms.iter().flat_map(|form| {
            let when = form.when.as_ref().map(|when| when.key.as_str());
            when.into_iter().chain(form.placement.named_by())
        });
        self.username.as_deref().into_iter().chain([self.configuration.as_str()]).chain(of_forms)
    }
}

impl OAuth2 {
    /// How the client authenticates, where the configuration chooses.
    pub fn chosen_authentication(&self, given: &Given<'_>) -> Option<ClientAuthentication> {
        ClientAuthentication::read(&given(self.token.client_authentication_by.as_deref()?)?)
    }
}

impl ClientAuthentication {
    /// As element files spell it.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_value(text.into()).ok()
    }
}

impl ConfigurationEntry {
    /// Whether its group is chosen.
    pub fn is_chosen(&self, given: &Given<'_>) -> bool {
        self.when.as_ref().is_none_or(|when| when.holds(given))
    }

    /// The organization's OAuth app alone says it, where that one speaks.
    pub fn is_for_app_alone(&self) -> bool {
        self.app && self.hide_from_console
    }
}

impl Element {
    /// What an organization's OAuth app may say.
    pub fn app_entries(&self) -> impl Iterator<Item = &ConfigurationEntry> {
        self.configuration.iter().filter(|entry| entry.app)
    }
}
