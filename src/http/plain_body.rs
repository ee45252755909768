//! What a caller sent as UTF-8 without a mark, however it was written and packed.

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::body::{SMALL, too_large};
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::protocol::content::{self, Packed};
use crate::service::process::budget::Room;

/// Whether the caller says that the body is packed.
pub(super) fn is_packed(request: &HttpRequest) -> bool {
    request.headers().contains_key(CONTENT_ENCODING)
}

/// Up to so many bytes, for which there is room.
pub(super) async fn plain(
    request: &HttpRequest,
    bytes: Vec<u8>,
    room: &mut Room,
    most: usize,
) -> Result<Vec<u8>, ApiError> {
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let codings: Vec<String> = request.headers().get_all(CONTENT_ENCODING).map(text).collect();
    let content_type = request.headers().get(CONTENT_TYPE).map(text).unwrap_or_default();
    let charset = content::charset(&content_type);
    let bytes = match codings.is_empty() && !content::seems_packed(&bytes) {
        true => bytes,
        // A coding that nobody has applied, or a charset in its place (`Content-Encoding: UTF-8`).
        false if content::seems_unpacked(&bytes, charset) => bytes,
        false => {
            // What comes of it nobody knows before.
            room.grow(bytes.len().saturating_add(most)).await?;
            let unpacked = content::unpacked(&bytes, &codings.join(","), most);
            let unpacked = unpacked.map_err(|packed| refused(packed, most))?.into_owned();
            room.shrink(needed(unpacked.len()));
            unpacked
        }
    };
    if content::is_plain(&bytes, charset) {
        return Ok(bytes);
    }
    // A byte of some charsets is three of UTF-8.
    room.grow(needed(bytes.len().saturating_mul(4))).await?;
    let decoded = content::decoded(&bytes, charset);
    if decoded.has_unknown {
        return Err(ApiError::new(Code::BadBody, "The body has bytes that are no text in its charset."));
    }
    let text = decoded.text.into_owned().into_bytes();
    if text.len() > most {
        return Err(too_large(most));
    }
    room.shrink(needed(text.len()));
    Ok(text)
}

/// A small body needs no room.
fn needed(length: usize) -> usize {
    if length <= SMALL { 0 } else { length }
}

fn refused(packed: Packed, most: usize) -> ApiError {
    match packed {
        Packed::TooLarge => too_large(most),
        Packed::Unknown => {
            let message = format!(
                "The body is packed in a way that is not known here: send it as it is, or with one of {}.",
                content::ACCEPTED
            );
            ApiError::new(Code::UnsupportedMediaType, message)
        }
        Packed::Broken => {
            ApiError::new(Code::BadBody, "The body is not packed as its Content-Encoding says, or breaks off.")
        }
    }
}
