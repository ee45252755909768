//! Paths that more than one place knows.

/// Below it lies the API (contract 1.1).
pub const BASE: &str = "/elements/api-v2";
pub const DOCUMENT: &str = "/openapi.json";
pub const DOCUMENT_30: &str = "/openapi-3.0.json";
pub const DOCS: &str = "/docs";
