//! What the vendor's redirect told beside the code, before the code is spent: is it the vendor's, and is it all?

use super::provision::{Provisioning, with_values};
use crate::catalog::oauth2::OAuth2;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::template::{Place, Template};
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::redirect;
use crate::protocol::variables::Replied;
use crate::service::grants::Started;

impl Provisioning {
    /// The redirect's word, which came through a browser: where a host hangs on it, an organization's app speaks on its own hosts alone.
    pub(super) fn told_by_redirect(
        &self,
        oauth2: &OAuth2,
        client: &Client,
        started: &Started,
    ) -> Result<Replied, ApiError> {
        let vendor = &self.element.name;
        if let (Some(name), Some(parameters)) = (&oauth2.callback.hmac, &started.redirect)
            && !redirect::is_signed(parameters, name, &client.secret)
        {
            let message = format!(
                "The `{name}` of the redirect is no signature by the secret of the OAuth app: either the redirect is not {vendor}'s, or the \
                 secret is not the app's."
            );
            return Err(ApiError::new(Code::VendorConfiguration, message));
        }
        if started.redirect.is_some() && self.app.is_none() && self.redirect_chooses_host(oauth2) {
            let message = format!(
                "The redirect chooses at which host of {vendor} the code is exchanged, and nobody said for which the client secret of this \
                 connection is: store the OAuth app with its hosts instead."
            );
            return Err(ApiError::new(Code::AppNotForHost, message));
        }
        let replied = Replied::by_caller(started.told.variables.clone());
        self.refuse_untold(&replied, started.redirect.is_some())?;
        Ok(replied)
    }

    /// A code or a refresh token that is spent in vain cannot be had again: what the redirect tells must be there before.
    /// `here`: it came to this server.
    pub(super) fn refuse_untold(&self, replied: &Replied, here: bool) -> Result<(), ApiError> {
        let vendor = &self.element.name;
        let untold = with_values(&self.element, &self.configuration, Some(replied), |values| {
            let templates = self.element.templates();
            let used =
                templates.iter().flat_map(|(_, url)| url.variables()).filter(|name| values.value(name).is_none());
            let declared = used.filter_map(|name| self.element.variables.get(name));
            let by_redirect = declared.filter(|variable| variable.reply.is_none() && variable.verification.is_none());
            Ok(by_redirect.filter_map(|variable| variable.callback.clone()).next())
        })?;
        let Some(name) = untold else { return Ok(()) };
        let message = match here {
            true => format!("{vendor} sent the browser back without `{name}`, which is needed to call it."),
            false => format!("{vendor} needs `{name}`, which its redirect brings: pass it on as providerData.{name}."),
        };
        Err(ApiError::new(Code::MissingConfiguration, message))
    }

    /// Whether whoever sits before the browser chooses a host that a secret goes to.
    fn redirect_chooses_host(&self, oauth2: &OAuth2) -> bool {
        let by_redirect = |name: &str| self.element.variables.get(name).is_some_and(|it| it.callback.is_some());
        let mut chosen = oauth2.client_urls().flat_map(Template::places).filter(|(_, place)| *place != Place::Path);
        !oauth2.one_app_for_all_hosts && !oauth2.has_public_clients() && chosen.any(|(name, _)| by_redirect(name))
    }
}
