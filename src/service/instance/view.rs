//! An instance as the API shows it (docs/api.md, The instance object).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::configuration::Configuration;
use super::connected::Connected;
use super::standing::{Standing, ends_by_itself};
use crate::catalog::element::{ConfigurationEntry, Element};
use crate::kernel::clock::api_date;
use crate::kernel::error::ApiError;
use crate::kernel::secret::{MASK, Secret};
use crate::protocol::Credential;
use crate::protocol::account::VendorAccount;
use crate::service::Services;
use crate::service::elements::view::{ElementText, ElementView};
use crate::store::instances::{CredentialRow, InstanceRow, Stored};
use crate::store::sealed::{CONFIGURATION, CREDENTIAL, INSTANCE_TOKEN};

#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Instance)]
pub struct InstanceView {
    pub id: i64,
    pub name: String,
    #[schema(example = "2017-08-01T16:12:43Z")]
    pub created_date: String,
    /// The instance token: what callers send as `Element <token>`. `********` for a plain user who did not make the instance,
    /// where the organization's `usersSeeTokens` is false.
    pub token: String,
    #[schema(value_type = ElementView)]
    pub element: ElementText,
    pub element_id: i64,
    pub tags: Vec<String>,
    #[schema(value_type = Vec<Object>)]
    pub provision_interactions: Vec<Value>,
    /// False once the vendor has refused the credential for good, and while nothing of it goes to the vendor because the element's
    /// file leads elsewhere; `invalidReason` says why, and what to do.
    pub valid: bool,
    pub disabled: bool,
    pub max_cache_size: i64,
    pub cache_time_to_live: i64,
    /// Every declared key and those that the caller added. Secrets are shown as `********`.
    #[schema(value_type = std::collections::HashMap<String, Option<String>>)]
    pub configuration: Map<String, Value>,
    pub events_enabled: bool,
    pub trace_logging_enabled: bool,
    pub caching_enabled: bool,
    /// `none`, or `initial` when the caller brought the first tokens itself.
    pub external_authentication: String,
    /// Who created it.
    pub user: UserView,
    /// The caller's own name for the customer.
    #[schema(required)]
    pub external_id: Option<String>,
    #[schema(required)]
    pub invalid_reason: Option<String>,
    /// When the vendor first refused to renew the token, where it has done so since: the connection may be at its end. After five
    /// refusals over at least a day it is.
    #[serde(default)]
    #[schema(required)]
    pub failing_since: Option<String>,
    /// How often in a row it has. An outage of the vendor does not count.
    #[serde(default)]
    pub refused_refreshes: i64,
    /// The vendor's words the last time.
    #[serde(default)]
    #[schema(required)]
    pub last_refusal: Option<String>,
    /// That the connection ends by itself, and what to ask the vendor for so that it does not.
    #[serde(default)]
    #[schema(required)]
    pub warning: Option<String>,
    /// When the access token expires, where the vendor says so.
    #[schema(required)]
    pub expires_at: Option<String>,
    #[schema(required)]
    pub last_refresh_at: Option<String>,
    /// When the refresh token ends, where the vendor says so: the user must authorise again before then.
    #[serde(default)]
    #[schema(required)]
    pub refresh_token_expires_at: Option<String>,
    /// Which account at the vendor is connected, where the vendor says so.
    #[serde(default)]
    #[schema(required)]
    pub vendor_account: Option<VendorAccount>,
    /// What the vendor granted, where it says so.
    #[serde(default)]
    #[schema(required)]
    pub granted_scopes: Option<Vec<String>>,
    /// Of the row that this was read from. Not a member of the body.
    #[serde(skip)]
    pub version: i64,
}

impl InstanceView {
    /// As the API sends it.
    pub fn json(&self) -> Result<Vec<u8>, ApiError> {
        // Enough for nearly all: otherwise the text is copied again and again while it grows.
        let mut json = Vec::with_capacity(8 * 1024);
        serde_json::to_writer(&mut json, self).map_err(|error| ApiError::internal(error))?;
        Ok(json)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub struct UserView {
    pub id: i64,
    /// `removed:<id>` of a user who was removed.
    pub email_address: String,
    pub first_name: String,
    pub last_name: String,
}

/// One configuration entry of an instance.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
// Generators give the map in Instance the name InstanceConfiguration.
#[schema(as = InstanceConfigurationEntry)]
pub struct InstanceConfiguration {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub description: String,
    /// As text; a secret is shown as `********`.
    #[schema(required)]
    pub property_value: Option<String>,
    pub required: bool,
    #[serde(rename = "type")]
    pub kind: crate::catalog::element::ConfigurationType,
    pub hide_from_console: bool,
    pub active: bool,
}

impl Services {
    /// Opens the instance's credential, for the owner of the instance.
    pub(in crate::service) fn credential_of(
        &self,
        row: &InstanceRow,
        credential: &CredentialRow,
    ) -> Result<Credential, ApiError> {
        let credential = self.opened_credential((row.organization_id, row.id), &credential.sealed)?;
        Ok(credential.attributed(row.brings_tokens()))
    }

    /// Of an organization's instance.
    pub(super) fn opened_credential(
        &self,
        (organization, instance): (i64, i64),
        sealed: &[u8],
    ) -> Result<Credential, ApiError> {
        Ok(self.vault.open_document(CREDENTIAL.place(organization, instance), sealed)?)
    }

    /// Opens the instance's configuration.
    pub(in crate::service) fn configuration_of(&self, stored: &Stored) -> Result<Configuration, ApiError> {
        let instance = &stored.instance;
        let element = self.element_by_id(instance.owner(), instance.element_id);
        let place = CONFIGURATION.place(instance.organization_id, instance.id);
        let configuration: Configuration = self.vault.open_json(place, &instance.configuration_sealed)?;
        Ok(configuration.with_declared(element.as_deref()))
    }

    /// The whole instance. `hydrate`: with its configuration.
    pub(in crate::service) fn view(&self, stored: &Stored, hydrate: bool) -> Result<InstanceView, ApiError> {
        let configuration = if hydrate { Some(self.configuration_of(stored)?) } else { None };
        self.view_with(stored, configuration.as_ref())
    }

    pub(in crate::service) fn view_with(
        &self,
        stored: &Stored,
        configuration: Option<&Configuration>,
    ) -> Result<InstanceView, ApiError> {
        let row = &stored.instance;
        let token = self.vault.open_text(INSTANCE_TOKEN.place(row.organization_id, row.id), &row.token_sealed)?;
        self.view_of(stored, &token, configuration)
    }

    /// `view_with` for whoever knows the token.
    pub(in crate::service) fn view_of(
        &self,
        stored: &Stored,
        token: &Secret,
        configuration: Option<&Configuration>,
    ) -> Result<InstanceView, ApiError> {
        let row = &stored.instance;
        let element = self.element_by_id(row.owner(), row.element_id);
        let text = match self.element_text(row.owner(), row.element_id) {
            Some(text) => text,
            None => ElementText::of(&ElementView::removed(row)).map_err(|error| ApiError::internal(error))?,
        };
        let connected = Connected::of_row(row)?;
        let held = || self.held(row.owner(), (row.element_id, row.id), &stored.credential.sealed);
        let invalid_reason = row.invalid_reason.clone().or_else(held);
        let standing = Standing::of(&stored.credential);
        // A job writes it down a moment later.
        let ended = || standing.ended(element.as_ref().map_or(&row.element_key, |element| &element.name), self.now());
        let invalid_reason = invalid_reason.or_else(ended);
        let failing = standing.failing;
        let events_enabled = configuration.and_then(|known| known.get("event.notification.enabled")) == Some("true");
        let shown = configuration.map(|configuration| {
            let shown = shown(element.as_deref(), configuration, stored);
            shown.into_iter().map(|(_, key, value)| (key.to_owned(), value.into())).collect()
        });
        Ok(InstanceView {
            id: row.id,
            name: row.name.clone(),
            created_date: api_date(row.created_at.into()),
            token: token.expose().to_owned(),
            element: text,
            element_id: row.element_id,
            tags: stored.tags()?,
            provision_interactions: Vec::new(),
            valid: invalid_reason.is_none(),
            disabled: !row.enabled,
            max_cache_size: 0,
            cache_time_to_live: 0,
            configuration: shown.unwrap_or_default(),
            events_enabled,
            trace_logging_enabled: false,
            caching_enabled: false,
            external_authentication: row.external_authentication.clone(),
            user: UserView {
                id: stored.creator.id,
                email_address: stored.creator.email.clone(),
                first_name: stored.creator.first_name.clone(),
                last_name: stored.creator.last_name.clone(),
            },
            external_id: row.external_id.clone(),
            warning: element.as_deref().filter(|_| invalid_reason.is_none()).and_then(|element| {
                let oauth2 = row.authentication_type == "oauth2" && !stored.credential.refreshable;
                oauth2.then(|| ends_by_itself(element, stored.expires_at())).flatten()
            }),
            invalid_reason,
            failing_since: failing.as_ref().map(|failing| api_date(failing.since)),
            refused_refreshes: failing.as_ref().map_or(0, |failing| failing.refusals.into()),
            last_refusal: failing.map(|failing| failing.said),
            expires_at: stored.expires_at().map(api_date),
            last_refresh_at: stored.refreshed_at().map(api_date),
            refresh_token_expires_at: stored.ends_at().map(api_date),
            vendor_account: connected.account,
            granted_scopes: connected.granted_scopes,
            version: row.version,
        })
    }

    /// The entries behind `instance.configuration`, with their ids.
    pub(in crate::service) fn configuration_view(
        &self,
        stored: &Stored,
    ) -> Result<Vec<InstanceConfiguration>, ApiError> {
        let configuration = self.configuration_of(stored)?;
        let element = self.element_by_id(stored.instance.owner(), stored.instance.element_id);
        let element = element.as_deref();
        let entries = shown(element, &configuration, stored).into_iter();
        Ok(entries
            .map(|(id, key, value)| entry_view(id, key, value, element.and_then(|known| known.entry(key))))
            .collect())
    }
}

fn entry_view(
    id: i64,
    key: &str,
    value: Option<String>,
    declared: Option<&ConfigurationEntry>,
) -> InstanceConfiguration {
    use crate::catalog::element::ConfigurationType;
    InstanceConfiguration {
        id,
        key: key.to_owned(),
        name: declared.map_or_else(|| key.to_owned(), |declared| declared.name.clone()),
        description: declared.map_or_else(String::new, |declared| declared.description.clone()),
        property_value: value,
        required: declared.is_some_and(|declared| declared.required),
        kind: declared.map_or(ConfigurationType::Textfield1000, |declared| declared.kind),
        hide_from_console: declared.is_some_and(|declared| declared.hide_from_console),
        active: true,
    }
}

/// Ids, keys and values as they may be seen: secrets masked, tokens told from the credential.
fn shown<'a>(
    element: Option<&Element>,
    configuration: &'a Configuration,
    stored: &Stored,
) -> Vec<(i64, &'a str, Option<String>)> {
    let row = &stored.credential;
    let oauth2 = stored.instance.authentication_type == "oauth2";
    let masked = || Some(MASK.to_owned());
    let value_of = |key: &str, value: Option<&str>| match key {
        "oauth.user.token" if oauth2 => masked(),
        "oauth.user.refresh_token" if row.refreshable => masked(),
        "oauth.user.refresh_interval" if oauth2 => row.lifetime.map(|seconds| seconds.to_string()),
        "oauth.user.refresh_time" if oauth2 => stored.refreshed_at().map(|time| time.timestamp().to_string()),
        _ => {
            let value = value?;
            // Without its element nobody knows what is a secret: then everything is.
            let secret = element.is_none_or(|element| configuration.is_secret(element, key)) && !value.is_empty();
            Some(if secret { MASK.to_owned() } else { value.to_owned() })
        }
    };
    configuration.entries().map(|(id, key, value)| (id, key, value_of(key, value))).collect()
}
