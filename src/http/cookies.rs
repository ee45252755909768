//! Cookies of ours: for this visit of the browser, out of reach of scripts and of other sites' forms.

use std::borrow::Cow;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use url::Url;

use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;

/// How the names of ours begin.
const OURS: &[u8] = b"ligand-";
const HOST: &[u8] = b"__Host-";

/// What of a `Cookie` header is for somebody else; nothing where all of it is ours. Ours hold for every path of this host, so
/// browsers send them along to a vendor's as well.
pub fn of_others(header: &[u8]) -> Option<Cow<'_, [u8]>> {
    let pairs = || header.split(|byte| *byte == b';');
    if !pairs().any(is_ours) {
        return Some(Cow::Borrowed(header));
    }
    let rest: Vec<_> = pairs().filter(|pair| !is_ours(pair)).collect();
    let rest = rest.join(&b';').trim_ascii_start().to_vec();
    (!rest.is_empty()).then_some(Cow::Owned(rest))
}

/// Whether a pair, or a whole `Set-Cookie`, is of a cookie of ours.
pub fn is_ours(pair: &[u8]) -> bool {
    let name = pair.trim_ascii_start();
    // Browsers look at the prefix without regard to case (RFC 6265bis section 5.7).
    let prefixed = name.get(..HOST.len()).is_some_and(|start| start.eq_ignore_ascii_case(HOST));
    let name = if prefixed { name.get(HOST.len()..).unwrap_or_default() } else { name };
    name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}

/// A cookie by its plain name, which begins with `ligand-`.
#[derive(Clone, Copy)]
pub struct Cookie(pub &'static str);

impl Cookie {
    /// `__Host-` cookies are Secure, of this host alone and for all its paths (RFC 6265bis section 4.1.3.2).
    fn name(self, public_url: &Url) -> String {
        let prefix = if public_url.scheme() == "https" { "__Host-" } else { "" };
        format!("{prefix}{}", self.0)
    }

    /// What the browser sent.
    pub fn read(self, request: &HttpRequest, public_url: &Url) -> Option<Secret> {
        let wanted = self.name(public_url);
        let texts = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
        let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| Secret::new(value))
    }

    /// `Lax`: it comes along when another site leads the browser here, and with no form of another site.
    pub fn set(self, value: &Secret, public_url: &Url) -> Result<HeaderValue, ApiError> {
        self.header(value.expose(), "", public_url)
    }

    pub fn remove(self, public_url: &Url) -> Result<HeaderValue, ApiError> {
        self.header("", "; Max-Age=0", public_url)
    }

    fn header(self, value: &str, more: &str, public_url: &Url) -> Result<HeaderValue, ApiError> {
        let secure = if public_url.scheme() == "https" { "; Secure" } else { "" };
        let text = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}", self.name(public_url));
        let mut header = HeaderValue::from_str(&text).map_err(|error| ApiError::internal(error))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::of_others;

    #[test]
    fn what_is_ours_is_taken_out_and_the_rest_stays_as_it_was() {
        for (sent, passed) in [
            ("a=b", Some("a=b")),
            (" a=b;c=\u{1}d ;; e", Some(" a=b;c=\u{1}d ;; e")),
            ("ligandary=x; my-ligand-console=y", Some("ligandary=x; my-ligand-console=y")),
            ("a=b; __Host-ligand-console=ey; c=d", Some("a=b; c=d")),
            ("ligand-connect=1; a=b;ligand-sign-in=2", Some("a=b")),
            ("__host-Ligand-console=ey", None),
            ("a=ligand-console=1", Some("a=ligand-console=1")),
            ("ligand-console", None),
        ] {
            assert_eq!(of_others(sent.as_bytes()).as_deref(), passed.map(str::as_bytes), "{sent}");
        }
    }
}
