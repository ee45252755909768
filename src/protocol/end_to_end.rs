//! Which headers travel through a proxy: those that belong to one connection do not (RFC 9110 section 7.6.1).

/// Headers of one connection, and those that this side writes itself.
const OF_ONE_CONNECTION: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header travels. `name` is in lower case; `listed`: the values of the `Connection` headers that came with it.
pub fn travels<'a>(name: &str, listed: impl IntoIterator<Item = &'a [u8]>) -> bool {
    !OF_ONE_CONNECTION.contains(&name)
        && !listed
            .into_iter()
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether a header has another's name but for `_` in the place of `-`. Vendors behind CGI, WSGI or Rack know both by one name
/// (RFC 3875 section 4.1.18).
pub fn folds_to(name: &str, other: &str) -> bool {
    let folded = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() == other.len()
        && !name.eq_ignore_ascii_case(other)
        && name.bytes().map(folded).eq(other.bytes().map(folded))
}

/// Whether a header would be taken for one that this side alone writes. `name` is in lower case.
pub fn poses_as_ours(name: &str) -> bool {
    name.contains('_') && OF_ONE_CONNECTION.iter().chain(&["authorization", "cookie"]).any(|ours| folds_to(name, ours))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let listed: [&[u8]; 2] = [b"close, X-Inner", b" te"];
        for (name, expected) in
            [("content-type", true), ("x-inner", false), ("transfer-encoding", false), ("close", false), ("etag", true)]
        {
            assert_eq!(travels(name, listed), expected, "{name}");
        }
    }

    #[test]
    fn what_some_vendors_take_for_ours_is_known() {
        for (name, expected) in [
            ("transfer_encoding", true),
            ("content_length", true),
            ("content_type", false),
            ("authorization", false),
            ("transfer-encoding", false),
            ("x_custom", false),
        ] {
            assert_eq!(poses_as_ours(name), expected, "{name}");
        }
        assert!(
            folds_to("x_api_key", "X-Api-Key") && folds_to("api-key", "api_key") && folds_to("x_api-key", "x-api-key")
        );
        assert!(!folds_to("X-Api-Key", "x-api-key") && !folds_to("x_api_keys", "x-api-key"));
    }
}
