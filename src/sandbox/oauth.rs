//! The consent page's two calls: show what the app asks for, and send the browser back with the decision.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use url::{Host, Url};

use super::Sandbox;
use super::fields::Fields;
use super::pages;
use super::portal::{Portal, is_marketing};
use super::state::IssuedCode;
use super::switches::{Consent, Switches};

/// An authorization request that may be shown to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub client_id: String,
    pub redirect_uri: String,
    pub scopes: Vec<String>,
    pub optional_scopes: Vec<String>,
    pub state: Option<String>,
    /// The S256 challenge, when the app uses PKCE.
    pub challenge: Option<String>,
    /// The account of the path: there is no other to choose then.
    pub portal: Option<Portal>,
}

/// What is wrong with an authorization request. HubSpot shows its own page for all of these and sends nothing back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskFault {
    #[error("The parameter {0} is missing.")]
    Missing(&'static str),
    #[error("The parameter {0} was sent more than once.")]
    Repeated(String),
    #[error("There is no app with the client ID {0}.")]
    UnknownClient(String),
    #[error("The redirect URL {0} is not one that the app may use.")]
    RedirectUri(String),
    #[error("{0} is not the name of a scope.")]
    Scope(String),
    #[error("The response type {0} is not offered, only code.")]
    ResponseType(String),
    #[error("PKCE needs code_challenge_method=S256 and a challenge of 43 characters.")]
    Challenge,
    #[error("You have no access to the account {0}.")]
    Portal(String),
    #[error("Apps can’t be installed in {0}, because it is a developer account.")]
    DeveloperAccount(Portal),
    #[error("One or more scopes are missing: {portal} does not have the products behind {scopes}.")]
    Marketing { portal: Portal, scopes: String },
}

impl AskFault {
    /// What the developer can do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Missing("scope") => "An app asks for one scope at least, separated by spaces (%20).",
            Self::Missing(_) | Self::Repeated(_) => {
                "The address of this page needs client_id, redirect_uri and scope, each of them once."
            }
            Self::UnknownClient(_) => "The start page of the sandbox shows the client ID of its one app.",
            Self::RedirectUri(_) => {
                "The sandbox takes any https address, and http for localhost alone. As at HubSpot, an IP address is \
                 refused: use http://localhost:8080 instead of http://127.0.0.1:8080. A fragment (#) is refused too."
            }
            Self::Scope(_) => "Scope names consist of letters, digits, dots, hyphens and underscores.",
            Self::ResponseType(_) => "Leave response_type out, or send code.",
            Self::Challenge => "Plain challenges are not taken. Leave both parameters out to go without PKCE.",
            Self::Portal(_) => {
                "The sandbox has two accounts, 62515 and the developer account 62516. The number may be left out of the \
                 address."
            }
            Self::DeveloperAccount(_) => "Choose the account with your customers, deals and tickets instead.",
            Self::Marketing { .. } => {
                "The app must ask for such scopes in optional_scope, where an account without them gets by."
            }
        }
    }

    /// Another account might do.
    pub fn is_of_account(&self) -> bool {
        matches!(self, Self::DeveloperAccount(_) | Self::Marketing { .. })
    }
}

/// The parameters that the form carries on.
pub const CARRIED: [&str; 7] =
    ["client_id", "redirect_uri", "scope", "optional_scope", "state", "code_challenge", "code_challenge_method"];

/// `GET /oauth/authorize`.
pub async fn show_consent(sandbox: web::Data<Sandbox>, request: HttpRequest) -> HttpResponse {
    let fields = Fields::parse(request.query_string().as_bytes());
    let asked = match read_request(&sandbox, &request, &fields) {
        Ok(asked) => asked,
        Err(fault) => return pages::render_fault(&sandbox, &fault, &fields),
    };
    let switches = sandbox.switches();
    match switches.consent {
        Consent::Ask => pages::render_consent(&sandbox, &asked, asked.portal.unwrap_or(switches.account), &fields),
        Consent::Grant => grant(&sandbox, &asked, asked.portal.unwrap_or(switches.account), &fields),
        Consent::Deny => deny(&asked),
    }
}

/// `POST /oauth/authorize`: the form of the page, with `decision` from its button and the number of the chosen `account`.
pub async fn decide_consent(sandbox: web::Data<Sandbox>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let fields = Fields::parse(&body);
    let chosen = fields.get("account").map(read_portal).transpose();
    match read_request(&sandbox, &request, &fields).and_then(|asked| Ok((chosen?.or(asked.portal), asked))) {
        Ok((portal, asked)) if fields.get("decision") == Some("connect") => {
            grant(&sandbox, &asked, portal.unwrap_or_else(|| sandbox.switches().account), &fields)
        }
        Ok((_, asked)) => deny(&asked),
        Err(fault) => pages::render_fault(&sandbox, &fault, &fields),
    }
}

fn read_portal(id: &str) -> Result<Portal, AskFault> {
    Portal::read(id).ok_or_else(|| AskFault::Portal(id.to_owned()))
}

fn read_request(sandbox: &Sandbox, request: &HttpRequest, fields: &Fields) -> Result<Asked, AskFault> {
    let portal = request.match_info().get("portal").map(read_portal).transpose()?;
    if let Some(name) = fields.repeated().filter(|name| CARRIED.contains(name)) {
        return Err(AskFault::Repeated(name.to_owned()));
    }
    let required = |name: &'static str| fields.get(name).ok_or(AskFault::Missing(name));
    let client_id = required("client_id")?;
    if client_id != sandbox.settings.client_id {
        return Err(AskFault::UnknownClient(client_id.to_owned()));
    }
    let redirect_uri = required("redirect_uri")?;
    if !may_redirect_to(redirect_uri) {
        return Err(AskFault::RedirectUri(redirect_uri.to_owned()));
    }
    if let Some(kind) = fields.get("response_type").filter(|kind| *kind != "code") {
        return Err(AskFault::ResponseType(kind.to_owned()));
    }
    let scopes = read_scopes(fields.get("scope").unwrap_or_default())?;
    if scopes.is_empty() {
        return Err(AskFault::Missing("scope"));
    }
    Ok(Asked {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        optional_scopes: read_scopes(fields.get("optional_scope").unwrap_or_default())?,
        state: fields.get("state").map(str::to_owned),
        challenge: read_challenge(fields)?,
        portal,
    })
}

/// `http` for `localhost` alone, `https` for any name; never an IP address (vendor's page on working with OAuth). Only
/// printable ASCII, because the text goes into a header as it is.
fn may_redirect_to(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let known_host = match (url.scheme(), url.host()) {
        ("https", Some(Host::Domain(_))) => true,
        ("http", Some(Host::Domain(host))) => host == "localhost",
        _ => false,
    };
    known_host && url.fragment().is_none() && uri.bytes().all(|byte| byte.is_ascii_graphic())
}

fn read_scopes(text: &str) -> Result<Vec<String>, AskFault> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split_ascii_whitespace() {
        if !scope.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')) {
            return Err(AskFault::Scope(scope.to_owned()));
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    Ok(scopes)
}

fn read_challenge(fields: &Fields) -> Result<Option<String>, AskFault> {
    match (fields.get("code_challenge"), fields.get("code_challenge_method")) {
        (None, None) => Ok(None),
        (Some(challenge), Some("S256")) if challenge.len() == 43 => Ok(Some(challenge.to_owned())),
        _ => Err(AskFault::Challenge),
    }
}

/// Whether the app may be installed in an account. HubSpot looks when the account is chosen, and sends nothing back.
fn check_account(asked: &Asked, portal: Portal, switches: &Switches) -> Result<(), AskFault> {
    if portal == Portal::Developer && !switches.developer_account {
        return Err(AskFault::DeveloperAccount(portal));
    }
    let needed: Vec<&str> = asked.scopes.iter().map(String::as_str).filter(|scope| is_marketing(scope)).collect();
    if !switches.marketing_scopes && !needed.is_empty() {
        return Err(AskFault::Marketing { portal, scopes: needed.join(", ") });
    }
    Ok(())
}

/// What the app gets: `oauth`, which every HubSpot app has, all that it must have, and the optional scopes as far as the
/// account has them.
fn granted_scopes(asked: &Asked, switches: &Switches) -> Vec<String> {
    let mut granted = vec!["oauth".to_owned()];
    let available = |scope: &&String| switches.optional_scopes && (switches.marketing_scopes || !is_marketing(scope));
    for scope in asked.scopes.iter().chain(asked.optional_scopes.iter().filter(available)) {
        if !granted.contains(scope) && !switches.withheld_scopes.contains(scope) {
            granted.push(scope.clone());
        }
    }
    granted
}

/// Sends the browser back with a code, unless the account is not one for the app.
fn grant(sandbox: &Sandbox, asked: &Asked, portal: Portal, fields: &Fields) -> HttpResponse {
    let switches = sandbox.switches();
    if let Err(fault) = check_account(asked, portal, &switches) {
        return pages::render_fault(sandbox, &fault, fields);
    }
    let scopes = granted_scopes(asked, &switches);
    let now = sandbox.clock.now();
    let code = sandbox.locked(|inner| {
        let lifetime = TimeDelta::try_seconds(switches.code_lifetime).unwrap_or(TimeDelta::MAX);
        let code = IssuedCode {
            portal,
            redirect_uri: asked.redirect_uri.clone(),
            scopes,
            state: asked.state.clone(),
            challenge: asked.challenge.clone(),
            expires_at: now.checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC),
            spent: false,
        };
        inner.ledger.issue_code(code, now, sandbox.entropy.as_ref())
    });
    send_back(asked, &[("code", &code)])
}

fn deny(asked: &Asked) -> HttpResponse {
    send_back(asked, &[("error", "access_denied"), ("error_description", "The user did not grant access")])
}

fn send_back(asked: &Asked, answer: &[(&str, &str)]) -> HttpResponse {
    let state = asked.state.as_deref().map(|state| ("state", state));
    let address = with_query(&asked.redirect_uri, answer.iter().copied().chain(state));
    HttpResponse::Found()
        .insert_header((LOCATION, address))
        .insert_header(("cache-control", "no-store"))
        .insert_header(("referrer-policy", "no-referrer"))
        .finish()
}

/// The address with more parameters, its own text untouched; spaces become `%20`, as HubSpot writes them.
pub fn with_query<'a>(address: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = address.to_owned();
    let mut separator = if address.contains('?') { '&' } else { '?' };
    for (name, value) in pairs {
        text.push(separator);
        text.push_str(name);
        text.push('=');
        for piece in url::form_urlencoded::byte_serialize(value.as_bytes()) {
            text.push_str(if piece == "+" { "%20" } else { piece });
        }
        separator = '&';
    }
    text
}

#[cfg(test)]
mod tests {
    use super::may_redirect_to;

    #[test]
    fn an_ip_address_is_no_redirect_uri() {
        for uri in ["http://localhost:8080/cb", "http://localhost", "https://www.mycoolapp.com/auth?x=1"] {
            assert!(may_redirect_to(uri), "{uri}");
        }
        for uri in [
            "http://127.0.0.1:8080/cb",
            "https://127.0.0.1/cb",
            "https://0x7f.1/cb",
            "http://[::1]/cb",
            "http://mycoolapp.com/auth",
            "https://mycoolapp.com/auth#x",
            "https://mycoolapp.com/a\nb",
            "javascript:alert(1)",
            "/auth",
        ] {
            assert!(!may_redirect_to(uri), "{uri}");
        }
    }
}
