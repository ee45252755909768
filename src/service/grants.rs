//! Authorizations under way: what is kept from the address to which a user is sent until the vendor sends the user back.

mod found_by;
mod held;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::catalog::element::{AuthenticationType, Element};
use crate::catalog::oauth2::{OAuth2, Pkce};
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::plain_text::limited;
use crate::kernel::secret::{self, Secret};
use crate::protocol::oauth2::client::Client;
use crate::protocol::oauth2::granted::names as scopes_of;
use crate::protocol::oauth2::issuer::Issuer;
use crate::protocol::oauth2::{pkce, redirect};
use crate::protocol::variables::given_by_callback;
use crate::service::Services;
use crate::store::grants::{self, Grant};
use crate::store::sealed::GRANT;
use crate::vault::document::{self, Document};
use crate::vault::lookup::Purpose;

pub use found_by::FoundBy;
pub use held::{Held, Stage};

/// How long a user may take at the vendor.
pub(in crate::service) const OPEN_FOR: TimeDelta = TimeDelta::hours(1);

/// The path of every redirect URI of ours.
const CALLBACK: &str = "/connector/callback";

/// Bytes of the vendor's own words that are kept at most.
const LONGEST_WORDS: usize = 500;

/// Who waits behind the callback.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Waiting {
    #[serde(rename_all = "camelCase")]
    Link(LinkWaiting),
    #[serde(rename_all = "camelCase")]
    Default(DefaultWaiting),
}

/// A connect link, and what the instance will be made of.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkWaiting {
    pub link: i64,
    /// Its page is a popup of the integrator's page.
    pub popup: bool,
    /// What the instance's configuration is given: by the link, by the person, and the OAuth app.
    pub configuration: Map<String, Value>,
    /// With a key there is no vendor to come back from: it waits for a confirmation from the beginning.
    #[serde(default = "by_oauth")]
    pub authentication: AuthenticationType,
    /// Scopes without which there is no connection.
    pub scopes: Vec<String>,
    /// What was asked for beside them; none before grants said so.
    #[serde(default)]
    pub further_scopes: Vec<String>,
}

fn by_oauth() -> AuthenticationType {
    AuthenticationType::OAuth2
}

/// A caller of `oauth/url/default`, to whose own callback URL code and state are forwarded.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DefaultWaiting {
    pub callback_url: String,
    /// The caller's own state.
    pub state: Option<String>,
    /// What `providerData.secret` must hold behind the grant's id.
    #[serde(serialize_with = "secret::sealed")]
    pub secret: Secret,
}

/// The document of a grant that comes back here.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnderWay {
    #[serde(serialize_with = "secret::sealed")]
    pub client_id: Secret,
    pub redirect_uri: String,
    #[serde(serialize_with = "secret::sealed_option")]
    pub verifier: Option<Secret>,
    pub waiting: Waiting,
    /// Once the vendor's redirect was here: the digest of what it brought. A state is used once.
    #[serde(default)]
    pub came_back: Option<String>,
    /// What the redirect told beside the code.
    #[serde(default)]
    pub told: Told,
    /// Who may answer. None: it was begun by an older version.
    #[serde(default)]
    pub issuer: Option<Issuer>,
    /// Of a link whose end is to be confirmed: what came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// What it is found by, digested: whoever writes to the database can put the hash of a state of theirs into any row. None: it
    /// was begun by an older version.
    #[serde(default)]
    pub found_by: Option<FoundBy>,
}

impl Document for UnderWay {
    const KIND: &'static str = "underWay";
}

/// The document of a grant of `oauth/url`, which comes back to the caller: what `POST /instances` exchanges the code with.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    #[serde(serialize_with = "secret::sealed")]
    pub verifier: Secret,
    #[serde(serialize_with = "secret::sealed")]
    pub client_id: Secret,
    pub redirect_uri: String,
    #[serde(default)]
    pub found_by: Option<FoundBy>,
    /// The user who began it; none: an older version did.
    #[serde(default)]
    pub begun_by: Option<i64>,
}

impl Document for Proof {
    const KIND: &'static str = "proof";
}

/// What every document has of an authorization that comes back here, and no other.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OfCallback {
    waiting: Option<serde::de::IgnoredAny>,
}

impl UnderWay {
    /// Whether this is the code that the vendor's redirect brought: one of another flow is refused.
    pub fn brought(&self, code: &Secret) -> bool {
        self.came_back.as_deref() == Some(digest(code).as_str())
    }

    /// Whether the vendor was told to answer at this address: what comes to another app's may be another app's code (RFC 9700 section
    /// 4.4.2.2).
    pub fn is_answered_at(&self, callback: Option<&str>) -> bool {
        let own = self.redirect_uri.rsplit_once(CALLBACK).map(|(_, own)| own.trim_start_matches('/'));
        own == Some(callback.unwrap_or_default())
    }

    /// Whether this is what the state leads to, from this browser.
    pub fn is_found_by(&self, state: &Secret, browser: Option<&Secret>) -> bool {
        self.found_by.as_ref().is_none_or(|found_by| found_by.fits(state, browser))
    }

    /// Whether this browser began it.
    pub fn is_of_browser(&self, browser: &Secret) -> bool {
        self.found_by.as_ref().is_some_and(|found_by| found_by.is_of_browser(browser))
    }

    pub fn started(&self, grant: Option<i64>) -> Started {
        Started {
            grant,
            verifier: self.verifier.clone(),
            redirect_uri: self.redirect_uri.clone(),
            told: self.told.clone(),
            redirect: None,
        }
    }
}

/// What the vendor's redirect tells that the element reads.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// By the names of variables.
    pub variables: BTreeMap<String, String>,
    /// Granted scopes.
    pub scopes: Option<Vec<String>>,
}

impl Told {
    /// `parameter`: one of the redirect's.
    pub fn of(element: &Element, parameter: impl Fn(&str) -> Option<String>) -> Self {
        let callback = element.authentication.oauth2.as_ref().map(|oauth2| &oauth2.callback);
        let scopes = callback.and_then(|callback| parameter(callback.scope.as_deref()?));
        Self {
            variables: given_by_callback(element, parameter),
            scopes: scopes.and_then(|text| scopes_of(&text.into())),
        }
    }
}

/// What a code is exchanged with, beside the client.
#[derive(Clone, Default)]
pub struct Started {
    /// The grant that the exchange uses up.
    pub grant: Option<i64>,
    pub verifier: Option<Secret>,
    pub redirect_uri: String,
    pub told: Told,
    /// The whole redirect, where its signature is to be looked at.
    pub redirect: Option<Arc<[(String, String)]>>,
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
    /// All of it, in its order.
    pub parameters: Vec<(String, String)>,
    /// The error is what was found here, and not what the vendor said.
    pub found_here: bool,
    /// The app to whose own address it came; none: to the one that all had before.
    pub callback: Option<String>,
}

impl Services {
    /// Keeps what the callback will need, under a new state. `browser`: the cookie of the browser that alone may end it.
    pub(in crate::service) async fn begin_callback(
        &self,
        owner: Owner,
        element: &Element,
        (client_id, redirect_uri): (Secret, String),
        waiting: Waiting,
        issuer: Issuer,
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
        let under_way = UnderWay {
            client_id,
            redirect_uri,
            verifier,
            waiting,
            came_back: None,
            told: Told::default(),
            issuer: Some(issuer),
            held: None,
            found_by: Some(FoundBy::of(&state, browser)),
        };
        let grant = Grant {
            id,
            element_id: element.id,
            state_hash: self.lookup.hash(Purpose::State, &state),
            sealed: self.vault.seal_document(GRANT.place(owner.organization, id), &under_way)?,
            expires_at: now.checked_add_signed(OPEN_FOR).unwrap_or(now),
            link_id,
            browser_hash: browser.map(|cookie| self.lookup.hash(Purpose::Browser, cookie)),
            hold: None,
        };
        self.store.write_for(owner, move |conn| grants::insert(conn, owner, grant, &[], now)).await?;
        Ok(Begun { grant: id, state, challenge })
    }

    /// The owner's authorization under way with this id.
    pub(in crate::service) async fn grant_under_way(
        &self,
        owner: Owner,
        grant: i64,
    ) -> Result<Option<(Grant, UnderWay)>, ApiError> {
        let now = self.now();
        let found = self.store.read_for(owner, move |conn| grants::get(conn, owner, grant, now)).await?;
        found.map_or(Ok(None), |grant| self.open_under_way(owner, grant))
    }

    /// None: a grant of `oauth/url`, which does not come back here.
    pub(in crate::service) fn open_under_way(
        &self,
        owner: Owner,
        grant: Grant,
    ) -> Result<Option<(Grant, UnderWay)>, ApiError> {
        let place = GRANT.place(owner.organization, grant.id);
        let opened = self.vault.open(place, &grant.sealed)?;
        let comes_back = match document::kind(place, &opened)? {
            Some(kind) => kind != Proof::KIND,
            // From before documents said what they are.
            None => document::read::<OfCallback>(place, &opened)?.waiting.is_some(),
        };
        if !comes_back {
            return Ok(None);
        }
        Ok(Some((grant, document::read_document(place, &opened)?)))
    }
}

impl Redirected {
    pub fn of(parameters: Vec<(String, String)>) -> Self {
        let redirected = Self { parameters, ..Self::default() };
        Self {
            state: redirected.parameter("state").map(Secret::new),
            code: redirected.parameter("code").map(Secret::new),
            error: redirected.parameter("error"),
            error_description: redirected.parameter("error_description"),
            iss: redirected.parameter("iss"),
            ..redirected
        }
    }

    /// The first value that is not empty.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.clone())
    }

    /// With the code from where the element's vendor puts it, and what it tells beside it.
    pub(in crate::service) fn read_by(self, element: &Element) -> (Self, Told) {
        let told = Told::of(element, |name| self.parameter(name));
        let name = element.authentication.oauth2.as_ref().and_then(|oauth2| oauth2.callback.code.as_deref());
        let code = name.and_then(|name| self.parameter(name)).map(Secret::new);
        (Self { code: code.or(self.code), ..self }, told)
    }

    /// A redirect that somebody else made is an error: the client's secret signs those of the vendor.
    pub(in crate::service) fn signed_by(self, oauth2: &OAuth2, client: &Client) -> Self {
        let unsigned = |name: &String| !redirect::is_signed(&self.parameters, name, &client.secret);
        match &oauth2.callback.hmac {
            Some(name) if self.error.is_none() && unsigned(name) => Self {
                error: Some("invalid_response".to_owned()),
                error_description: Some(format!("The parameter {name} is no signature by the app's secret.")),
                found_here: true,
                ..self
            }
            .without_code(),
            _ => self,
        }
    }

    /// Nor is it passed on under another name.
    fn without_code(mut self) -> Self {
        if let Some(code) = self.code.take() {
            self.parameters.retain(|(_, value)| value != code.expose());
        }
        self
    }

    /// An answer without a code is an error; so is one of another issuer than the one to which the person was sent (RFC 9207 section
    /// 2.4).
    pub(in crate::service) fn checked(mut self, issuer: &Issuer) -> Self {
        let words = |text: String| limited(&text, LONGEST_WORDS);
        self.error = self.error.filter(|error| !error.is_empty()).map(words);
        self.error_description = self.error_description.filter(|text| !text.is_empty()).map(words);
        if issuer.is_foreign(self.iss.as_deref()) {
            self.error = Some("invalid_issuer".to_owned());
            self.error_description = Some("The answer came from another authorization server.".to_owned());
            self.found_here = true;
        }
        if self.code.as_ref().is_none_or(Secret::is_empty) && self.error.is_none() {
            self.error = Some("invalid_response".to_owned());
            self.error_description = Some("The answer had no code.".to_owned());
            self.found_here = true;
        }
        if self.error.is_some() { self.without_code() } else { self }
    }
}

/// Enough to know a code again; it opens nothing.
pub(in crate::service) fn digest(code: &Secret) -> String {
    pkce::challenge(code)
}
