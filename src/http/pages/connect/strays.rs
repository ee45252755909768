//! Who comes to the callback in another way than by a GET with a state.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use url::Url;

use super::page::{Page, SEND_ON_SCRIPT};
use super::parts::said;
use super::texts::{self, Notice, Said};
use crate::kernel::secret::Secret;
use crate::service::connect::strays::Host;
use crate::service::grants::Redirected;

/// Among the fields of a form: it comes from our own page.
const SENT_ON: &str = "ligand-sent-on";

/// What somebody without a known state came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stray {
    /// A state that is too old, was used, or is none of ours; or nothing at all.
    Lost,
    /// The vendor's refusal, which forgot the state.
    Refused,
    /// A code, or word of an installation, that nobody here asked for.
    BegunThere,
}

impl Stray {
    pub fn of(redirected: &Redirected) -> Self {
        match (&redirected.state, &redirected.error) {
            (Some(_), _) => Self::Lost,
            (None, Some(_)) => Self::Refused,
            (None, None) if redirected.parameters.is_empty() => Self::Lost,
            (None, None) => Self::BegunThere,
        }
    }

    fn notice(self) -> (&'static Notice, StatusCode) {
        match self {
            Self::Lost => (&texts::LOST_SESSION, StatusCode::BAD_REQUEST),
            // The vendor did what it may.
            Self::Refused => (&texts::REFUSED_THERE, StatusCode::OK),
            Self::BegunThere => (&texts::BEGUN_THERE, StatusCode::OK),
        }
    }

    /// `host`: where the person belongs, as far as that is known.
    pub fn page(self, host: Option<&Host>, public_url: &Url) -> HttpResponse {
        let (notice, status) = self.notice();
        let content = said(&Said::from(notice), &html! {});
        let Some(host) = host else { return Page::new(notice.title, content).with_status(status).respond(public_url) };
        let content = html! { (content) (self.way_on(host)) };
        let page = Page::new(notice.title, content).with_status(status);
        // Its colour hangs on a link.
        let page = match &host.link {
            Some(link) => page.of(&host.presentation, link.token.expose()),
            None => page,
        };
        page.respond(public_url)
    }

    fn way_on(self, host: &Host) -> Markup {
        let name = host.presentation.name.as_str();
        let again = if self == Self::Refused { texts::TRY_AGAIN } else { texts::OPEN_THE_LINK };
        html! {
            div.buttons {
                @if let Some(link) = &host.link {
                    a.button.main href={ "/connect/" (link.token.expose()) } { (again) }
                }
                @if let Some(application) = &host.presentation.application {
                    a.button.main[host.link.is_none()] href=(application) rel="noreferrer" { (texts::go_on_at(name)) }
                }
            }
        }
    }
}

/// A vendor's page posts to us, and no cookie comes along with a form of another site (RFC 6265bis section 5.2, `Lax`). Sent once
/// more from a page of ours, the form is our own; and what it holds stays out of addresses, as the vendor meant it (OAuth 2.0 Form Post
/// Response Mode).
pub fn send_on(request: &HttpRequest, parameters: &[(String, String)], public_url: &Url) -> HttpResponse {
    let content = html! {
        h1 { (texts::SENDING_ON.title) }
        p { (texts::SENDING_ON.happened) }
        form #send-on method="post" action=(request.path()) {
            @for (name, value) in parameters { input type="hidden" name=(name) value=(value); }
            input type="hidden" name=(SENT_ON) value="1";
            p.soft { (texts::SENDING_ON.advice) }
            div.buttons { button.main type="submit" { (texts::GO_ON) } }
        }
    };
    let page = Page::new(texts::SENDING_ON.title, content);
    Page { script: Some(SEND_ON_SCRIPT), plain_http: true, ..page }.respond(public_url)
}

/// What was posted, without our own mark; whether it was sent from our page, or need not be.
pub fn sent_again(parameters: Vec<(String, String)>, browser: Option<&Secret>) -> (Vec<(String, String)>, bool) {
    let (ours, theirs): (Vec<_>, Vec<_>) = parameters.into_iter().partition(|(name, _)| name == SENT_ON);
    (theirs, !ours.is_empty() || browser.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_without_a_state_is_told_apart() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Stray::of(&Redirected::of(pairs.collect()))
        };
        for (expected, pairs) in [
            (Stray::Lost, &[][..]),
            (Stray::Lost, &[("state", "s"), ("code", "c")]),
            (Stray::Lost, &[("state", "s"), ("error", "access_denied")]),
            (Stray::Refused, &[("error", "access_denied")]),
            (Stray::Refused, &[("error", "access_denied"), ("state", "")]),
            (Stray::BegunThere, &[("code", "c"), ("state", "")]),
            (Stray::BegunThere, &[("installation_id", "7"), ("setup_action", "request")]),
        ] {
            assert_eq!(of(pairs), expected, "{pairs:?}");
        }
    }
}
