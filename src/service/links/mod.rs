//! What a connect link is, as it is stored.

pub mod outcome;
pub mod settings;
pub mod status;

use chrono::{DateTime, Utc};

use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::kernel::stored::{self, Unreadable};
use crate::protocol::account::VendorAccount;
use crate::service::links::outcome::Outcome;
use crate::service::links::settings::LinkSettings;
use crate::service::links::status::Status;
use crate::service::{Services, not_found};
use crate::store::links::{self as rows, LinkRow};
use crate::store::sealed::{LINK_SETTINGS, LINK_TOKEN};
use crate::vault::lookup::Purpose;

/// A link with everything in it opened.
pub struct Link {
    pub row: LinkRow,
    pub token: Secret,
    /// At the moment of reading.
    pub status: Status,
    pub settings: LinkSettings,
    pub outcome: Outcome,
}

impl Link {
    pub fn owner(&self) -> Owner {
        self.row.owner()
    }

    pub fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at.into()
    }
}

/// As the row says; what cannot be read is of a later version, and over for this one.
pub(in crate::service) fn stored_status(row: &LinkRow) -> Status {
    Status::read(&row.status).unwrap_or(Status::Revoked)
}

pub(in crate::service) fn stored_outcome(row: &LinkRow) -> Result<Outcome, Unreadable> {
    stored::read(&row.outcome, ("connect_link", "outcome", row.id))
}

/// Whether the link was connected, as far as is known with this account.
pub(in crate::service) fn ended_with(link: &LinkRow, account: Option<&VendorAccount>) -> bool {
    let kept = stored_outcome(link).unwrap_or_else(|fault| {
        tracing::error!(%fault, "which account a connect link connected is taken for unknown");
        Outcome::default()
    });
    stored_status(link) == Status::Authorised && !differ(kept.vendor_account.as_ref(), account)
}

/// Whether both are known and are not the same.
pub(in crate::service) fn differ(one: Option<&VendorAccount>, other: Option<&VendorAccount>) -> bool {
    one.zip(other).is_some_and(|(one, other)| !one.is(other))
}

#[track_caller]
pub(in crate::service) fn of_link(id: i64) -> impl FnOnce(crate::store::StoreFault) -> ApiError {
    not_found(Code::LinkNotFound, move || format!("No connect link found with ID {id}."))
}

impl Services {
    pub(in crate::service) fn open_link(&self, row: LinkRow) -> Result<Link, ApiError> {
        let (owner, id) = (row.organization_id, row.id);
        let token = self.vault.open_text(LINK_TOKEN.place(owner, id), &row.token_sealed)?;
        let settings = self.vault.open_document(LINK_SETTINGS.place(owner, id), &row.settings_sealed)?;
        let outcome = stored_outcome(&row)?;
        let status = stored_status(&row).at(self.now(), row.expires_at.into());
        Ok(Link { row, token, status, settings, outcome })
    }

    pub async fn link(&self, owner: Owner, id: i64) -> Result<Link, ApiError> {
        let row = self.store.read_for(owner, move |conn| rows::find(conn, owner, id)).await.map_err(of_link(id))?;
        self.open_link(row)
    }

    /// The link behind the token of an address; none where there is no such link.
    pub async fn link_of_token(&self, token: &Secret) -> Result<Option<Link>, ApiError> {
        let hashes = self.lookup.hashes(Purpose::LinkToken, token);
        let row = self.store.read(move |conn| rows::find_by_token(conn, &hashes)).await?;
        let link = row.map(|row| self.open_link(row)).transpose()?;
        // The hash alone is no proof against whoever writes to the database.
        Ok(link.filter(|link| link.token == *token))
    }

    pub(in crate::service) async fn link_token(&self, owner: Owner, id: i64) -> Result<Secret, ApiError> {
        Ok(self.link(owner, id).await?.token)
    }
}
