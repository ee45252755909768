//! Who is signed in: the cookie with the session's token, and what every form carries because of it.

use std::sync::Arc;

use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use super::origin::require_own;
use super::{ROOT, texts};
use crate::http::body::{LARGEST_BODY, RawBody};
use crate::http::cookies::Cookie;
use crate::http::extract::{Parameters, address, services};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::service::actor::Actor;
use crate::service::actor::action::Action;
use crate::service::actor::proof::TO_SEE_SECRETS;
use crate::service::people::sessions::ConsoleSession;
use crate::store::principals::Principal;

pub const SESSION: Cookie = Cookie("ligand-console");
/// When the session was used last.
pub const LAST_USE: Cookie = Cookie("ligand-console-use");
/// The field of a form with the token that no other site knows.
pub const FORM_TOKEN: &str = "token";
/// The field with the password that proves once more who acts.
pub const PROOF: &str = "proof-password";
/// Of what the console's script fetches by itself, which is no use of a session.
const BY_ITSELF: &str = "x-by-itself";

/// Somebody who is signed in.
pub struct Operator {
    pub services: Services,
    pub principal: Arc<Principal>,
    pub actor: Actor,
    token: Secret,
}

/// A cookie that goes with the answer to this request, whatever that is.
struct Told(HeaderValue);

/// The token under which the session of this very request goes on: the one that came with it ended meanwhile.
struct GoesOn(Secret);

/// Why a page is not shown.
pub enum Stop {
    /// Nobody is signed in, or no longer.
    SignIn,
    /// The person must give the password before what the form asks for.
    Prove {
        form: Parameters,
        problem: Option<ApiError>,
    },
    Failed(ApiError),
}

impl From<ApiError> for Stop {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

impl Operator {
    pub async fn of(request: &HttpRequest) -> Result<Self, Stop> {
        let services = services(request)?;
        let goes_on = request.extensions().get::<GoesOn>().map(|GoesOn(token)| token.clone());
        let token = goes_on.or_else(|| SESSION.read(request, &services.public_url)).ok_or(Stop::SignIn)?;
        let last_use = LAST_USE.read(request, &services.public_url);
        let session = services.console_session(&token, last_use.as_ref()).await?.ok_or(Stop::SignIn)?;
        services.count_request(session.principal.owner.organization).await?;
        let told = if request.headers().contains_key(BY_ITSELF) { None } else { services.tell_use(&session)? };
        let actor = acting(&services, &session, request);
        let operator = Self { services, principal: session.principal, actor, token };
        if let Some(told) = told {
            let cookie = LAST_USE.set(&told, &operator.services.public_url)?;
            request.extensions_mut().insert(Told(cookie));
        }
        Ok(operator)
    }

    /// With what a form of this very session sent.
    pub async fn acting(request: &HttpRequest, body: RawBody) -> Result<(Self, Parameters), Stop> {
        require_own(request, &services(request)?.public_url)?;
        let operator = Self::of(request).await?;
        let form = body.form(request, LARGEST_BODY).await?;
        require_token(&operator.services, &operator.token, &form)?;
        Ok((operator, form))
    }

    /// As `acting`, for what wants a fresh proof of the person: whoever finds a browser open does none of it.
    pub async fn proven(request: &HttpRequest, body: RawBody) -> Result<(Self, Parameters), Stop> {
        let (mut operator, form) = Self::acting(request, body).await?;
        let form = operator.require_proof(request, form).await?;
        Ok((operator, form))
    }

    /// As `proven`, for administrators, which is asked first.
    pub async fn administering(request: &HttpRequest, body: RawBody) -> Result<(Self, Parameters), Stop> {
        let (mut operator, form) = Self::acting(request, body).await?;
        operator.require_administrator()?;
        let form = operator.require_proof(request, form).await?;
        Ok((operator, form))
    }

    /// Under this token from now on, because the session's own ended. None: it did not.
    pub async fn go_on(&mut self, request: &HttpRequest, token: Option<Secret>) -> Result<(), Stop> {
        let Some(token) = token else { return Ok(()) };
        let session = self.services.console_session(&token, None).await?.ok_or(Stop::SignIn)?;
        self.actor = acting(&self.services, &session, request);
        self.principal = session.principal;
        request.extensions_mut().insert(Told(SESSION.set(&token, &self.services.public_url)?));
        request.extensions_mut().insert(GoesOn(token.clone()));
        self.token = token;
        Ok(())
    }

    /// Gives the form back without the password that proved it.
    pub async fn require_proof(&mut self, request: &HttpRequest, mut form: Parameters) -> Result<Parameters, Stop> {
        let password = form.take(PROOF);
        let (_, proof) = self.actor.user_and_proof()?;
        if proof.is_recent(TO_SEE_SECRETS, self.services.now()) {
            return Ok(form);
        }
        let Some(password) = password else { return Err(Stop::Prove { form, problem: None }) };
        match self.services.prove_session(&self.actor, Secret::new(password)).await {
            Ok(token) => {
                self.go_on(request, token).await?;
                Ok(form)
            }
            Err(problem) if matches!(problem.code, Code::LoginRefused | Code::TooManyRequests) => {
                Err(Stop::Prove { form, problem: Some(problem) })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Signs out: no copy of the cookie works any more.
    pub async fn leave(&self) -> Result<(), ApiError> {
        self.services.end_session(&self.actor).await
    }

    pub fn owner(&self) -> Owner {
        self.principal.owner
    }

    pub fn form_token(&self) -> String {
        self.services.form_token(&self.token)
    }

    pub fn require_administrator(&self) -> Result<(), ApiError> {
        self.actor.require(Action::OpenPage)
    }
}

fn acting(services: &Services, session: &ConsoleSession, request: &HttpRequest) -> Actor {
    Actor::user(Arc::clone(&session.principal), session.proof(), services.request_id(), address(request))
}

/// The answer with the cookie that was noted for it, unless it sets cookies of its own.
pub fn with_told(request: &HttpRequest, mut response: HttpResponse) -> HttpResponse {
    let told = request.extensions_mut().remove::<Told>();
    if let Some(Told(cookie)) = told.filter(|_| !response.headers().contains_key(SET_COOKIE)) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

pub fn require_token(services: &Services, of: &Secret, form: &Parameters) -> Result<(), ApiError> {
    if services.is_form_token(of, form.get(FORM_TOKEN).unwrap_or_default()) {
        return Ok(());
    }
    Err(ApiError::new(Code::NotAllowed, texts::STALE_FORM))
}

/// An address of the console to go to after signing in; nothing else is one.
pub fn local(text: &str) -> &str {
    let rest = text.strip_prefix(ROOT).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
    let plain = text.len() <= 2000 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let page = !["/sign-in", "/sign-out"].iter().any(|own| rest.is_some_and(|rest| rest.starts_with(own)));
    // A browser resolves these before it asks, and some proxies do so in the other spellings, too.
    let path =
        rest.map(|rest| rest.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase().replace("%2e", "."));
    let stays =
        path.is_some_and(|path| !path.contains("//") && !path.contains("%2f") && !path.split('/').any(|it| it == ".."));
    if stays && plain && page { text } else { ROOT }
}

#[cfg(test)]
mod tests {
    use super::local;

    #[test]
    fn one_comes_back_to_pages_of_the_console_alone() {
        for text in ["/console", "/console/links", "/console?q=a%20b&state=valid", "/console/instances/7"] {
            assert_eq!(local(text), text);
        }
        for text in [
            "",
            "/",
            "/docs",
            "/consoles",
            "//evil.example/console",
            "https://evil.example/console",
            "/console\\evil.example",
            "/console/\r\nx: y",
            "/console/a b",
            "/console/sign-in",
            "/console/sign-out",
            "javascript:alert(1)",
            "/console/../../evil",
            "/console/%2E%2e/evil",
            "/console/.%2e%2fevil",
            "/console/..//evil.example/console",
            "/console//evil.example",
        ] {
            assert_eq!(local(text), "/console", "{text}");
        }
    }
}
