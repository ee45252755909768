//! An element: a kind of connection, as its file declares it. The same type reads TOML and JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calls::{Failure, Wait};
use super::choice::Condition;
use super::events::Events;
use super::oauth2::{OAuth2, Refresh};
use super::resource::{Collection, Resource};
use super::scopes::{Mixture, Preset};
use super::variable::Variable;
use super::verification::Verification;
use crate::kernel::allowed_hosts::AllowedHosts;
use crate::kernel::template::Template;
use crate::kernel::text_template::TextTemplate;

/// One element. Unknown members are refused, so that a misspelt quirk cannot pass unnoticed.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Element {
    /// Built-in below 10,000, from a directory 10,000–99,999, made through the API from 100,000.
    pub id: i64,
    /// Lower-case alphanumerics; what callers write in paths.
    pub key: String,
    pub name: String,
    /// The name that event and hook code uses (`HubSpotCRM`).
    pub hook_name: String,
    pub description: String,
    /// What a person must do at the vendor before connecting: where ids, secrets and keys are, where the redirect URL goes.
    pub config_description: String,
    /// The family of elements with the same resources: `crm`, `marketing`, `helpdesk`.
    pub hub: String,
    #[serde(default)]
    pub image: Option<String>,
    #[serde(default = "yes")]
    pub active: bool,
    /// False: links that name no elements do not offer it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub offered_unnamed: bool,
    /// Where a person gets an account at the vendor, for the page of a connect link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signup_url: Option<String>,
    #[serde(default)]
    pub flags: Flags,
    #[serde(default)]
    pub events: Events,
    /// Where the vendor's API begins: `https://api.hubapi.com`, `{instanceUrl}`.
    pub base_url: Template,
    /// Where the file lets secrets go (`secret_places`); the catalogue knows it, and no file says it.
    #[serde(skip)]
    pub secret_places: String,
    /// Hosts that a variable may name: `login.example.com` exactly, `.example.com` with everything below it; or `"any"`, where customers
    /// run servers of their own.
    #[serde(default)]
    pub hosts: AllowedHosts,
    /// False: below none of its hosts' suffixes do the vendor's customers run servers of their own, whatever their names say.
    /// `sources` names the vendor's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customers_run_servers: Option<bool>,
    /// Where the vendor says what the file claims, by member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, String>,
    /// Headers that every call to the vendor carries; one whose variable has no value yet is left out.
    #[serde(default)]
    pub headers: BTreeMap<String, TextTemplate>,
    /// Where the vendor's failures have their words: the first JSON pointer that leads to a text counts.
    #[serde(default = "messages")]
    pub messages: Vec<String>,
    /// Seconds that the vendor may take for one answer.
    #[serde(default = "thirty")]
    pub timeout: u64,
    /// Which successes are failures, by their bodies: the first that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Failure>,
    /// Which headers of a refused call say when to come again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
    /// Whether the passthrough follows redirects of GET and HEAD that stay with the base URL's scheme, host and port. Others
    /// are answers, like every other answer: nobody is led elsewhere with a credential.
    #[serde(default)]
    pub follow_redirects: bool,
    /// Where the variables of the templates come from, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    pub authentication: Authentication,
    /// A cheap call that proves an API key before anything is stored. With OAuth2 it is made after the exchange, where something is
    /// open that it tells: a variable, the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// The declared inputs of an instance, in display order.
    pub configuration: Vec<ConfigurationEntry>,
    /// A file beside this one (`hubspot/resources.toml`) whose collections, resources and sets of scopes are this element's
    /// too: what several elements share is written once.
    #[serde(default, skip_serializing)]
    pub include: Option<String>,
    /// How the vendor's collections are called, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub collections: BTreeMap<String, Collection>,
    /// What `/hubs/{hub}/…` offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
}

/// An included file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Included {
    pub collections: BTreeMap<String, Collection>,
    pub resources: Vec<Resource>,
    pub oauth2: IncludedOAuth2,
}

/// What elements with the same OAuth app share.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncludedOAuth2 {
    pub presets: BTreeMap<String, Preset>,
    /// Of `scopes`.
    pub words: BTreeMap<String, String>,
    /// Of `scopes`.
    pub mixtures: Vec<Mixture>,
}

/// What the element object of the API says and nothing here depends on.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Flags {
    pub transformations_enabled: bool,
    pub bulk_download_enabled: bool,
    pub bulk_upload_enabled: bool,
    pub cloneable: bool,
    pub extendable: bool,
    pub beta: bool,
    pub private: bool,
    pub trial_account: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            transformations_enabled: false,
            bulk_download_enabled: false,
            bulk_upload_enabled: false,
            cloneable: false,
            extendable: true,
            beta: false,
            private: false,
            trial_account: false,
        }
    }
}

/// How an instance of the element authenticates. `type` is the default where there are several.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    #[serde(rename = "type")]
    pub default: AuthenticationType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
    #[serde(default, rename = "apiKey", skip_serializing_if = "Option::is_none")]
    pub api_key: Option<ApiKey>,
    /// Further places where a vendor's SDKs put a credential. Nothing is sent there: a caller of the passthrough may put
    /// the instance's token there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepts: Vec<Placement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum AuthenticationType {
    #[serde(rename = "oauth2")]
    OAuth2,
    #[serde(rename = "apiKey")]
    ApiKey,
}

impl AuthenticationType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OAuth2 => "oauth2",
            Self::ApiKey => "apiKey",
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        [Self::OAuth2, Self::ApiKey].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(text))
    }
}

/// A static key, and how it travels.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiKey {
    /// When to use this type rather than the other.
    pub description: String,
    /// Where a person finds the key, and what it must be able to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beforehand: Option<String>,
    /// The configuration key that holds it (`hubspot.authorization.apikey`).
    pub configuration: String,
    /// The configuration key of a user name: the credential is then `<user name>:<key>`, for the placement `pair`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The first form whose prefix fits decides how the key is sent.
    pub forms: Vec<ApiKeyForm>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiKeyForm {
    /// Applies to keys that begin so (`pat-`); absent: to all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Applies where the configuration says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    pub placement: Placement,
    /// What to tell a caller whose key of this form is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_hint: Option<String>,
}

/// Where a credential goes in a request to the vendor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "in")]
pub enum Placement {
    /// `Authorization: <scheme> <credential>`; an empty scheme sends the bare credential.
    Authorization { scheme: String },
    /// A header of the vendor's own.
    Header { name: String },
    /// A query parameter.
    Query { name: String },
    /// The header that the entry `by` of the configuration names.
    HeaderNamed { by: String },
    /// The query parameter that it names.
    QueryNamed { by: String },
    /// Basic authentication. One of the two is `{credential}`, the other a fixed text.
    Basic { username: String, password: String },
    /// Basic authentication with a credential that is user name and password already, with a colon between.
    Pair,
}

/// One declared input of an instance (docs/api.md, Configuration entries).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ConfigurationEntry {
    pub key: String,
    pub name: String,
    pub description: String,
    #[serde(rename = "type")]
    pub kind: ConfigurationType,
    /// Always text, for booleans and numbers too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    #[serde(default)]
    pub required: bool,
    /// Belongs to this authentication type only: neither required nor sent with the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<AuthenticationType>,
    /// Belongs to a choice: neither required nor asked for where another entry has another value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// The organization's OAuth app may say it, for every instance that uses the app.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub app: bool,
    /// Not asked from end users.
    #[serde(default)]
    pub hide_from_console: bool,
    /// Maintained by Ligand (tokens); a caller's value is ignored.
    #[serde(default)]
    pub internal: bool,
    /// Shown as `********` in every reply.
    #[serde(default)]
    pub secret: bool,
    /// Its value selects which other entries apply.
    #[serde(default)]
    pub group_control: bool,
    /// The allowed values of a `COMBO`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ChoiceOption>,
    /// Values that are stored but have no effect yet; the reply says so in an `Elements-Error` header.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_effect: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChoiceOption {
    pub value: String,
    pub description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ConfigurationType {
    #[serde(rename = "TEXTFIELD_32")]
    Textfield32,
    #[serde(rename = "TEXTFIELD_64")]
    Textfield64,
    #[serde(rename = "TEXTFIELD_128")]
    Textfield128,
    #[serde(rename = "TEXTFIELD_1000")]
    Textfield1000,
    Textarea,
    Boolean,
    BooleanYesno,
    Password,
    Combo,
    CodeEditor,
}

impl Element {
    /// The authentication types it offers, the default first.
    pub fn authentication_types(&self) -> Vec<AuthenticationType> {
        let offered = [
            self.authentication.oauth2.as_ref().map(|_| AuthenticationType::OAuth2),
            self.authentication.api_key.as_ref().map(|_| AuthenticationType::ApiKey),
        ];
        let mut offered: Vec<_> = offered.into_iter().flatten().collect();
        offered.sort_by_key(|offered| *offered != self.authentication.default);
        offered
    }

    /// Every place where its credential travels, or where its SDKs put one.
    pub fn placements(&self) -> impl Iterator<Item = &Placement> {
        let Authentication { oauth2, api_key, accepts, .. } = &self.authentication;
        let forms = api_key.iter().flat_map(|api_key| &api_key.forms).map(|form| &form.placement);
        oauth2.iter().map(|oauth2| &oauth2.placement).chain(forms).chain(accepts)
    }

    /// How its tokens are refreshed, where they are at all.
    pub fn refresh(&self) -> Option<&Refresh> {
        self.authentication.oauth2.as_ref().map(|oauth2| &oauth2.refresh).filter(|refresh| refresh.supported)
    }

    /// Token calls at once to one host, from one process.
    pub fn concurrency(&self) -> usize {
        self.refresh().map_or(1, |refresh| usize::try_from(refresh.concurrency).unwrap_or(usize::MAX)).max(1)
    }

    pub fn entry(&self, key: &str) -> Option<&ConfigurationEntry> {
        self.configuration.iter().find(|entry| entry.key == key)
    }
}

impl ConfigurationEntry {
    /// Whether it applies to an instance of this authentication type.
    pub fn applies_to(&self, authentication: AuthenticationType) -> bool {
        self.authentication.is_none_or(|own| own == authentication)
    }

    pub fn is_secret(&self) -> bool {
        self.secret || self.kind == ConfigurationType::Password
    }

    /// The values it allows, where they are few.
    pub fn allowed_values(&self) -> Option<Vec<&str>> {
        match self.kind {
            ConfigurationType::Boolean | ConfigurationType::BooleanYesno => Some(vec!["true", "false"]),
            ConfigurationType::Combo => Some(self.options.iter().map(|option| option.value.as_str()).collect()),
            _ => None,
        }
    }
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

fn messages() -> Vec<String> {
    vec!["/message".to_owned(), "/error".to_owned()]
}

fn thirty() -> u64 {
    30
}
