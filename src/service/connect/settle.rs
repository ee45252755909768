//! How a link's row changes: only as `link_state` allows, and told in the same transaction.

use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::ground::{PATIENCE, Races, waits_for_database};
use crate::service::links::Link;
use crate::service::links::outcome::Outcome;
use crate::service::links::status::Status;
use crate::service::process::flight::Lateness;
use crate::store::StoreFault;
use crate::store::audit::Trail;
use crate::store::links::{self as rows, LinkRow};
use crate::store::time::UtcTime;

/// What comes of a visitor's try changes nothing that lasts: the organization is told by notices.
const TRIES_ARE_TOLD: &str = "a try of a visitor, which notices tell";

impl Services {
    /// The row as it will be.
    pub(super) fn changed(&self, row: &LinkRow, status: Status, outcome: &Outcome) -> Result<LinkRow, ApiError> {
        Ok(LinkRow {
            status: status.as_str().to_owned(),
            outcome: serde_json::to_string(outcome).map_err(|error| ApiError::internal(error))?,
            updated_at: UtcTime(self.now()),
            ..row.clone()
        })
    }

    /// Brings a link to a status, unless it came to another end meanwhile. `element`: what the person chose.
    pub(super) async fn settle_link(
        &self,
        owner: Owner,
        id: i64,
        (status, outcome): (Status, &Outcome),
        element: Option<i64>,
    ) -> Result<Link, ApiError> {
        let mut races = Races::default();
        loop {
            let link = self.link(owner, id).await?;
            let comes = link.status.may_become(status);
            // Another try of the same kind: nothing to be told.
            let writes = comes || (link.status == status && status.is_open());
            if !writes {
                return Ok(link);
            }
            let mut changed = self.changed(&link.row, status, outcome)?;
            changed.element_id = element.or(changed.element_id);
            let (services, written) = (self.clone(), changed.clone());
            let commit = self.commit(owner, move |conn| {
                rows::update(conn, owner, &written, &Trail::Not(TRIES_ARE_TOLD))?;
                if comes { services.tell_link(conn, &written) } else { Ok(()) }
            });
            match commit.await {
                Err(StoreFault::Conflict(_)) => {
                    races.lost()?;
                    continue;
                }
                other => other?,
            }
            return self.link(owner, id).await;
        }
    }

    /// As `settle_link`, whatever the database does meanwhile: who waits must not wait for ever.
    pub(super) async fn settle_surely(
        &self,
        owner: Owner,
        id: i64,
        comes: (Status, &Outcome),
        lateness: &Lateness,
    ) -> Result<Link, ApiError> {
        let settling = self.retry_while_passing(move || self.settle_link(owner, id, comes, None));
        lateness.within(PATIENCE, || waits_for_database(None), settling).await
    }
}
