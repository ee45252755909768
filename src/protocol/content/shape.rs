//! What a text is: JSON, or a form. The two cannot be confused, because one begins with a brace and the other with a name and
//! an equals sign.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::text::decoded;

/// `said_form`: so says the content type, for forms that look like nothing. `charset`: of what is percent-encoded.
pub fn value(text: &str, said_form: bool, charset: Option<&str>) -> Option<Value> {
    let text = text.trim_matches(is_around);
    match text.chars().next()? {
        '{' | '[' => json(text),
        '<' => None,
        _ if said_form || looks_like_form(text) => Some(form(text, charset)),
        _ => json(text),
    }
}

/// Whether a text begins as JSON does, or looks like a form, with no control characters: only what is packed has those.
pub fn is_likely(text: &str) -> bool {
    let text = text.trim_matches(is_around);
    let is_control = |c: char| c < ' ' && !matches!(c, '\t' | '\r' | '\n');
    !text.contains(is_control) && (text.starts_with(['{', '[']) || looks_like_form(text))
}

/// What stands around a text and is no part of it.
fn is_around(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{FEFF}' | '\0')
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).or_else(|_| serde_json::from_str(&mended(text))).ok()
}

/// A name and an equals sign, and nothing that a form would have encoded. Spaces may stay between several such pairs: some join
/// them by hand.
fn looks_like_form(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || "_.-[]%+".contains(c);
    let is_named = |pair: &str| {
        let name = pair.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| !name.is_empty() && name.chars().all(is_of_name))
    };
    let pairs = || text.split('&').filter(|pair| !pair.is_empty());
    let is_joined = pairs().nth(1).is_some() && pairs().all(is_named);
    let is_encoded =
        |c: char| (c.is_whitespace() && !(is_joined && c == ' ')) || c.is_control() || "<>\"{}".contains(c);
    is_named(text) && !text.contains(is_encoded)
}

fn form(text: &str, charset: Option<&str>) -> Value {
    let plain = |part: &str| -> String {
        let spaced = part.replace('+', " ");
        let bytes: Cow<'_, [u8]> = percent_decode_str(&spaced).into();
        decoded(&bytes, charset).text.into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    Value::Object(pairs.map(|(name, value)| (plain(name), plain(value).into())).collect::<Map<_, _>>())
}

/// JSON whose texts have what JSON does not allow: half a surrogate pair (RFC 8259 section 8.2), which is what is left of an emoji
/// that was cut, line ends, and escapes of other languages. Only names and descriptions have them, but a reply is read whole or
/// not at all.
fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let (mut rest, mut in_text) = (text, false);
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        match c {
            '"' => {
                in_text = !in_text;
                mended.push(c);
            }
            '\\' if in_text => {
                let (escape, taken) = escape(rest);
                mended.push_str(escape);
                length = taken;
            }
            c if in_text && c < ' ' => mended.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => mended.push(c),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    mended
}

/// What to write of the escape that a text begins with, and how much of the text that stands for.
fn escape(text: &str) -> (&str, usize) {
    const UNKNOWN: &str = "\\ufffd";
    let kept = |length: usize| (text.get(..length).unwrap_or_default(), length);
    match unit(text) {
        Some(0xD800..=0xDBFF) => match text.get(6..).and_then(unit) {
            Some(0xDC00..=0xDFFF) => kept(12),
            _ => (UNKNOWN, 6),
        },
        Some(0xDC00..=0xDFFF) => (UNKNOWN, 6),
        Some(_) => kept(6),
        None if text.get(1..2).is_some_and(|next| "\"\\/bfnrt".contains(next)) => kept(2),
        None => ("", 1),
    }
}

/// Of an escape with four hexadecimal digits.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}
