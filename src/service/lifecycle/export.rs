//! Instances as they leave for another server: the lines that an import reads, with every secret in them. For the operator alone, who
//! encrypts what comes of it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use zeroize::Zeroizing;

use crate::kernel::error::ApiError;
use crate::kernel::paging::{MAX_PAGE_SIZE, Page};
use crate::kernel::secret::{self, Secret};
use crate::protocol::Credential;
use crate::protocol::account::VendorAccount;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;
use crate::service::audit::Deed;
use crate::service::instance::connected::Connected;
use crate::service::instance::standing::Standing;
use crate::service::keys::unopened::unless_unopened;
use crate::store::AnyConn;
use crate::store::imports;
use crate::store::instances::{self, Filter, Stored};

/// Some instances, a line each.
pub struct Exported {
    pub lines: Zeroizing<Vec<u8>>,
    pub count: usize,
    /// Those that do not open with the keys that are there.
    pub left_out: Vec<i64>,
    /// For the next ones. None: there are no more.
    pub next: Option<i64>,
}

/// As `POST /instances/import` reads it (docs/moving.md).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportedLine<'a> {
    import_id: String,
    name: &'a str,
    element: ElementKey<'a>,
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    disabled: bool,
    external_authentication: &'static str,
    configuration: Map<String, Value>,
    provider_data: Tokens,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    vendor_values: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_account: Option<VendorAccount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invalid_reason: Option<&'a str>,
    #[serde(flatten)]
    failing: Option<FailingSince>,
}

#[derive(Serialize)]
struct ElementKey<'a> {
    key: &'a str,
}

#[derive(Default, Serialize)]
struct Tokens {
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::sealed_option")]
    access_token: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "secret::sealed_option")]
    refresh_token: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_expires_at: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailingSince {
    failing_since: String,
    refused_refreshes: u32,
    last_refusal: String,
}

impl Services {
    /// Leaves the row of it in the audit log, before anything else leaves.
    pub async fn begin_export(&self, actor: &Actor) -> Result<(), ApiError> {
        actor.require(Action::Operate)?;
        let trail = self.audit(actor, Deed::InstancesExported, actor.organization()).await?;
        Ok(self.store.write_for(actor.owner(), move |conn: &mut AnyConn| trail.write(conn)).await?)
    }

    /// Those behind an id.
    pub async fn export_page(&self, actor: &Actor, after: i64) -> Result<Exported, ApiError> {
        actor.require(Action::Operate)?;
        let (owner, page) = (actor.owner(), Page { after, size: MAX_PAGE_SIZE });
        let read = self.store.read_for(owner, move |conn| {
            let (mut rows, page) = instances::list(conn, owner, &Filter::default(), page)?;
            let size = usize::try_from(page.size).unwrap_or(usize::MAX);
            let more = rows.len() > size;
            rows.truncate(size);
            let ids: Vec<i64> = rows.iter().map(|stored| stored.instance.id).collect();
            Ok((rows, more, imports::names(conn, owner, &ids)?))
        });
        let (rows, more, names) = read.await?;
        let names: HashMap<i64, String> = names.into_iter().collect();
        let mut exported = Exported {
            lines: Zeroizing::new(Vec::new()),
            count: 0,
            left_out: Vec::new(),
            next: rows.last().filter(|_| more).map(|stored| stored.instance.id),
        };
        for stored in &rows {
            let name = names.get(&stored.instance.id).cloned();
            match unless_unopened(self.exported_line(stored, name))? {
                Some(line) => {
                    exported.lines.extend_from_slice(&line);
                    exported.lines.push(b'\n');
                    exported.count = exported.count.saturating_add(1);
                }
                None => exported.left_out.push(stored.instance.id),
            }
        }
        Ok(exported)
    }

    /// `name`: of the line by which it came here, if it did.
    fn exported_line(&self, stored: &Stored, name: Option<String>) -> Result<Zeroizing<Vec<u8>>, ApiError> {
        let row = &stored.instance;
        let element = self.element_by_id(row.owner(), row.element_id);
        let credential = self.credential_of(row, &stored.credential)?;
        let configuration = self.configuration_of(stored)?;
        let internal = |key: &str| element.as_ref().and_then(|it| it.entry(key)).is_some_and(|entry| entry.internal);
        let filled = configuration.entries().filter_map(|(_, key, value)| Some((key, value?)));
        let filled = filled.filter(|(key, value)| !internal(key) && !value.is_empty());
        let connected = Connected::of_row(row)?;
        let failing = Standing::of(&stored.credential).failing;
        let values = credential.replied().variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let known = |name: &str| {
            let variable = element.as_ref().and_then(|element| element.variables.get(name));
            variable.is_some_and(|variable| variable.member(name).is_some())
        };
        let line = ExportedLine {
            // No other instance of any server has these three.
            import_id: name.unwrap_or_else(|| {
                format!("ligand:{}:{}:{}", row.organization_id, row.id, row.created_at.0.timestamp_micros())
            }),
            name: &row.name,
            element: ElementKey { key: &row.element_key },
            tags: stored.tags()?,
            external_id: row.external_id.as_deref(),
            disabled: !row.enabled,
            external_authentication: match credential {
                Credential::OAuth2 { .. } => "initial",
                Credential::ApiKey { .. } => "none",
            },
            configuration: filled.map(|(key, value)| (key.to_owned(), Value::from(value))).collect(),
            provider_data: Tokens::of(stored, &credential),
            vendor_values: values.filter(|(name, _)| known(name)).collect(),
            vendor_account: connected.account,
            granted_scopes: connected.granted_scopes,
            invalid_reason: row.invalid_reason.as_deref(),
            failing: failing.map(|failing| FailingSince {
                failing_since: time(failing.since),
                refused_refreshes: failing.refusals,
                last_refusal: failing.said,
            }),
        };
        secret::written_out(&line).map_err(|error| ApiError::internal(error))
    }
}

impl Tokens {
    fn of(stored: &Stored, credential: &Credential) -> Self {
        let Credential::OAuth2 { access_token, refresh_token, .. } = credential else { return Self::default() };
        let access_token = Some(access_token.clone()).filter(|token| !token.is_empty());
        // A time that the element's file assumes is no end of a token that nothing renews: the other server assumes it, too.
        let named = stored.credential.refreshable || Standing::of(&stored.credential).ends_at.is_some();
        let dated = access_token.is_some() && named;
        Self {
            refresh_token: refresh_token.clone(),
            refresh_time: stored.refreshed_at().map(time),
            expires_in: stored.credential.lifetime.filter(|seconds| dated && *seconds > 0),
            expires_at: stored.expires_at().filter(|_| dated).map(time),
            refresh_token_expires_at: stored.ends_at().map(time),
            access_token,
        }
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
