//! Who comes to the callback without a state that is known: nobody says what was begun, but the browser may remember it, and there may
//! be one organization alone to which anybody belongs.

use super::presentation::Presentation;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::grants::Waiting;
use crate::service::links::Link;
use crate::store::{grants, principals};
use crate::vault::lookup::Purpose;

/// Where a person without a state belongs.
pub struct Host {
    pub presentation: Presentation,
    /// The link that this browser began last, where it still works.
    pub link: Option<Link>,
}

impl Services {
    /// `browser`: its cookie. Nothing is changed by it: anybody can send a browser to the callback.
    pub async fn host_of_stray(&self, browser: Option<&Secret>) -> Result<Option<Host>, ApiError> {
        let link = match browser {
            Some(browser) => self.link_of_browser(browser).await?,
            None => None,
        };
        let owner = match &link {
            Some(link) => Some(link.owner()),
            None => self.store.read(principals::only_owner).await?,
        };
        let Some(owner) = owner else { return Ok(None) };
        let presentation = self.presentation(owner).await?;
        Ok(Some(Host { presentation, link: link.filter(|link| link.status.is_open()) }))
    }

    async fn link_of_browser(&self, browser: &Secret) -> Result<Option<Link>, ApiError> {
        let (hashes, now) = (self.lookup.hashes(Purpose::Browser, browser), self.now());
        let found = self.store.read(move |conn| grants::newest_of_browser(conn, &hashes, now)).await?;
        let Some((owner, grant)) = found else { return Ok(None) };
        // The hash alone is no proof against whoever writes to the database.
        let Some((_, under_way)) = self.open_under_way(owner, grant)? else { return Ok(None) };
        match &under_way.waiting {
            Waiting::Link(link) if under_way.is_of_browser(browser) => self.link_that_is_left(owner, link.link).await,
            _ => Ok(None),
        }
    }

    async fn link_that_is_left(&self, owner: Owner, id: i64) -> Result<Option<Link>, ApiError> {
        match self.link(owner, id).await {
            Ok(link) => Ok(Some(link)),
            Err(error) if error.code.status() == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }
}
