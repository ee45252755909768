//! What nobody confirmed in time is erased, and told: somebody may have gone the way of a link that was made for somebody else.

use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::service::Services;
use crate::service::keys::unopened::unless_unopened;
use crate::service::links::outcome::Outcome;
use crate::service::links::status::Status;
use crate::service::links::stored_status;
use crate::store::audit::Trail;
use crate::store::grants::{self, Grant};
use crate::store::links as rows;
use crate::store::sealed::GRANT;
use crate::store::{AnyConn, StoreFault};

/// In one round of the job.
const BATCH: i64 = 1000;

impl Services {
    /// For all owners. How many lapsed.
    pub async fn lapse_held(&self) -> Result<usize, ApiError> {
        let now = self.now();
        let due = self.store.read(move |conn| grants::lapsing(conn, now, BATCH)).await?;
        let mut lapsed: usize = 0;
        for (owner, grant) in due {
            let id = grant.id;
            match self.lapse(owner, grant).await {
                Ok(()) => lapsed = lapsed.saturating_add(1),
                Err(error) => tracing::warn!(grant = id, ?error, "what waits for a confirmation could not be ended"),
            }
        }
        Ok(lapsed)
    }

    async fn lapse(&self, owner: Owner, grant: Grant) -> Result<(), ApiError> {
        let (id, before, link, now) = (grant.id, grant.sealed.clone(), grant.link_id.unwrap_or_default(), self.now());
        let opened = unless_unopened(self.open_under_way(owner, grant))?.flatten();
        let emptied = opened.map(|(_, under_way)| under_way.emptied());
        let place = GRANT.place(owner.organization, id);
        let after = emptied.map(|emptied| self.vault.seal_document(place, &emptied)).transpose()?;
        let row = match self.store.read_for(owner, move |conn| rows::find(conn, owner, link)).await {
            Err(StoreFault::NotFound) => None,
            other => Some(other?),
        };
        // A link that came to its end has told it.
        let open = row.filter(|row| stored_status(row).at(self.now(), row.expires_at.into()).is_open());
        let changed = open.map(|row| self.changed(&row, Status::Failed, &Outcome::lapsed())).transpose()?;
        let services = self.clone();
        let written = self.store.write_for(owner, move |conn: &mut AnyConn| {
            match &after {
                Some(after) => grants::replace_held(conn, owner, id, (&before, after), None)?,
                // It opens for nobody.
                None => grants::delete(conn, owner, id)?,
            }
            let Some(changed) = &changed else { return Ok(()) };
            // What came back later may still be confirmed: the link has not failed.
            if grants::is_held(conn, owner, link, now)? {
                return Ok(());
            }
            rows::update(conn, owner, changed, &Trail::Not("its time was over, which a notice tells"))?;
            services.tell_link(conn, changed)
        });
        match written.await {
            // Confirmed at the last moment, done by another process, or the link was changed: the next round looks again.
            Err(StoreFault::Conflict(_)) => Ok(()),
            other => Ok(other?),
        }
    }
}
