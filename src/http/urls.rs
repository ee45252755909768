//! Paths that more than one place knows.

use percent_encoding::percent_decode_str;

/// Below it lies the API (contract 1.1).
pub const BASE: &str = "/elements/api-v2";
/// Of the API, among the pages of `/connect`.
const LINKS: &str = "/connect/links";
pub const DOCUMENT: &str = "/openapi.json";
pub const DOCUMENT_30: &str = "/openapi-3.0.json";
pub const DOCS: &str = "/docs";

/// First segments of what lies beside the API.
const BESIDE: [&str; 9] =
    ["vendor", "connector", "connect", "console", "docs", "health", "metrics", "openapi.json", "openapi-3.0.json"];

/// Whether the base path must be put before it: the API is there for people who leave it out, too.
pub fn lacks_base(path: &str) -> bool {
    let first = path.split('/').nth(1).unwrap_or_default();
    let below_base = path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_api =
        !BESIDE.contains(&first) || path == LINKS || path.strip_prefix(LINKS).is_some_and(|rest| rest.starts_with('/'));
    is_api && !below_base
}

/// Whether this is the first segment of an address of the API.
pub fn begins_with(path: &str, first: &str) -> bool {
    let segment = path.strip_prefix(BASE).unwrap_or(path).split('/').nth(1).unwrap_or_default();
    segment == first || (segment.contains('%') && percent_decode_str(segment).eq(first.bytes()))
}
