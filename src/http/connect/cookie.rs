//! The cookie that binds an authorization to a browser. It names nobody and opens nothing.

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use url::Url;

use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;

/// A value of ours (`url_token`).
const LENGTH: usize = 43;

/// `__Host-` cookies are Secure, of this host alone and for all its paths (RFC 6265bis section 4.1.3.2).
fn name(public_url: &Url) -> &'static str {
    if public_url.scheme() == "https" { "__Host-ligand-connect" } else { "ligand-connect" }
}

/// What the browser sent.
pub fn browser(request: &HttpRequest, public_url: &Url) -> Option<Secret> {
    let wanted = name(public_url);
    let texts = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let fits = |value: &str| {
        value.len() == LENGTH && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    pairs.find(|(name, value)| *name == wanted && fits(value)).map(|(_, value)| Secret::new(value))
}

/// For this visit of the browser. `Lax`: it comes along when the vendor sends the browser back, and with no form of another
/// site.
pub fn set(value: &Secret, public_url: &Url) -> Result<HeaderValue, ApiError> {
    let secure = if public_url.scheme() == "https" { "; Secure" } else { "" };
    let text = format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", name(public_url), value.expose());
    let mut header = HeaderValue::from_str(&text).map_err(ApiError::internal)?;
    header.set_sensitive(true);
    Ok(header)
}
