//! An organization's OAuth app as it is shown, and what must be registered at the vendor before there is one.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::app_address::own_callback;
use super::partner_app::{PartnerApp, oauth2_of};
use super::scope_choice::{self, Layer, PresetView, ScopeChoice};
use crate::catalog::element::Element;
use crate::catalog::oauth2::OAuth2;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::MASK;
use crate::service::Services;

/// The organization's OAuth app for an element, and what must be known to register it at the vendor.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PartnerApp)]
pub struct PartnerAppView {
    /// The element's key.
    #[schema(example = "hubspotcrm")]
    pub element: String,
    /// Null: there is no app yet.
    #[schema(required)]
    pub client_id: Option<String>,
    /// `********` where one is stored.
    #[schema(required)]
    pub client_secret: Option<String>,
    /// False: the vendor's clients are public, and none is asked for.
    pub secret_needed: bool,
    #[schema(required)]
    pub scopes: Option<String>,
    #[schema(required)]
    pub optional_scopes: Option<String>,
    #[schema(required)]
    pub preset: Option<String>,
    /// What every instance that uses the app is given.
    pub configuration: BTreeMap<String, String>,
    /// The hosts that the app was stored for. Null: it serves all of the vendor's.
    #[schema(required)]
    pub hosts: Option<Vec<String>>,
    /// To be registered at the vendor, exactly so.
    #[schema(example = "https://ligand.example/connector/callback/17-hubspotcrm")]
    pub redirect_url: String,
    /// What must be done at the vendor.
    pub config_description: String,
    /// The sets of scopes that the element names.
    pub presets: Vec<PresetView>,
    /// What is asked for where neither call nor link says otherwise.
    pub requested_scopes: Vec<String>,
    pub requested_optional_scopes: Vec<String>,
    /// Scopes among them that do not go together, and what to do about it.
    #[schema(required)]
    pub warning: Option<String>,
}

impl Services {
    /// The app, or what must be known before there is one.
    pub async fn show_partner_app(&self, owner: Owner, key_or_id: &str) -> Result<PartnerAppView, ApiError> {
        let element = self.element_of(owner, key_or_id)?;
        let oauth2 = oauth2_of(&element)?;
        let app = self.partner_app(owner, &element).await?;
        Ok(self.partner_app_view(owner, &element, oauth2, app.as_ref()))
    }

    pub(super) fn partner_app_view(
        &self,
        owner: Owner,
        element: &Element,
        oauth2: &OAuth2,
        app: Option<&PartnerApp>,
    ) -> PartnerAppView {
        let new = own_callback(owner, element);
        let callback = app.map_or(Some(new.as_str()), |app| app.callback.as_deref());
        let layers: Vec<_> = app.map(Layer::of_app).into_iter().collect();
        let ScopeChoice { mandatory, optional, warning } = scope_choice::choose(element, &layers);
        PartnerAppView {
            element: element.key.clone(),
            client_id: app.map(|app| app.client_id.expose().to_owned()),
            client_secret: app.filter(|app| !app.client_secret.is_empty()).map(|_| MASK.to_owned()),
            secret_needed: !oauth2.has_public_clients(),
            scopes: app.and_then(|app| app.scopes.clone()),
            optional_scopes: app.and_then(|app| app.optional_scopes.clone()),
            preset: app.and_then(|app| app.preset.clone()),
            configuration: app.map(|app| app.configuration.clone()).unwrap_or_default(),
            hosts: oauth2.binds_apps_to_hosts().then(|| app.and_then(|app| app.hosts.clone()).unwrap_or_default()),
            redirect_url: self.redirect_url_of(callback),
            config_description: element.config_description.clone(),
            presets: oauth2.presets.iter().map(|(name, preset)| PresetView::of(name, preset)).collect(),
            requested_scopes: mandatory,
            requested_optional_scopes: optional,
            warning,
        }
    }
}
