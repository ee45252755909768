//! The one step between the bytes of a body and their meaning: unpacked (`coding`), as characters (`text`), as a value
//! (`shape`). Headers are hints: what a body is, its bytes tell better.

mod coding;
mod shape;
mod text;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

pub use coding::{ACCEPTED, Packed, seems_packed, unpacked};
pub use text::{Decoded, decoded, is_plain};

/// The body as text. What is no text in its charset becomes U+FFFD: an unknown byte in a name costs nobody a token.
pub fn text<'a>(bytes: &'a [u8], content_type: &str) -> Cow<'a, str> {
    decoded(bytes, charset(content_type)).text
}

/// JSON, or a form as an object of texts (RFC 6749 has none in replies, GitHub, Stack Exchange and Deezer send it), whichever the
/// content type says.
pub fn json(bytes: &[u8], content_type: &str) -> Option<Value> {
    shape::value(&text(bytes, content_type), is_form(content_type), charset(content_type))
}

/// Whether the bytes are JSON or a form as they are, whatever was said of a packing.
pub fn seems_unpacked(bytes: &[u8], charset: Option<&str>) -> bool {
    let decoded = decoded(bytes, charset);
    !decoded.has_unknown && shape::is_likely(&decoded.text)
}

/// The charset that a content type declares (RFC 9110 section 8.3.2).
pub fn charset(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charsets.next().map(|(_, value)| value.trim().trim_matches('"'))
}

/// Media types have no case (RFC 9110 section 8.3.1).
pub fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_form(content_type: &str) -> bool {
    media_type(content_type) == "application/x-www-form-urlencoded"
}
