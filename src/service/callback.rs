//! `/connector/callback`: one redirect URI for all elements. The state finds the grant, and what the authorization under way
//! must remember is sealed in it, so any replica can end what another began, also after a restart.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::Services;
use super::authorize::url::{OPEN_FOR, grant_place};
use super::credentials::provision::Started;
use super::process::flight::Flight;
use crate::catalog::element::Element;
use crate::catalog::oauth2::{OAuth2, Pkce};
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::protocol::oauth2::pkce;
use crate::store::grants::{self, Grant};
use crate::store::{AnyConn, StoreFault};
use crate::vault::lookup::Purpose;

/// How often a grant is read again because its document was sealed anew meanwhile.
const TRIES: usize = 4;
/// Bytes of the vendor's own words that are kept at most.
const LONGEST_WORDS: usize = 500;

/// Who waits behind the callback.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Waiting {
    #[serde(rename_all = "camelCase")]
    Link(LinkWaiting),
    #[serde(rename_all = "camelCase")]
    Default(DefaultWaiting),
}

/// A connect link, and what the instance will be made of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkWaiting {
    pub link: i64,
    /// Its page is a popup of the integrator's page.
    pub popup: bool,
    /// What the instance's configuration is given: by the link, by the person, and the OAuth app.
    pub configuration: Map<String, Value>,
    /// Scopes without which there is no connection.
    pub scopes: Vec<String>,
}

/// A caller of `oauth/url/default`, to whose own callback URL code and state are forwarded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultWaiting {
    pub callback_url: String,
    /// The caller's own state.
    pub state: Option<String>,
    /// What `providerData.secret` must hold behind the grant's id.
    pub secret: Secret,
}

/// The document of a grant that comes back here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnderWay {
    pub client_id: Secret,
    pub redirect_uri: String,
    pub verifier: Option<Secret>,
    pub waiting: Waiting,
    /// Once the vendor's redirect was here: the digest of what it brought. A state is used once.
    #[serde(default)]
    pub came_back: Option<String>,
}

impl UnderWay {
    /// Secrets have no `Serialize`: this is the one place that writes them out.
    fn document(&self) -> Zeroizing<String> {
        let waiting = match &self.waiting {
            Waiting::Link(link) => json!({
                "kind": "link",
                "link": link.link,
                "popup": link.popup,
                "configuration": link.configuration,
                "scopes": link.scopes,
            }),
            Waiting::Default(caller) => json!({
                "kind": "default",
                "callbackUrl": caller.callback_url,
                "state": caller.state,
                "secret": caller.secret.expose(),
            }),
        };
        let document = json!({
            "clientId": self.client_id.expose(),
            "redirectUri": self.redirect_uri,
            "verifier": self.verifier.as_ref().map(Secret::expose),
            "waiting": waiting,
            "cameBack": self.came_back,
        });
        Zeroizing::new(document.to_string())
    }

    /// Whether this is the code that the vendor's redirect brought: one of another flow is refused.
    pub fn brought(&self, code: &Secret) -> bool {
        self.came_back.as_deref() == Some(digest(code).as_str())
    }

    pub fn started(&self, grant: Option<i64>) -> Started {
        Started { grant, verifier: self.verifier.clone(), redirect_uri: self.redirect_uri.clone() }
    }
}

/// An authorization that was begun.
pub struct Begun {
    /// The grant's id.
    pub grant: i64,
    pub state: Secret,
    /// With PKCE: the challenge for the authorization URL.
    pub challenge: Option<String>,
}

/// What the vendor's redirect carried.
#[derive(Clone, Default)]
pub struct Redirected {
    pub state: Option<Secret>,
    pub code: Option<Secret>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
}

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
}

impl Services {
    /// An address of this server, as browsers reach it.
    pub fn public(&self, path: &str) -> String {
        format!("{}/{path}", self.public_url.as_str().trim_end_matches('/'))
    }

    /// Keeps what the callback will need, under a new state. `browser`: the cookie of the browser that alone may end it.
    pub async fn begin_callback(
        &self,
        owner: Owner,
        element: &Element,
        client_id: Secret,
        waiting: Waiting,
        browser: Option<&Secret>,
    ) -> Result<Begun, ApiError> {
        let proof = element.authentication.oauth2.as_ref().map_or(Pkce::None, |oauth2| oauth2.pkce);
        let verifier = (proof != Pkce::None).then(|| url_token(self.entropy.as_ref()));
        let challenge = verifier.as_ref().map(pkce::challenge);
        let (id, now, state) = (self.store.next_id().await?, self.now(), url_token(self.entropy.as_ref()));
        let link_id = match &waiting {
            Waiting::Link(link) => Some(link.link),
            Waiting::Default(_) => None,
        };
        let under_way = UnderWay { client_id, redirect_uri: self.redirect_url(), verifier, waiting, came_back: None };
        let grant = Grant {
            id,
            element_id: element.id,
            state_hash: self.lookup.hash(Purpose::State, &state),
            sealed: self.vault.seal(grant_place(id), under_way.document().as_bytes())?,
            expires_at: now.checked_add_signed(OPEN_FOR).unwrap_or(now),
            link_id,
            browser_hash: browser.map(|cookie| self.lookup.hash(Purpose::Browser, cookie)),
        };
        self.store.write_for(owner, move |conn| grants::insert(conn, owner, grant, &[], now)).await?;
        Ok(Begun { grant: id, state, challenge })
    }

    /// The owner's authorization under way with this id.
    pub async fn under_way(&self, owner: Owner, grant: i64) -> Result<Option<(Grant, UnderWay)>, ApiError> {
        let now = self.now();
        let found = self.store.read_for(owner, move |conn| grants::get(conn, owner, grant, now)).await?;
        found.map_or(Ok(None), |grant| self.open_under_way(grant))
    }

    /// What the vendor's redirect leads to. Detached, so that nobody's hang-up comes between a state that is used up and its
    /// code.
    pub async fn finish_callback(
        &self,
        browser: Option<Secret>,
        redirected: Redirected,
    ) -> Result<CallbackEnd, ApiError> {
        let Some(state) = redirected.state.clone() else { return Ok(CallbackEnd::Unknown) };
        let services = self.clone();
        self.detached.run(async move { services.use_state(state, browser, redirected).await }).await
    }

    async fn use_state(
        &self,
        state: Secret,
        browser: Option<Secret>,
        redirected: Redirected,
    ) -> Result<CallbackEnd, ApiError> {
        let hashes = self.lookup.hashes(Purpose::State, &state);
        for _ in 0..TRIES {
            let (now, hashes) = (self.now(), hashes.clone());
            let found = self.store.read(move |conn| grants::find_by_state(conn, &hashes, now)).await?;
            let Some((owner, grant)) = found else { return Ok(CallbackEnd::Unknown) };
            if !self.same_browser(&grant, browser.as_ref()) {
                return Ok(CallbackEnd::OtherBrowser);
            }
            let Some((grant, mut under_way)) = self.open_under_way(grant)? else { return Ok(CallbackEnd::Unknown) };
            if under_way.came_back.is_some() {
                return self.came_back_before(owner, &under_way).await;
            }
            under_way.came_back = Some(redirected.code.as_ref().map(digest).unwrap_or_default());
            let id = grant.id;
            let sealed = self.vault.seal(grant_place(id), under_way.document().as_bytes())?;
            let before = grant.sealed.clone();
            let used = move |conn: &mut AnyConn| grants::replace_document(conn, owner, id, (&before, &sealed));
            match self.store.write_for(owner, used).await {
                // Somebody was quicker, or a rotation sealed the document anew: look again.
                Err(StoreFault::Conflict(_)) => continue,
                other => other?,
            }
            return self.end_callback(owner, grant, under_way, redirected).await;
        }
        Ok(CallbackEnd::Unknown)
    }

    async fn end_callback(
        &self,
        owner: Owner,
        grant: Grant,
        under_way: UnderWay,
        redirected: Redirected,
    ) -> Result<CallbackEnd, ApiError> {
        let element = self.catalog.by_id(grant.element_id).cloned();
        let redirected = redirected.checked(element.as_deref());
        match &under_way.waiting {
            Waiting::Default(caller) => {
                // The organization may have withdrawn it meanwhile.
                let address = self.allowed_callback(owner, &caller.callback_url).await?;
                Ok(CallbackEnd::Forward(forward(address, caller, &redirected)))
            }
            Waiting::Link(link) => {
                let (popup, token) = (link.popup, self.link_token(owner, link.link).await?);
                let (lateness, landing, mut flight) = Flight::begin();
                let services = self.clone();
                self.detached.start(async move {
                    let finished = services.finish_link(owner, element, &under_way, redirected, &lateness).await;
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

    /// None: a grant of `oauth/url`, whose document says nothing of whom it is for.
    fn open_under_way(&self, grant: Grant) -> Result<Option<(Grant, UnderWay)>, ApiError> {
        let document = self.vault.open(grant_place(grant.id), &grant.sealed)?;
        Ok(serde_json::from_slice(&document).ok().map(|under_way| (grant, under_way)))
    }

    /// Whether this is the browser that the grant belongs to, where it belongs to one.
    fn same_browser(&self, grant: &Grant, cookie: Option<&Secret>) -> bool {
        let Some(bound) = &grant.browser_hash else { return true };
        cookie.is_some_and(|cookie| self.lookup.hashes(Purpose::Browser, cookie).contains(bound))
    }
}

impl Redirected {
    /// An answer without a code is an error; so is one of another issuer than the element's (RFC 9207 section 2.4).
    fn checked(mut self, element: Option<&Element>) -> Self {
        let words = |text: String| text.chars().filter(|c| !c.is_control()).take(LONGEST_WORDS).collect::<String>();
        self.error = self.error.filter(|error| !error.is_empty()).map(words);
        self.error_description = self.error_description.filter(|text| !text.is_empty()).map(words);
        let oauth2 = element.and_then(|it| it.authentication.oauth2.as_ref());
        if oauth2.is_some_and(|oauth2| is_foreign(oauth2, self.iss.as_deref())) {
            self.error = Some("invalid_issuer".to_owned());
            self.error_description = Some("The answer came from another authorization server.".to_owned());
        }
        if self.code.as_ref().is_none_or(Secret::is_empty) && self.error.is_none() {
            self.error = Some("invalid_response".to_owned());
            self.error_description = Some("The answer had no code.".to_owned());
        }
        if self.error.is_some() {
            self.code = None;
        }
        self
    }
}

/// Whether this issuer is not the element's. Where the element declares none, one that is told must at least be at home where
/// the user was sent or where the token comes from.
fn is_foreign(oauth2: &OAuth2, iss: Option<&str>) -> bool {
    if let Some(declared) = &oauth2.authorize.issuer {
        return iss != Some(declared);
    }
    let Some(iss) = iss else { return false };
    let host = |text: &str| Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
    let ours = [oauth2.authorize.url.as_str(), oauth2.token.url.as_str()].map(host);
    // A host with variables in it is known to nobody here.
    ours.iter().all(Option::is_some) && !ours.contains(&host(iss))
}

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
    }
    address.into()
}

/// Enough to know a code again; it opens nothing.
fn digest(code: &Secret) -> String {
    pkce::challenge(code)
}
