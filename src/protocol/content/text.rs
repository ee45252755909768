//! From bytes to characters: by the byte order mark, by what the bytes can be, and last by the charset that was declared.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Characters, and whether some of the bytes were none.
pub struct Decoded<'a> {
    pub text: Cow<'a, str>,
    pub has_unknown: bool,
}

/// `charset`: as it was declared. JSON is UTF-8 whatever is declared (RFC 8259 section 11), and text in another charset hardly
/// ever is UTF-8 by chance, so that one is tried first.
pub fn decoded<'a>(bytes: &'a [u8], charset: Option<&str>) -> Decoded<'a> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return by(encoding, bytes.get(mark..).unwrap_or_default());
    }
    if let Some(encoding) = without_mark(bytes) {
        return by(encoding, bytes);
    }
    let declared = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    // One whose texts are ASCII without meaning it.
    let escapes = declared.is_some_and(|it| !it.is_ascii_compatible() && it != UTF_16LE && it != UTF_16BE);
    match std::str::from_utf8(bytes) {
        Ok(text) if !escapes => Decoded { text: Cow::Borrowed(text), has_unknown: false },
        _ => by(declared.unwrap_or(UTF_8), bytes),
    }
}

/// Whether the bytes are what they are taken for where nobody looks at marks and charsets.
pub fn is_plain(bytes: &[u8], charset: Option<&str>) -> bool {
    let utf_8 = charset.is_none_or(|label| Encoding::for_label(label.as_bytes()).is_none_or(|it| it == UTF_8));
    utf_8 && Encoding::for_bom(bytes).is_none() && without_mark(bytes).is_none()
}

/// JSON and forms begin with ASCII, of which UTF-16 leaves every second byte empty (RFC 4627 section 3).
fn without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, 1..=255, ..] => Some(UTF_16BE),
        [1..=255, 0, ..] => Some(UTF_16LE),
        _ => None,
    }
}

fn by<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Decoded<'a> {
    let (text, has_unknown) = encoding.decode_without_bom_handling(bytes);
    Decoded { text, has_unknown }
}
