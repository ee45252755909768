//! The cookie that binds an authorization to a browser. It names nobody and opens nothing.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use url::Url;

use crate::http::cookies::Cookie;
use crate::kernel::error::ApiError;
use crate::kernel::secret::Secret;

const BROWSER: Cookie = Cookie("ligand-connect");
/// A value of ours (`url_token`).
const LENGTH: usize = 43;

/// What the browser sent.
pub fn browser(request: &HttpRequest, public_url: &Url) -> Option<Secret> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let fits = |value: &Secret| value.expose().len() == LENGTH && value.expose().bytes().all(plain);
    BROWSER.read(request, public_url).filter(fits)
}

pub fn set(value: &Secret, public_url: &Url) -> Result<HeaderValue, ApiError> {
    BROWSER.set(value, public_url)
}
