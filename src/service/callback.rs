//! `/connector/callback`: one redirect URI for each app, and one that all had before. The state finds the grant, and what the authorization under way
//! must remember is sealed in it, so any replica can end what another began, also after a restart.

use std::net::IpAddr;
use std::sync::Arc;

use url::Url;

use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::oauth2::issuer::Issuer;
use crate::protocol::variables::Values;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::credentials::partner_app::no_app;
use crate::service::grants::{DefaultWaiting, Redirected, Told, UnderWay, Waiting, digest};
use crate::service::ground::Races;
use crate::service::process::flight::Flight;
use crate::store::grants::{self, Grant};
use crate::store::sealed::GRANT;
use crate::store::{AnyConn, StoreFault};
use crate::vault::lookup::Purpose;

/// Where the browser goes from the callback. The address holds a code: no `Debug`.
pub enum CallbackEnd {
    /// To the caller's own callback URL.
    Forward(String),
    /// To the result of the connect link with this token.
    Link { token: Secret, popup: bool },
    /// No open authorization has this state: it is too old, was used, or was never one of ours.
    Unknown,
    /// It was begun in another browser, or this one has lost its cookie.
    OtherBrowser,
    /// It came to the address of another app than the one that was asked for it.
    OtherApp,
}

impl Services {
    /// What the vendor's redirect leads to. `address`: the browser's. Detached, so that nobody's hang-up comes between a state that is used up and its
    /// code.
    pub async fn finish_callback(
        &self,
        browser: Option<Secret>,
        address: Option<IpAddr>,
        redirected: Redirected,
    ) -> Result<CallbackEnd, ApiError> {
        let Some(state) = redirected.state.clone() else { return Ok(CallbackEnd::Unknown) };
        let services = self.clone();
        self.detached.run(async move { services.use_state(state, browser, address, redirected).await }).await
    }

    async fn use_state(
        &self,
        state: Secret,
        browser: Option<Secret>,
        address: Option<IpAddr>,
        redirected: Redirected,
    ) -> Result<CallbackEnd, ApiError> {
        let hashes = self.lookup.hashes(Purpose::State, &state);
        let mut races = Races::default();
        loop {
            let (now, hashes) = (self.now(), hashes.clone());
            let found = self.store.read(move |conn| grants::find_by_state(conn, &hashes, now)).await?;
            let Some((owner, grant)) = found else { return Ok(CallbackEnd::Unknown) };
            if !self.same_browser(&grant, browser.as_ref()) {
                return Ok(CallbackEnd::OtherBrowser);
            }
            let Some((grant, mut under_way)) = self.open_under_way(owner, grant)? else {
                return Ok(CallbackEnd::Unknown);
            };
            if !under_way.is_found_by(&state, browser.as_ref()) {
                tracing::error!(
                    grant = grant.id,
                    "oauth_grant.state_hash or browser_hash was altered: it is not what was begun"
                );
                return Ok(CallbackEnd::Unknown);
            }
            if !under_way.is_answered_at(redirected.callback.as_deref()) {
                tracing::warn!(
                    grant = grant.id,
                    "a vendor's answer came to the address of another app: nothing was exchanged"
                );
                return Ok(CallbackEnd::OtherApp);
            }
            if under_way.came_back.is_some() {
                return self.came_back_before(owner, &under_way).await;
            }
            let element = self.element_by_id(owner, grant.element_id);
            let (redirected, told) = self.looked_at(owner, element.as_deref(), &under_way, redirected.clone()).await?;
            under_way.told = told;
            // Without a code no code fits.
            under_way.came_back = Some(redirected.code.as_ref().map(digest).unwrap_or_default());
            let hold = self.hold_redirect(owner, &mut under_way, &redirected).await?;
            let id = grant.id;
            let sealed = self.vault.seal_document(GRANT.place(owner.organization, id), &under_way)?;
            let before = grant.sealed.clone();
            let used = move |conn: &mut AnyConn| match &hold {
                Some((hold, kept)) => grants::hold(conn, owner, id, (&before, &sealed), (hold, *kept)),
                None => grants::replace_document(conn, owner, id, (&before, &sealed)),
            };
            match self.store.write_for(owner, used).await {
                // Somebody was quicker, or a rotation sealed the document anew: look again.
                Err(StoreFault::Conflict(_)) => {
                    races.lost()?;
                    continue;
                }
                other => other?,
            }
            return self.end_callback(owner, address, element, under_way, redirected).await;
        }
    }

    /// What the redirect says, looked at before any of it is kept: one that somebody else made has no code and tells nothing.
    async fn looked_at(
        &self,
        owner: Owner,
        element: Option<&Element>,
        under_way: &UnderWay,
        redirected: Redirected,
    ) -> Result<(Redirected, Told), ApiError> {
        let known = under_way.issuer.clone();
        let Some(element) = element else {
            return Ok((redirected.checked(&known.unwrap_or_default()), Told::default()));
        };
        let (redirected, told) = redirected.read_by(element);
        let oauth2 = element.authentication.oauth2.as_ref();
        let known = known.or_else(|| oauth2.map(|oauth2| Issuer::of(oauth2, Values::none(element))));
        let redirected = redirected.checked(&known.unwrap_or_default());
        let redirected = match &under_way.waiting {
            Waiting::Default(_) => self.with_signature_of_app(owner, element, redirected).await?,
            // The link's own client signs, which is found at its end.
            Waiting::Link(_) => redirected,
        };
        let told = if redirected.code.is_some() { told } else { Told::default() };
        Ok((redirected, told))
    }

    async fn end_callback(
        &self,
        owner: Owner,
        address: Option<IpAddr>,
        element: Option<Arc<Element>>,
        under_way: UnderWay,
        redirected: Redirected,
    ) -> Result<CallbackEnd, ApiError> {
        match &under_way.waiting {
            Waiting::Default(caller) => {
                // The organization may have withdrawn it meanwhile.
                let address = self.allowed_callback(owner, &caller.callback_url).await?;
                Ok(CallbackEnd::Forward(forward(address, caller, &redirected)))
            }
            Waiting::Link(link) => {
                let (popup, token) = (link.popup, self.link_token(owner, link.link).await?);
                let (lateness, landing, mut flight) = Flight::begin();
                let actor = Actor::visitor(owner, link.link, self.request_id(), address);
                let services = self.clone();
                self.detached.start(async move {
                    let finished = services.finish_link(&actor, element, &under_way, redirected, &lateness).await;
                    landing.tell(finished.map_err(Arc::new));
                });
                match flight.arrival().await {
                    // The page of the result waits on.
                    Err(_) if !flight.is_over() => Ok(CallbackEnd::Link { token, popup }),
                    finished => finished.map(|()| CallbackEnd::Link { token, popup }),
                }
            }
        }
    }

    /// Whoever gets the redirect forwarded does not know our state, so the signature is looked at here.
    async fn with_signature_of_app(
        &self,
        owner: Owner,
        element: &Element,
        redirected: Redirected,
    ) -> Result<Redirected, ApiError> {
        let Some(oauth2) = element.authentication.oauth2.as_ref().filter(|it| it.callback.hmac.is_some()) else {
            return Ok(redirected);
        };
        let app = self.usable_app(owner, element).await?.ok_or_else(|| no_app(element))?;
        Ok(redirected.signed_by(oauth2, &app.client(oauth2)))
    }

    /// A reload of the callback, or a state that is tried once more: nothing is done again.
    async fn came_back_before(&self, owner: Owner, under_way: &UnderWay) -> Result<CallbackEnd, ApiError> {
        match &under_way.waiting {
            Waiting::Default(_) => Ok(CallbackEnd::Unknown),
            Waiting::Link(link) => {
                let token = self.link_token(owner, link.link).await?;
                Ok(CallbackEnd::Link { token, popup: link.popup })
            }
        }
    }

    /// Whether this is the browser that the grant belongs to, where it belongs to one.
    fn same_browser(&self, grant: &Grant, cookie: Option<&Secret>) -> bool {
        let Some(bound) = &grant.browser_hash else { return true };
        cookie.is_some_and(|cookie| self.lookup.hashes(Purpose::Browser, cookie).contains(bound))
    }
}

/// What a redirect is forwarded with in our own words; the issuer was looked at.
const READ_HERE: [&str; 5] = ["code", "error", "error_description", "iss", "state"];

/// The caller's own callback URL with what the vendor answered, and the caller's own state.
fn forward(mut address: Url, caller: &DefaultWaiting, redirected: &Redirected) -> String {
    {
        let mut pairs = address.query_pairs_mut();
        for (name, value) in [
            ("code", redirected.code.as_ref().map(Secret::expose)),
            ("error", redirected.error.as_deref()),
            ("error_description", redirected.error_description.as_deref()),
            ("state", caller.state.as_deref()),
        ] {
            if let Some(value) = value {
                pairs.append_pair(name, value);
            }
        }
        // What else the vendor says belongs to the caller too (`realmId`).
        for (name, value) in redirected.parameters.iter().filter(|(name, _)| !READ_HERE.contains(&name.as_str())) {
            pairs.append_pair(name, value);
        }
    }
    address.into()
}
