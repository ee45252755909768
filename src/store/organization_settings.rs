//! What an organization chose for all its callers.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::audit::Trail;
use super::changes::{self, Kind};
use super::connection::AnyConn;
use super::fault::StoreFault;
use super::limits::{Limit, Limits};
use super::schema::organization;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationSettings {
    /// Vendors' SDKs may send an instance's token in the place of the vendor's own credential.
    pub vendor_bearer: bool,
    /// Plain users see tokens of instances that others made.
    pub users_see_tokens: bool,
    pub choices: Choices,
    /// The operator's.
    pub limits: Limits,
}

impl OrganizationSettings {
    pub fn limit(&self, limit: Limit) -> u64 {
        self.limits.get(limit.name()).copied().unwrap_or(limit.default())
    }
}

/// As a new organization has them.
impl Default for OrganizationSettings {
    fn default() -> Self {
        Self { vendor_bearer: true, users_see_tokens: true, choices: Choices::default(), limits: Limits::default() }
    }
}

/// One JSON document.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Choices {
    /// Where browsers may be sent back to, and which pages may open ours.
    pub allowed_origins: Vec<String>,
    pub brand: Brand,
    /// Where people go who come from a vendor without a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_url: Option<String>,
}

/// What customers see on our pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Brand {
    pub display_name: Option<String>,
    pub logo_url: Option<String>,
    /// `#rrggbb`.
    pub colour: Option<String>,
}

pub fn find(conn: &mut AnyConn, id: i64) -> Result<OrganizationSettings, StoreFault> {
    let row = organization::table.find(id).select((
        organization::vendor_bearer,
        organization::users_see_tokens,
        organization::settings,
        organization::limits,
    ));
    let (vendor_bearer, users_see_tokens, settings, limits): (bool, bool, String, String) = row.get_result(conn)?;
    let choices = serde_json::from_str(&settings)
        .map_err(|error| StoreFault::Other(format!("organization.settings of {id}: {error}")))?;
    let limits = serde_json::from_str(&limits)
        .map_err(|error| StoreFault::Other(format!("organization.limits of {id}: {error}")))?;
    Ok(OrganizationSettings { vendor_bearer, users_see_tokens, choices, limits })
}

/// As `find`, for who is about to write: until the transaction ends, others who want to write wait.
pub fn find_to_change(conn: &mut AnyConn, id: i64) -> Result<OrganizationSettings, StoreFault> {
    // To write a row is to lock it, also where nothing changes.
    diesel::update(organization::table.find(id))
        .set(organization::settings.eq(organization::settings))
        .execute(conn)?;
    find(conn, id)
}

pub fn save(
    conn: &mut AnyConn,
    id: i64,
    settings: &OrganizationSettings,
    now: DateTime<Utc>,
    trail: &Trail,
) -> Result<(), StoreFault> {
    let document = serde_json::to_string(&settings.choices).map_err(|error| StoreFault::Other(error.to_string()))?;
    let limits = serde_json::to_string(&settings.limits).map_err(|error| StoreFault::Other(error.to_string()))?;
    let values = (
        organization::vendor_bearer.eq(settings.vendor_bearer),
        organization::users_see_tokens.eq(settings.users_see_tokens),
        organization::settings.eq(document),
        organization::limits.eq(limits),
    );
    diesel::update(organization::table.find(id)).set(values).execute(conn)?;
    trail.write(conn)?;
    changes::record(conn, Kind::Organization, id, now)
}
