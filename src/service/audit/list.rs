//! The audit log as administrators of the organization see it.

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::deed::{Deed, SubjectKind};
use super::record::{Names, row_hash};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::paging::Page;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;
use crate::store::audit::{self, Chained, Filter, Record};
use crate::store::sealed::AUDIT_NAMES;

/// One change.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditLog)]
pub struct AuditView {
    pub id: i64,
    #[schema(example = "2026-03-01T12:00:00.123Z")]
    pub timestamp: String,
    /// Who made it; null: no user of the organization.
    #[schema(required)]
    pub user_id: Option<i64>,
    #[schema(required)]
    pub account_id: Option<i64>,
    pub org_id: i64,
    /// The instance that was changed; null: something else was.
    #[schema(required)]
    pub instance_id: Option<i64>,
    /// With which method the API does it.
    #[schema(example = "POST")]
    pub method: &'static str,
    /// The API's address of what was changed; null: it has none.
    #[schema(required, example = "/instances/4711")]
    pub resource_uri: Option<String>,
    /// The id of what was changed, as far as it has one.
    #[schema(required)]
    pub entity_id: Option<i64>,
    /// Always `success`: a row is written with its change, and what was refused changed nothing.
    #[schema(example = "success")]
    pub status: &'static str,
    /// From where; null: not known, or the customer was forgotten.
    #[schema(required, example = "203.0.113.7")]
    pub ip_address: Option<String>,
    /// What was done.
    #[schema(example = "instance.created")]
    pub action: String,
    /// What it was done to: `instance`, `link`, `user`, `session`, `organization`, `app`, `webhook` …
    #[schema(example = "instance")]
    pub entity_kind: String,
    /// `user`, `customer` (somebody with a connect link), `operator` (of the server) or `server`.
    #[schema(example = "user")]
    pub actor: String,
    /// An e-mail address, or the operator's name; null as `ip_address`.
    #[schema(required, example = "jo@example.com")]
    pub actor_name: Option<String>,
    /// Your own name for the customer; null: about no customer, or one that was forgotten.
    #[schema(required)]
    pub external_id: Option<String>,
    /// The `Elements-Request-Id` of the call.
    #[schema(required)]
    pub request_id: Option<String>,
}

/// Which rows a list wants, as it was asked for.
#[derive(Debug, Default)]
pub struct AuditQuery<'a> {
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub user_id: Option<i64>,
    pub account_id: Option<i64>,
    pub action: Option<&'a str>,
    pub kind: Option<&'a str>,
    pub entity_id: Option<i64>,
    pub external_id: Option<&'a str>,
    pub request_id: Option<&'a str>,
}

impl Services {
    /// For administrators. The newest first, and the token of the next page.
    pub async fn audit_log(
        &self,
        actor: &Actor,
        query: AuditQuery<'_>,
        page: Page,
    ) -> Result<(Vec<AuditView>, Option<String>), ApiError> {
        actor.require(Action::Administer)?;
        let filter = Filter {
            from: query.from.map(|text| moment("from", text, false)).transpose()?,
            to: query.to.map(|text| moment("to", text, true)).transpose()?,
            user: query.user_id,
            account: query.account_id,
            action: query
                .action
                .map(|name| known("action", Deed::read(name)).map(|it| it.name().to_owned()))
                .transpose()?,
            subject_kind: query
                .kind
                .map(|name| known("kind", SubjectKind::read(name)).map(|it| it.as_str().to_owned()))
                .transpose()?,
            subject_id: query.entity_id,
            customer: query.external_id.map(|id| self.audit_key.customer_hashes(id)),
            // No row holds a null byte, and PostgreSQL would not even look.
            request_id: query.request_id.map(|id| id.replace('\0', " ")),
        };
        let organization = actor.organization();
        let rows =
            self.store.read_for(actor.owner(), move |conn| audit::list(conn, organization, &filter, page)).await?;
        let (rows, next) = page.cut(rows, |row| row.sequence);
        let rows = rows.into_iter().filter(|row| self.is_genuine(&row.record));
        Ok((rows.map(|row| self.audit_view(organization, row)).collect(), next))
    }

    /// Whether a process of ours wrote it. What whoever has the database put there is shown to nobody.
    fn is_genuine(&self, row: &Record) -> bool {
        let key = self.audit_key.numbered(row.generation);
        let genuine = key.is_some_and(|key| row_hash(&key, row) == row.row_hash);
        if !genuine {
            tracing::error!(
                id = row.id,
                "a row of the audit log was altered, or is none of ours: run `ligand audit verify`"
            );
        }
        genuine
    }

    fn audit_view(&self, organization: i64, Chained { record, .. }: Chained) -> AuditView {
        let names =
            record.names_sealed.as_ref().and_then(|sealed| self.audit_names(record.organization_id, record.id, sealed));
        let (actor_name, external_id, ip_address) =
            names.map_or((None, None, None), |Names { by, customer, address, .. }| (by, customer, address));
        let kind = SubjectKind::read(&record.subject_kind);
        AuditView {
            id: record.id,
            timestamp: DateTime::<Utc>::from(record.at).to_rfc3339_opts(SecondsFormat::Millis, true),
            user_id: record.user_id,
            account_id: record.account_id,
            org_id: record.organization_id.unwrap_or(organization),
            instance_id: record.subject_id.filter(|_| kind == Some(SubjectKind::Instance)),
            // A name of a newer version.
            method: Deed::read(&record.action).map_or("POST", Deed::method),
            resource_uri: kind.and_then(|kind| kind.address(record.subject_id)),
            entity_id: record.subject_id,
            status: "success",
            ip_address,
            action: record.action,
            entity_kind: record.subject_kind,
            actor: record.actor,
            actor_name,
            external_id,
            request_id: record.request_id,
        }
    }

    /// None: they do not open; `ligand audit verify` names them.
    pub(super) fn audit_names(&self, organization: Option<i64>, id: i64, sealed: &[u8]) -> Option<Names> {
        let opened = self.vault.open(AUDIT_NAMES.place(organization, id), sealed).ok()?;
        serde_json::from_slice(&opened).ok()
    }
}

fn known<T>(parameter: &str, value: Option<T>) -> Result<T, ApiError> {
    value.ok_or_else(|| {
        let message = format!("{parameter} is none that the audit log knows: the API document names them.");
        ApiError::new(Code::BadParameter, message)
    })
}

/// A time, or a day of UTC; as an end a day includes itself.
fn moment(parameter: &str, text: &str, is_end: bool) -> Result<DateTime<Utc>, ApiError> {
    let of_day = |day: NaiveDate| {
        let day = if is_end { day.checked_add_days(Days::new(1))? } else { day };
        Some(day.and_hms_opt(0, 0, 0)?.and_utc())
    };
    let time = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc()).ok();
    time.or_else(|| text.parse().ok().and_then(of_day)).ok_or_else(|| {
        let message = format!("{parameter} must be a day (2026-03-01) or a time (2026-03-01T12:00:00Z).");
        ApiError::new(Code::BadParameter, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_day_or_a_time() {
        let at = |text: &str, is_end| moment("from", text, is_end).map(|time| time.to_rfc3339()).ok();
        assert_eq!(at("2026-03-01", false).as_deref(), Some("2026-03-01T00:00:00+00:00"));
        assert_eq!(at("2026-03-01", true).as_deref(), Some("2026-03-02T00:00:00+00:00"));
        assert_eq!(at("2026-03-01T12:00:00+02:00", true).as_deref(), Some("2026-03-01T10:00:00+00:00"));
        for text in ["", "yesterday", "2026-13-01", "2026-03-01T25:00:00Z", "+262142-12-31", "1"] {
            assert_eq!(at(text, true), None, "{text}");
        }
    }
}
