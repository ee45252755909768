//! What may be wrong with a code that a vendor does not know: what people paste is not always the code.

/// A sentence for whoever sent it.
pub fn suspicion(code: &str) -> Option<&'static str> {
    let encoded = |(at, _): (usize, &str)| {
        let digits = code.get(at.saturating_add(1)..at.saturating_add(3));
        digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if code.contains("://") || code.contains("code=") || code.contains('&') {
        return Some("The code looks like a whole address: send the value of its parameter `code` alone.");
    }
    if code.match_indices('%').any(encoded) {
        return Some("The code looks URL-encoded: send it decoded (`4/0A…`, not `4%2F0A…`).");
    }
    if code.contains(' ') {
        return Some("The code has a space in it, where a plus sign was decoded as one: send the plus sign.");
    }
    // Meta's redirects end so; it belongs to the address.
    if code.ends_with("#_") || code.ends_with("#_=_") {
        return Some("The code ends in what belongs to the address: send it without `#_`.");
    }
    (code.trim() != code).then_some("The code has white space around it: send it without.")
}

#[cfg(test)]
mod tests {
    use super::suspicion;

    #[test]
    fn what_is_no_code_is_known_by_its_looks() {
        for (code, part) in [
            // minio/object-browser issue 720, google/device-access-sample-web-app issue 5
            ("4%2F0AeaYSHC", "URL-encoded"),
            ("a%3d", "URL-encoded"),
            ("https://app.example/cb?code=x", "whole address"),
            ("x&state=y", "whole address"),
            ("ab cd", "plus sign"),
            // Instagram's documentation: "#_" at the end of the redirect URI.
            ("AQD#_", "without `#_`"),
            ("AQD#_=_", "without `#_`"),
            ("abc\n", "white space"),
        ] {
            assert!(suspicion(code).is_some_and(|said| said.contains(part)), "{code}");
        }
        for code in ["4/0AeaYSHC", "100%sure", "a+b/c=", "x|y", "%", "%2"] {
            assert_eq!(suspicion(code), None, "{code}");
        }
    }
}
