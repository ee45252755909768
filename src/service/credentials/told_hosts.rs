//! Who brings tokens also says what the vendor's reply would have said. That is a caller's word, as a host in the configuration is, until
//! a reply of the token endpoint takes its place.

use super::provision::{Provisioning, with_values};
use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::kernel::template::TemplateFault;
use crate::protocol::VendorFault;
use crate::protocol::variables::Replied;
use crate::service::Services;
use crate::service::instance::input::ProviderData;
use crate::store::instances::Stored;

pub(in crate::service) fn told_by_caller(element: &Element, data: Option<&ProviderData>) -> Replied {
    let told = element
        .variables
        .iter()
        .filter_map(|(name, variable)| Some((name.clone(), data?.text(variable.member(name)?)?)));
    Replied::by_caller(told.collect())
}

impl Provisioning {
    /// None where the caller brings no tokens.
    pub(super) fn told_by_caller(&self) -> Option<Replied> {
        self.brought.as_ref().map(|_| told_by_caller(&self.element, Some(&self.provider_data)))
    }

    /// A host that a caller tells must be the element's wherever it stands, before anything is stored for it.
    pub(super) fn refuse_told_hosts(&self) -> Result<(), ApiError> {
        let (Some(oauth2), Some(told)) = (&self.element.authentication.oauth2, self.told_by_caller()) else {
            return Ok(());
        };
        with_values(&self.element, &self.configuration, Some(&told), |values| {
            let faults = oauth2.client_urls().filter_map(|url| values.url(url).err());
            // What nobody told is not judged: the vendor may tell it.
            let mut faults = faults.filter(|fault| !matches!(fault, VendorFault::Template(TemplateFault::Missing(_))));
            faults.next().map_or(Ok(()), Err)
        })
    }
}

impl Services {
    /// What stands in the place of the vendor's reply so far, for a change that brings tokens.
    pub(in crate::service) fn replied_before(&self, stored: &Stored) -> Replied {
        let credential = self.credential_of(&stored.instance, &stored.credential);
        // A credential that does not open says nothing, so that whatever is told is new.
        credential.map(|credential| credential.replied().clone()).unwrap_or_default()
    }
}
