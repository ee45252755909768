//! The redirect URI of an organization's OAuth app: its own, or the one that all apps had before each had its own.

use super::partner_app::PartnerApp;
use crate::catalog::element::Element;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::pasted::trimmed;
use crate::service::Services;

impl Services {
    /// The end of the redirect URI that the vendor is told.
    pub(super) fn registered_callback(
        &self,
        owner: Owner,
        element: &Element,
        named: Option<&str>,
        before: Option<&PartnerApp>,
    ) -> Result<Option<String>, ApiError> {
        let own = own_callback(owner, element);
        let (of_own, of_all) = (self.redirect_url_of(Some(&own)), self.redirect_url());
        match (named.map(trimmed).filter(|text| !text.is_empty()), before) {
            (None, Some(before)) => Ok(before.callback.clone()),
            (None, None) => Ok(Some(own)),
            (Some(named), _) if named == of_own => Ok(Some(own)),
            (Some(named), _) if named == of_all => Ok(None),
            (Some(_), _) => {
                let message =
                    format!("redirectUrl must be {of_own} or {of_all}: the one that is registered at the vendor.");
                Err(ApiError::new(Code::BadBody, message))
            }
        }
    }
}

/// Known before there is an app, because it is registered at the vendor first.
pub(super) fn own_callback(owner: Owner, element: &Element) -> String {
    format!("{}-{}", owner.organization, element.key)
}
