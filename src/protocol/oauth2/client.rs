//! An OAuth app, and the hosts where its secret may be said.

use std::sync::Arc;

use url::Url;

use crate::catalog::oauth2::OAuth2;
use crate::kernel::secret::Secret;
use crate::kernel::template::{Place, Template};
use crate::protocol::fault::VendorFault;
use crate::protocol::variables::Values;

/// The OAuth app that speaks.
#[derive(Debug, Clone, Default)]
pub struct Client {
    pub id: Secret,
    pub secret: Secret,
    pub hosts: Hosts,
}

/// Where a client authenticates.
#[derive(Debug, Clone, Default)]
pub enum Hosts {
    /// Wherever the element's URLs lead: the app belongs to whoever names the host.
    #[default]
    Any,
    /// Where the URL's host is not the customer's to choose, and on these.
    These(Arc<[String]>),
}

impl Client {
    /// The URL, where the client may authenticate there.
    pub(super) fn url(&self, template: &Template, values: Values<'_>) -> Result<Url, VendorFault> {
        let url = values.url(template)?;
        let Hosts::These(hosts) = &self.hosts else { return Ok(url) };
        let host = values.element.hosts.server_of(&url);
        let mut chosen =
            template.places().filter(|(name, place)| *place != Place::Path && !values.is_vendors_own(name));
        if chosen.next().is_none() || hosts.contains(&host) {
            return Ok(url);
        }
        Err(VendorFault::HostOfAnotherApp(host))
    }

    /// Refuses hosts at which the client would have to authenticate and may not. What depends on values that nobody has
    /// yet is not judged.
    pub fn refuse_foreign_host(&self, oauth2: &OAuth2, values: Values<'_>) -> Result<(), VendorFault> {
        let foreign = oauth2.client_urls().map(|template| self.url(template, values));
        let mut foreign = foreign.filter_map(Result::err);
        foreign.find(|fault| matches!(fault, VendorFault::HostOfAnotherApp(_))).map_or(Ok(()), Err)
    }
}
