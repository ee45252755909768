//! Paths that more than one place knows.

use percent_encoding::{percent_decode, percent_decode_str};

/// Below it lies the API (docs/api.md, Requests and replies).
pub const BASE: &str = "/elements/api-v2";
/// Of the API, among the pages of `/connect`.
const LINKS: &str = "/connect/links";
pub const DOCUMENT: &str = "/openapi.json";
pub const DOCUMENT_30: &str = "/openapi-3.0.json";
pub const DOCS: &str = "/docs";
pub const LIVE: &str = "/health/live";
pub const READY: &str = "/health/ready";
pub const METRICS: &str = "/metrics";
pub const SCRIPT: &str = "/connect/ligand.js";
pub const TYPES: &str = "/connect/ligand.d.ts";
/// What can only be read, beside the API.
pub const READ_ONLY: [&str; 8] = [LIVE, READY, METRICS, DOCUMENT, DOCUMENT_30, DOCS, SCRIPT, TYPES];

/// First segments of what lies beside the API.
const BESIDE: [&str; 9] =
    ["vendor", "connector", "connect", "console", "docs", "health", "metrics", "openapi.json", "openapi-3.0.json"];

/// Whether this is the first segment of something beside the API.
pub fn is_beside(first: &str) -> bool {
    BESIDE.contains(&first)
}

/// Whether the base path must be put before it: the API is there for people who leave it out, too.
pub fn lacks_base(path: &str) -> bool {
    // Decoded, as the router reads it: another spelling of such a segment is no resource.
    let first = percent_decode_str(path.split('/').nth(1).unwrap_or_default()).decode_utf8_lossy();
    let below_base = path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_api = !BESIDE.contains(&&*first)
        || path == LINKS
        || path.strip_prefix(LINKS).is_some_and(|rest| rest.starts_with('/'));
    is_api && !below_base
}

/// Whether this is the first segment of an address of the API. Every request is asked for every area.
pub fn begins_with(path: &str, first: &str) -> bool {
    let rest = path.strip_prefix(BASE).unwrap_or(path).as_bytes();
    let Some((b'/', rest)) = rest.split_first() else { return first.is_empty() };
    let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
    let (segment, _) = rest.split_at(end);
    segment == first.as_bytes() || (segment.contains(&b'%') && percent_decode(segment).eq(first.bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_is_put_before_the_api_and_nothing_else() {
        for api in [
            "/instances",
            "/connect/links",
            "/connect/links/7",
            "/elements/api-v2x",
            "/docsx",
            "/contacts/1",
            "//vendor",
        ] {
            assert!(lacks_base(api), "{api}");
        }
        for other in [
            "/elements/api-v2",
            "/elements/api-v2/instances",
            "/vendor/x",
            "/%76endor/x",
            "/connect/linksx",
            "/console",
            "/docs/",
        ] {
            assert!(!lacks_base(other), "{other}");
        }
    }

    #[test]
    fn the_first_segment_is_read_as_the_router_reads_it() {
        for path in ["/elements/api-v2/instances", "/elements/api-v2/instances/7", "/elements/api-v2/%69nstances"] {
            assert!(begins_with(path, "instances"), "{path}");
        }
        assert!(!begins_with("/elements/api-v2/instancesx", "instances"));
    }
}
