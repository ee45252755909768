//! Cookies of ours: for this visit of the browser, out of reach of scripts and of other sites' forms.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use url::Url;

use super::public_path;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;

/// A cookie by its plain name, which begins with `ligand-`.
#[derive(Clone, Copy)]
pub struct Cookie(pub &'static str);

impl Cookie {
    /// `__Host-` cookies are Secure, of this host alone and for all its paths (RFC 6265bis section 4.1.3.2). Below a path of a host that
    /// others have too, the cookie is for that path alone.
    fn name(self, public_url: &Url) -> String {
        let prefix = match (public_url.scheme(), public_path::of(public_url)) {
            ("https", "") => "__Host-",
            ("https", _) => "__Secure-",
            _ => "",
        };
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
        let path = Some(public_path::of(public_url)).filter(|path| !path.is_empty()).unwrap_or("/");
        let text = format!("{}={value}; Path={path}; HttpOnly; SameSite=Lax{secure}{more}", self.name(public_url));
        let mut header = HeaderValue::from_str(&text).map_err(|error| ApiError::internal(error))?;
        header.set_sensitive(true);
        Ok(header)
    }
}
