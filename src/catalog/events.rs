//! What an element can tell about changes at the vendor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Events {
    /// Which kinds of events the vendor can give: `polling`, `webhook`.
    pub methods: Vec<String>,
    /// What is polled, by resource; written out, the default of `event.poller.configuration`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub polling: BTreeMap<String, Polled>,
}

/// How one resource is polled, as callers write it (docs/api.md, Events).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Polled {
    /// A path of the API with macros for the time of the last poll (`${date}`).
    pub url: String,
    pub id_field: String,
    #[serde(default)]
    pub filter_by_updated_date: bool,
    /// Seconds between creation and change within which an object still counts as new.
    #[serde(default)]
    pub created_check_tolerance: u32,
    pub dates_configuration: PolledDates,
}

/// Where an object says when it was created and changed, and how it writes the time (`milliseconds`).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolledDates {
    pub updated_date_field: String,
    pub updated_date_format: String,
    pub created_date_field: String,
    pub created_date_format: String,
}
