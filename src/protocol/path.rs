//! Paths below an element's base address, and what does not stay there.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// What follows the base in a path that lies below it: nothing, or a text that begins with a slash.
pub fn below<'a>(path: &'a str, base: &str) -> Option<&'a str> {
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether somebody on the way could read a segment as `..`: encoded, even twice; behind a backslash; with a parameter, as
/// servlets cut them off; or as the overlong bytes that old decoders took.
pub fn can_climb(path: &str) -> bool {
    if !path.contains("..") && !path.contains('%') {
        return false;
    }
    let mut read = Cow::Borrowed(path.as_bytes());
    for _ in 0..3 {
        if climbs(&read) {
            return true;
        }
        let decoded = percent_decode(&read).collect::<Vec<u8>>();
        if decoded == *read {
            return false;
        }
        read = Cow::Owned(decoded);
    }
    climbs(&read)
}

fn climbs(path: &[u8]) -> bool {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        let (byte, behind) = match rest {
            [0xC0, 0xAE, behind @ ..] => (b'.', behind),
            [0xC0, 0xAF, behind @ ..] | [0xC1, 0x9C, behind @ ..] => (b'/', behind),
            _ => (if *first == b'\\' { b'/' } else { *first }, others),
        };
        plain.push(byte);
        rest = behind;
    }
    plain.split(|byte| *byte == b'/').any(|segment| {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        // Spaces and control characters are cut off by some.
        let name: Vec<u8> = name.iter().copied().filter(|byte| *byte > b' ').collect();
        name == b".."
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_climbs_is_seen_in_every_spelling() {
        for path in [
            "/../x",
            "/x/..",
            "/%2e%2e/x",
            "/.%2E/x",
            "/a..%2f../x",
            "/a/..%2fx",
            "/a%2f..%2fx",
            "/..%5cx",
            "/..\\x",
            "/a\\..\\x",
            "/..;/x",
            "/..;a=b/x",
            "/%252e%252e/x",
            "/..%00/x",
            "/.. /x",
            "/%c0%ae%c0%ae/x",
            "/..%c0%afx",
            "/..%3b/x",
        ] {
            assert!(can_climb(path), "{path}");
        }
        for path in ["", "/", "/a/./b", "/%2e/a", "/...", "/a..b/..c/d..", "/%41%2f", "/a%20b", "/v1.%2e0/x", "/%25"] {
            assert!(!can_climb(path), "{path}");
        }
    }

    #[test]
    fn a_base_ends_at_a_slash() {
        assert_eq!(below("/tenant/42/x", "/tenant/42"), Some("/x"));
        assert_eq!(below("/tenant/42", "/tenant/42"), Some(""));
        assert_eq!(below("/tenant/420/x", "/tenant/42"), None);
        assert_eq!(below("/x", ""), Some("/x"));
    }
}
