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
}
