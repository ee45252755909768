//! How a vendor speaks OAuth 2.0 (RFC 6749), quirks included.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::element::Placement;
pub use super::refusals::{Errors, ExpirySign};
use super::scopes::{Preset, Scopes};
use crate::kernel::template::Template;
use crate::kernel::text_template::TextTemplate;

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct OAuth2 {
    /// When to use this type rather than the other.
    pub description: String,
    /// What a person must know or have before connecting: the right to install apps, which account to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beforehand: Option<String>,
    pub authorize: Authorize,
    #[serde(default)]
    pub callback: Callback,
    #[serde(default)]
    pub scopes: Scopes,
    /// Sets of scopes that links and apps can name; `default` is what they ask for otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub presets: BTreeMap<String, Preset>,
    /// Proof key for code exchange (RFC 7636). Never sent where the element does not say so.
    #[serde(default)]
    pub pkce: Pkce,
    pub token: TokenEndpoint,
    /// What the vendor calls parameters of its requests, by their names in the standard (`client_id = "client_key"`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// The vendor registers an app once, and takes it on the hosts of all its customers. Otherwise, where these depend on the
    /// customer, an organization's app is used on the hosts alone that it was stored for. `sources` of the element names the
    /// vendor's page.
    #[serde(default)]
    pub one_app_for_all_hosts: bool,
    #[serde(default)]
    pub reply: Reply,
    #[serde(default)]
    pub refresh: Refresh,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<Revoke>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection: Option<Introspection>,
    #[serde(default)]
    pub errors: Errors,
    /// Which answers to an API call mean that the access token is not good any more. Absent: every 401.
    #[serde(default = "any_401")]
    pub expired: Vec<ExpirySign>,
    /// How the access token travels.
    #[serde(default = "bearer")]
    pub placement: Placement,
}

impl OAuth2 {
    /// Where refresh tokens go.
    pub fn refresh_url(&self) -> &Template {
        self.refresh.url.as_ref().unwrap_or(&self.token.url)
    }

    /// How a code is exchanged, and how a token is refreshed.
    pub fn exchange_call(&self) -> TokenCall<'_> {
        let TokenEndpoint { client_authentication, method, parameters, .. } = &self.token;
        TokenCall { client_authentication: *client_authentication, method: *method, parameters }
    }

    /// What `refresh` leaves out is as at the exchange.
    pub fn refresh_call(&self) -> TokenCall<'_> {
        let (exchange, refresh) = (self.exchange_call(), &self.refresh);
        TokenCall {
            client_authentication: refresh.client_authentication.unwrap_or(exchange.client_authentication),
            method: refresh.method.unwrap_or(exchange.method),
            parameters: refresh.parameters.as_ref().unwrap_or(exchange.parameters),
        }
    }

    /// Whether its clients are public: a secret is sent nowhere (RFC 6749 section 2.1).
    pub fn has_public_clients(&self) -> bool {
        let Self { token, refresh, revoke, introspection, .. } = self;
        let further = [
            refresh.client_authentication.filter(|_| refresh.supported),
            revoke.as_ref().and_then(|it| it.client_authentication),
            introspection.as_ref().and_then(|it| it.client_authentication),
        ];
        let mut all = further.into_iter().flatten().chain([token.client_authentication]);
        all.all(|it| it == ClientAuthentication::None)
    }

    /// What the vendor calls a parameter of the standard.
    pub fn name<'a>(&'a self, standard: &'a str) -> &'a str {
        self.names.get(standard).map_or(standard, String::as_str)
    }

    /// Where the client authenticates.
    pub fn client_urls(&self) -> impl Iterator<Item = &Template> {
        let Self { token, refresh, revoke, introspection, .. } = self;
        let further = revoke.iter().map(|it| &it.url).chain(introspection.iter().map(|it| &it.url));
        [&token.url].into_iter().chain(&refresh.url).chain(further)
    }

    /// Whether an app of an organization speaks on the hosts alone that it was stored for.
    pub fn binds_apps_to_hosts(&self) -> bool {
        !self.one_app_for_all_hosts && self.client_urls().any(Template::has_variable_host)
    }
}

/// The authorization request (RFC 6749 section 4.1.1).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Authorize {
    pub url: Template,
    /// Parameters that every request carries (`access_type=offline`).
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Parameters that one call may ask for (`login_hint`, `prompt`); each takes the place of a fixed one of its name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Whether `response_type=code` is sent.
    #[serde(default = "yes")]
    pub response_type: bool,
    /// What the vendor's redirect says in `iss` (RFC 9207): behind our own callback another one, or none, is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Template>,
}

/// The vendor's redirect (RFC 6749 section 4.1.2), beside `code` and `state`: names of its parameters.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Callback {
    /// The code, where it is not called so (`spapi_oauth_code`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Granted scopes, where the token reply names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// A signature of all other parameters by the client secret, HMAC-SHA-256 in hex: behind our own callback a redirect without it
    /// is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hmac: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Pkce {
    #[default]
    #[serde(rename = "none")]
    None,
    /// Always: `oauth/url` keeps the verifier for its caller.
    S256,
    /// The vendor takes it and does not insist: used behind our own callback, where a grant is kept in any case.
    #[serde(rename = "optional")]
    Optional,
}

/// The token endpoint (RFC 6749 section 3.2).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TokenEndpoint {
    pub url: Template,
    #[serde(default)]
    pub client_authentication: ClientAuthentication,
    /// The configuration entry that chooses it instead, here and beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_authentication_by: Option<String>,
    #[serde(default)]
    pub body: BodyEncoding,
    #[serde(default)]
    pub method: TokenMethod,
    /// Headers of token requests only.
    #[serde(default)]
    pub headers: BTreeMap<String, TextTemplate>,
    /// Further fields of token requests (`audience`, the `resource` of RFC 8707); a `grant_type` takes the place of the standard's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// What differs between the exchange of a code and a refresh.
#[derive(Debug, Clone, Copy)]
pub struct TokenCall<'a> {
    pub client_authentication: ClientAuthentication,
    pub method: TokenMethod,
    pub parameters: &'a BTreeMap<String, String>,
}

/// RFC 6749 section 3.2 knows POST alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TokenMethod {
    #[default]
    Post,
    /// All fields go into the query.
    Get,
}

/// How client id and secret reach the token endpoint (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientAuthentication {
    /// In the body.
    #[default]
    Post,
    /// As HTTP Basic.
    Basic,
    /// The same without form encoding, for vendors that decode nothing.
    BasicRaw,
    /// In the query, for vendors that read nothing else.
    Query,
    /// A public client: the id alone, in the body.
    None,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum BodyEncoding {
    #[default]
    Form,
    Json,
}

/// Where the members of a token reply are, as JSON pointers (RFC 6901). A list is tried in order.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Reply {
    pub access_token: Vec<String>,
    pub refresh_token: Vec<String>,
    /// How long the access token lives: seconds, or a point in time as seconds or milliseconds since 1970 or as a date; number or
    /// text.
    pub expires_in: Vec<String>,
    /// The same of the refresh token.
    pub refresh_token_expires_in: Vec<String>,
    /// Granted scopes, as text or list.
    pub scope: Vec<String>,
    /// The vendor's account: what identifies it, as text or number, also in the claims of a JWT (`/id_token/sub`) and among the
    /// segments of an address (`/id/1`) …
    pub account: Vec<String>,
    /// … and what people call it.
    pub account_name: Vec<String>,
    /// What an earlier version of the file called `account`: an instance that is known by it is of the same account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub account_before: Vec<String>,
}

impl Default for Reply {
    fn default() -> Self {
        let at = |pointer: &str| vec![pointer.to_owned()];
        let all = |pointers: &[&str]| pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
        Self {
            access_token: at("/access_token"),
            refresh_token: at("/refresh_token"),
            expires_in: all(&["/expires_in", "/expires_at", "/expires_on", "/expires"]),
            refresh_token_expires_in: all(&[
                "/refresh_token_expires_in",
                "/x_refresh_token_expires_in",
                "/refresh_expires_in",
                "/refresh_token_expires_at",
            ]),
            scope: at("/scope"),
            account: Vec::new(),
            account_name: Vec::new(),
            account_before: Vec::new(),
        }
    }
}

/// Refreshing an access token (RFC 6749 section 6).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Refresh {
    /// Whether the vendor gives refresh tokens at all.
    pub supported: bool,
    /// Absent: the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Template>,
    /// Absent: as at the exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_authentication: Option<ClientAuthentication>,
    /// Absent: as at the exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<TokenMethod>,
    /// In the place of `token.parameters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<BTreeMap<String, String>>,
    /// Every refresh replaces the refresh token and spends the old one.
    pub rotates: bool,
    /// Seconds that a token lives when the reply does not say; absent: until the vendor refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_lifetime: Option<u64>,
    /// Seconds after which an unused refresh token dies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_limit: Option<u64>,
    /// Token calls at once to one host, from one process; a quarter is kept for callers who wait, an eighth for other
    /// organizations.
    pub concurrency: u32,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            supported: true,
            url: None,
            client_authentication: None,
            method: None,
            parameters: None,
            rotates: false,
            default_lifetime: None,
            idle_limit: None,
            concurrency: 16,
        }
    }
}

/// Revoking a grant (RFC 7009, and what vendors made of it).
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Revoke {
    pub url: Template,
    /// Client authentication as at the token endpoint unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_authentication: Option<ClientAuthentication>,
}

/// Asking what a token is good for (RFC 7662): which scopes were granted, and by which account.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Introspection {
    pub url: Template,
    /// Client authentication as at the token endpoint unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_authentication: Option<ClientAuthentication>,
    /// Where the members of its reply are, as in `reply`.
    #[serde(default = "scope_member")]
    pub scope: Vec<String>,
    #[serde(default)]
    pub account: Vec<String>,
    #[serde(default)]
    pub account_name: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub account_before: Vec<String>,
}

fn yes() -> bool {
    true
}

fn scope_member() -> Vec<String> {
    vec!["/scope".to_owned()]
}

fn any_401() -> Vec<ExpirySign> {
    vec![ExpirySign { status: 401, at: None, is: Vec::new() }]
}

fn bearer() -> Placement {
    Placement::Authorization { scheme: "Bearer".to_owned() }
}
