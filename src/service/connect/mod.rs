//! Connect links: one customer's invitation to connect one account, from the integrator's call to the vendor and back.

mod begin;
mod finish;
pub mod limits;
pub mod link_input;
pub mod link_state;
pub mod link_view;
pub mod links;
mod offer;
pub mod outcome;
pub mod presentation;
mod renew;
mod settle;

use chrono::{DateTime, Utc};

use super::Services;
use super::not_found;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::store::links::{self as rows, LinkRow};
use crate::vault::lookup::Purpose;
use crate::vault::seal::Place;

pub(super) use finish::{Checked, LinkEnd, differ, ended_with};

pub use begin::{Chosen, Next, is_correctable};
pub use link_state::Status;
pub use offer::{Field, Offer};
pub use outcome::{Outcome, Reason};

use link_input::LinkSettings;

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

fn token_place(row: i64) -> Place {
    Place { table: "connect_link", column: "token_sealed", row }
}

fn settings_place(row: i64) -> Place {
    Place { table: "connect_link", column: "settings_sealed", row }
}

/// As the row says; what cannot be read is of a later version, and over for this one.
fn stored_status(row: &LinkRow) -> Status {
    Status::read(&row.status).unwrap_or(Status::Revoked)
}

#[track_caller]
fn of_link(id: i64) -> impl FnOnce(crate::store::StoreFault) -> ApiError {
    not_found(Code::LinkNotFound, move || format!("No connect link found with ID {id}."))
}

impl Services {
    fn open_link(&self, row: LinkRow) -> Result<Link, ApiError> {
        let token = self.vault.open_text(token_place(row.id), &row.token_sealed)?;
        let settings = self.vault.open(settings_place(row.id), &row.settings_sealed)?;
        let settings = serde_json::from_slice(&settings).map_err(|error| ApiError::internal(error))?;
        let outcome = serde_json::from_str(&row.outcome).map_err(|error| ApiError::internal(error))?;
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
        row.map(|row| self.open_link(row)).transpose()
    }

    pub(super) async fn link_token(&self, owner: Owner, id: i64) -> Result<Secret, ApiError> {
        Ok(self.link(owner, id).await?.token)
    }
}
