//! Where a form may come from: pages of ours, and nobody else's.

use actix_web::HttpRequest;
use actix_web::http::header;
use url::Url;

use super::texts;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;

/// Browsers say it with every POST, one way or both. The form's token is needed all the same.
pub fn require_own(request: &HttpRequest, public_url: &Url) -> Result<(), ApiError> {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let own = public_url.origin().ascii_serialization();
    let from_here = text(header::ORIGIN.as_str()).is_none_or(|origin| origin == own);
    let same_site = text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    if from_here && same_site {
        return Ok(());
    }
    Err(ApiError::new(Code::NotAllowed, texts::other_origin(&own)))
}
