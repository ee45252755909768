//! Who is signed in: the cookie with the session's token, and what every form carries because of it.

use std::sync::Arc;

use actix_web::HttpRequest;

use super::origin::require_own;
use super::{ROOT, texts};
use crate::http::body::{LARGEST_BODY, RawBody};
use crate::http::cookies::Cookie;
use crate::http::extract::{Parameters, services};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::secret::Secret;
use crate::service::Services;
use crate::store::principals::Principal;
use crate::vault::Audience;

pub const SESSION: Cookie = Cookie("ligand-console");
/// The field of a form with the token that no other site knows.
pub const FORM_TOKEN: &str = "token";

/// Somebody who is signed in.
pub struct Operator {
    pub services: Services,
    pub principal: Arc<Principal>,
    session: Secret,
}

/// Why a page is not shown.
pub enum Stop {
    /// Nobody is signed in, or no longer.
    SignIn,
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
        let session = SESSION.read(request, &services.public_url).ok_or(Stop::SignIn)?;
        let found = services.principal_of_session(Audience::Console, &session).await?;
        let (principal, _) = found.ok_or(Stop::SignIn)?;
        Ok(Self { services, principal, session })
    }

    /// With what a form of this very session sent.
    pub async fn acting(request: &HttpRequest, body: RawBody) -> Result<(Self, Parameters), Stop> {
        require_own(request, &services(request)?.public_url)?;
        let operator = Self::of(request).await?;
        let form = body.form(request, LARGEST_BODY).await?;
        require_token(&operator.services, &operator.session, &form)?;
        Ok((operator, form))
    }

    /// Signs out: no copy of the cookie works any more.
    pub async fn leave(&self) -> Result<(), ApiError> {
        self.services.end_session(&self.session).await
    }

    pub fn owner(&self) -> Owner {
        self.principal.owner
    }

    pub fn form_token(&self) -> String {
        self.services.form_token(&self.session)
    }

    pub fn require_administrator(&self) -> Result<(), ApiError> {
        if self.principal.organization_admin {
            return Ok(());
        }
        Err(ApiError::new(Code::NotAllowed, texts::ADMINISTRATORS_ONLY))
    }
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
