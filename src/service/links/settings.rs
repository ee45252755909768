//! What is kept of a link.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::element::AuthenticationType;
use crate::vault::Document;

impl Document for LinkSettings {
    const KIND: &'static str = "linkSettings";
}

/// What is kept of it, sealed: the configuration may hold secrets. No `Debug`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinkSettings {
    /// Keys; empty means all.
    pub elements: Vec<String>,
    pub authentication_type: Option<AuthenticationType>,
    pub preset: Option<String>,
    pub name: Option<String>,
    pub tags: Option<Vec<String>>,
    pub origin: Option<String>,
    pub scopes: Option<String>,
    pub optional_scopes: Option<String>,
    /// What the vendor's page is asked for, by the vendor's names.
    pub authorize: BTreeMap<String, String>,
    pub configuration: Map<String, Value>,
    pub redirect_url: Option<String>,
    /// What comes back is held until the organization's back end confirms it; false before links said so.
    pub confirm: bool,
    /// For whom the link was made, for the pages.
    pub customer_name: Option<String>,
    pub notify_url: Option<String>,
    pub allow_other_account: bool,
    /// Leads back to the console, whatever the organization allows.
    pub to_console: bool,
    /// For which secret places of each element, by key, the secrets in the configuration were given.
    pub given_for: BTreeMap<String, String>,
    /// The instance that is authorised anew; the row's changes when one is made.
    pub instance_id: Option<i64>,
}
