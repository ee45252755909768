//! Where to send a user: `oauth/url` (docs/api.md, OAuth addresses).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use super::wishes::wishes;
use crate::catalog::element::Element;
use crate::catalog::oauth2::Pkce;
use crate::kernel::code::Code;
use crate::kernel::entropy::url_token;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::pasted::trimmed;
use crate::kernel::plain_text::shortened;
use crate::kernel::secret::Secret;
use crate::protocol::oauth2::authorize::{self, Authorization};
use crate::protocol::oauth2::pkce;
use crate::protocol::variables::Values;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::credentials::partner_app::oauth2_of;
use crate::service::grants::{FoundBy, OPEN_FOR, Proof};
use crate::service::ground::Races;
use crate::store::limits::Limit;
use crate::store::sealed::GRANT;
use crate::store::{AnyConn, StoreFault, grants};
use crate::vault::lookup::Purpose;

const LONGEST_STATE: usize = 1000;

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuthUrl {
    /// The element's key, also when it was addressed by id.
    #[schema(example = "hubspotcrm")]
    pub element: String,
    /// Where to send the user's browser.
    pub oauth_url: String,
}

impl Services {
    /// `given`: parameters as sent. Empty ones count as absent, but for `scope`, where empty has a meaning of its own.
    pub async fn start_oauth(
        &self,
        actor: Option<&Actor>,
        key_or_id: &str,
        given: BTreeMap<String, String>,
    ) -> Result<OAuthUrl, ApiError> {
        let element = self.element_of(actor.map(Actor::owner), key_or_id)?;
        let oauth2 = oauth2_of(&element)?;
        // What copying put around ids and lists is no part of them. State and callback are the caller's own, to the byte.
        let is_own = |name: &str| matches!(name, "state" | "callbackUrl");
        let cleaned = |name: &str, text: String| if is_own(name) { text } else { trimmed(&text).into_owned() };
        let given: BTreeMap<String, String> =
            given.into_iter().map(|(name, text)| (name.clone(), cleaned(&name, text))).collect();
        let value = |name: &str| given.get(name).map(String::as_str).filter(|text| !text.trim().is_empty());
        let parameter = |name: &str| value(name).map(str::to_owned);
        let values = Values { element: &element, parameters: &parameter, configuration: &parameter, replied: None };
        let mut missing: Vec<_> = ["apiKey", "callbackUrl"].into_iter().filter(|name| value(name).is_none()).collect();
        missing.extend(values.missing(&oauth2.authorize.url));
        let (Some(client_id), Some(redirect_uri), true) = (value("apiKey"), value("callbackUrl"), missing.is_empty())
        else {
            let message = format!("Required parameters are missing: {}.", missing.join(", "));
            return Err(ApiError::new(Code::MissingParameter, message));
        };
        check_callback_url(redirect_uri)?;
        let wishes = wishes((&element, oauth2), &given)?;
        let state = value("state");
        check_state(state)?;
        let (state, verifier) = match oauth2.pkce {
            Pkce::None | Pkce::Optional => (Secret::new(state.unwrap_or(&element.key)), None),
            Pkce::S256 => {
                let actor = actor.ok_or_else(|| pkce_needs_caller(&element))?;
                let state = state.map_or_else(|| url_token(self.entropy.as_ref()), Secret::new);
                let verifier = url_token(self.entropy.as_ref());
                self.remember(actor, &element, &state, &verifier, (client_id, redirect_uri)).await?;
                (state, Some(verifier))
            }
        };
        let challenge = verifier.as_ref().map(pkce::challenge);
        let authorization = Authorization {
            client_id,
            redirect_uri,
            state: state.expose(),
            scope: given.get("scope").map(String::as_str),
            optional_scope: value("optionalScope").or_else(|| value("optional_scope")),
            code_challenge: challenge.as_deref(),
            wishes: &wishes,
        };
        let url = authorize::url(oauth2, &authorization, values)
            .map_err(|fault| fault.into_error(&element.name, "the parameters"))?;
        Ok(OAuthUrl { element: element.key.clone(), oauth_url: url })
    }

    /// Keeps the verifier for `POST /instances`, under the state. Who begins the same once more has left the start before: the newer
    /// one takes its place.
    async fn remember(
        &self,
        actor: &Actor,
        element: &Element,
        state: &Secret,
        verifier: &Secret,
        (client_id, redirect_uri): (&str, &str),
    ) -> Result<(), ApiError> {
        let (id, now, owner) = (self.store.next_id().await?, self.now(), actor.owner());
        let proof = Proof {
            verifier: verifier.clone(),
            client_id: Secret::new(client_id),
            redirect_uri: redirect_uri.to_owned(),
            found_by: Some(FoundBy::of(state, None)),
            begun_by: actor.user_id(),
        };
        let hashes: Arc<[Vec<u8>]> = self.lookup.hashes(Purpose::State, state).into();
        let grant = grants::Grant {
            id,
            element_id: element.id,
            state_hash: hashes.first().cloned().unwrap_or_default(),
            sealed: self.vault.seal_document(GRANT.place(owner.organization, id), &proof)?,
            expires_at: now.checked_add_signed(OPEN_FOR).unwrap_or(now),
            link_id: None,
            browser_hash: None,
            hold: None,
        };
        let _room = self.claim(owner.organization, Limit::Authorizations, 1).await?;
        let (mut before, mut races) = (None, Races::default());
        loop {
            let (written, others) = (grant.clone(), Arc::clone(&hashes));
            let insert = move |conn: &mut AnyConn| {
                if let Some(before) = before {
                    grants::delete(conn, owner, before)?;
                }
                grants::insert(conn, owner, written, others.get(1..).unwrap_or_default(), now)
            };
            match self.store.write_for(owner, insert).await {
                Err(StoreFault::Conflict(_)) => races.lost()?,
                other => return Ok(other?),
            }
            let known = Arc::clone(&hashes);
            let open = move |conn: &mut AnyConn| grants::find_any(conn, owner, &known, now);
            before = match self.store.read_for(owner, open).await? {
                None => None,
                Some(open) if open.element_id == element.id && self.is_same_start(owner, &open, &proof)? => {
                    Some(open.id)
                }
                Some(_) => {
                    let message = "This state already belongs to an open authorization of yours, with another client, callback \
                                   URL or user: send another, or none.";
                    return Err(ApiError::new(Code::StateInUse, message));
                }
            };
        }
    }

    /// Whether an open authorization was begun by the same caller, with the same client and callback URL.
    fn is_same_start(&self, owner: Owner, open: &grants::Grant, start: &Proof) -> Result<bool, ApiError> {
        if open.link_id.is_some() {
            return Ok(false);
        }
        let before: Proof = self.vault.open_document(GRANT.place(owner.organization, open.id), &open.sealed)?;
        let same_caller = before.begun_by.is_none() || before.begun_by == start.begun_by;
        let same_way = before.client_id == start.client_id && before.redirect_uri == start.redirect_uri;
        Ok(same_caller && same_way && before.found_by == start.found_by)
    }
}

pub(super) fn check_state(state: Option<&str>) -> Result<(), ApiError> {
    if state.is_none_or(|state| state.len() <= LONGEST_STATE) {
        return Ok(());
    }
    Err(ApiError::new(Code::BadParameter, format!("The state must not be longer than {LONGEST_STATE} bytes.")))
}

/// A callback URL is an address for browsers: any host, but a whole address.
pub(super) fn check_callback_url(text: &str) -> Result<(), ApiError> {
    let refused = |what: &str| {
        let shown = shortened(text);
        Err(ApiError::new(Code::BadCallbackUrl, format!("callbackUrl `{shown}` {what}.")))
    };
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return refused("contains white space or control characters");
    }
    match Url::parse(text) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => refused("must begin with https:// or http://"),
        Ok(url) if url.host_str().is_none_or(str::is_empty) => refused("names no host"),
        Ok(url) if url.fragment().is_some() => refused("has a fragment (#…), which OAuth forbids"),
        Ok(_) if !text.contains("://") => refused("must begin with https:// or http://"),
        Ok(_) => Ok(()),
        Err(_) if text.contains(";//") => refused("has `;` where `:` belongs: write https://…"),
        Err(_) => refused("is not an absolute address: write https://host/path"),
    }
}

fn pkce_needs_caller(element: &Element) -> ApiError {
    let message = format!(
        "{} uses PKCE, whose verifier is kept for the caller: send `Authorization: User <secret>, Organization <secret>`.",
        element.name
    );
    ApiError::new(Code::MissingCredentials, message)
}
