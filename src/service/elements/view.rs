//! An element as the API shows it (docs/api.md, Elements).

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::catalog::Catalog;
use crate::catalog::element::{AuthenticationType, ChoiceOption, ConfigurationEntry, ConfigurationType, Element};
use crate::hub::document::listed::{ListedResource, listed};
use crate::store::instances::InstanceRow;

/// The copy of an element inside an instance: without configuration and resources.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InstanceElement)]
pub struct ElementView {
    pub id: i64,
    #[schema(example = "hubspotcrm")]
    pub key: String,
    pub name: String,
    pub hook_name: String,
    pub description: String,
    #[schema(example = "crm")]
    pub hub: String,
    #[schema(required)]
    pub image: Option<String>,
    pub active: bool,
    pub deleted: bool,
    pub type_oauth: bool,
    pub trial_account: bool,
    /// What must be done at the vendor before connecting.
    pub config_description: String,
    #[schema(value_type = Vec<Object>)]
    pub default_transformations: Vec<Value>,
    #[schema(value_type = Vec<Object>)]
    pub object_metadata: Vec<Value>,
    pub transformations_enabled: bool,
    pub bulk_download_enabled: bool,
    pub bulk_upload_enabled: bool,
    pub cloneable: bool,
    pub extendable: bool,
    pub extended: bool,
    pub beta: bool,
    pub private: bool,
    pub authentication: AuthenticationView,
    pub protocol_type: String,
    #[schema(value_type = Vec<Object>)]
    pub parameters: Vec<Value>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Authentication)]
pub struct AuthenticationView {
    /// `oauth2` or `apiKey`: the default where an element offers both.
    #[serde(rename = "type")]
    pub kind: String,
}

/// An `ElementView` as JSON text: most of an instance's bytes, so it is written once for each element.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ElementText(Arc<RawValue>);

/// An element's `resources` as JSON text, written once too.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct ResourcesText(Arc<RawValue>);

/// The texts of a catalogue's elements, by id.
#[derive(Clone)]
pub struct ElementTexts(Arc<HashMap<i64, (ElementText, ResourcesText)>>);

/// An element with its configuration and its resources.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Element)]
pub struct ElementDetails {
    #[serde(flatten)]
    pub element: ElementView,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub configuration: Option<Vec<ConfigurationEntryView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<ListedResource>>, nullable = false)]
    pub resources: Option<ResourcesText>,
}

/// One declared input.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConfigurationEntry)]
pub struct ConfigurationEntryView {
    pub id: i64,
    pub key: String,
    pub name: String,
    pub description: String,
    #[schema(required)]
    pub default_value: Option<String>,
    #[serde(rename = "type")]
    pub kind: ConfigurationType,
    pub required: bool,
    pub active: bool,
    /// Not asked from end users.
    pub hide_from_console: bool,
    /// Maintained by the server.
    pub internal: bool,
    pub is_private: bool,
    pub reseller_config: bool,
    pub company_config: bool,
    /// Its value selects which other entries apply.
    pub group_control: bool,
    pub display_order: i64,
    pub options: Vec<ChoiceOption>,
}

/// What an element declares.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElementConfiguration {
    pub configuration: Vec<ConfigurationEntryView>,
    #[schema(value_type = Vec<Object>)]
    pub provider_data: Vec<Value>,
}

/// The authentication types that an element offers.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthenticationTypes {
    pub default_value: String,
    /// Each with a line on when to use it.
    pub options: Vec<ChoiceOption>,
}

impl ElementView {
    pub fn of(element: &Element) -> Self {
        let flags = &element.flags;
        Self {
            id: element.id,
            key: element.key.clone(),
            name: element.name.clone(),
            hook_name: element.hook_name.clone(),
            description: element.description.clone(),
            hub: element.hub.clone(),
            image: element.image.clone(),
            active: element.active,
            deleted: false,
            type_oauth: element.authentication.oauth2.is_some(),
            trial_account: flags.trial_account,
            config_description: element.config_description.clone(),
            default_transformations: Vec::new(),
            object_metadata: Vec::new(),
            transformations_enabled: flags.transformations_enabled,
            bulk_download_enabled: flags.bulk_download_enabled,
            bulk_upload_enabled: flags.bulk_upload_enabled,
            cloneable: flags.cloneable,
            extendable: flags.extendable,
            extended: false,
            beta: flags.beta,
            private: flags.private,
            authentication: AuthenticationView { kind: element.authentication.default.as_str().to_owned() },
            protocol_type: "http".to_owned(),
            parameters: Vec::new(),
        }
    }

    /// For an instance whose element file is no longer there: what the row itself knows.
    pub fn removed(row: &InstanceRow) -> Self {
        Self {
            id: row.element_id,
            key: row.element_key.clone(),
            name: row.element_key.clone(),
            hook_name: String::new(),
            description: String::new(),
            hub: "general".to_owned(),
            image: None,
            active: false,
            deleted: true,
            type_oauth: row.authentication_type == AuthenticationType::OAuth2.as_str(),
            trial_account: false,
            config_description: String::new(),
            default_transformations: Vec::new(),
            object_metadata: Vec::new(),
            transformations_enabled: false,
            bulk_download_enabled: false,
            bulk_upload_enabled: false,
            cloneable: false,
            extendable: false,
            extended: false,
            beta: false,
            private: false,
            authentication: AuthenticationView { kind: row.authentication_type.clone() },
            protocol_type: "http".to_owned(),
            parameters: Vec::new(),
        }
    }
}

impl ElementText {
    pub fn of(view: &ElementView) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(view).map(|text| Self(text.into()))
    }
}

impl ElementTexts {
    pub fn of(catalog: &Catalog) -> Result<Self, serde_json::Error> {
        let texts = catalog.iter().map(|element| {
            let resources = serde_json::value::to_raw_value(&listed(element))?;
            Ok((element.id, (ElementText::of(&ElementView::of(element))?, ResourcesText(resources.into()))))
        });
        texts.collect::<Result<_, _>>().map(|texts| Self(Arc::new(texts)))
    }

    pub fn get(&self, element: i64) -> Option<&ElementText> {
        self.0.get(&element).map(|(text, _)| text)
    }

    fn resources(&self, element: i64) -> Option<&ResourcesText> {
        self.0.get(&element).map(|(_, resources)| resources)
    }
}

impl ElementDetails {
    /// `abridged`: without configuration and resources.
    pub fn of(element: &Element, texts: &ElementTexts, abridged: bool) -> Self {
        Self {
            element: ElementView::of(element),
            configuration: (!abridged).then(|| entries(element, None)),
            resources: texts.resources(element.id).filter(|_| !abridged).cloned(),
        }
    }
}

/// The declared entries, or those that apply to one authentication type.
pub fn entries(element: &Element, of: Option<AuthenticationType>) -> Vec<ConfigurationEntryView> {
    let addresses = element.address_entries();
    let all = (1..).zip(element.configuration.iter().chain(&addresses));
    all.filter(|(_, entry)| of.is_none_or(|of| entry.applies_to(of))).map(|(id, entry)| entry_view(id, entry)).collect()
}

fn entry_view(id: i64, entry: &ConfigurationEntry) -> ConfigurationEntryView {
    ConfigurationEntryView {
        id,
        key: entry.key.clone(),
        name: entry.name.clone(),
        description: entry.description.clone(),
        default_value: entry.default.clone(),
        kind: entry.kind,
        required: entry.required,
        active: true,
        hide_from_console: entry.hide_from_console,
        internal: entry.internal,
        is_private: false,
        reseller_config: false,
        company_config: false,
        group_control: entry.group_control,
        display_order: id,
        options: entry.options.clone(),
    }
}
