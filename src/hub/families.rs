//! Addresses that are the platform's own, whether or not this version has them (docs/api.md, Whose address it is): an element's
//! generic resource, which takes every name, takes none of these.

/// First segments behind the base path.
const OF_THE_PLATFORM: [&str; 38] = [
    // Authentication, and the addresses beside the API.
    "applications",
    "authentication",
    "connect",
    "connector",
    "console",
    "docs",
    "health",
    "openapi-3.0.json",
    "openapi.json",
    "signup",
    "signup-partners",
    "vendor",
    // Elements, instances, and whose they are.
    "accounts",
    "catalog-properties",
    "element-products",
    "elements",
    "hubs",
    "instances",
    // What a hub has beside its resources.
    "bulk",
    "bulkloader",
    "objects",
    "ping",
    // Events, common resources, formulas.
    "common-resources",
    "events",
    "formulas",
    "integrations",
    "notifications",
    "transformations",
    "vdrs",
    // Organizations, people and the rest.
    "audit-logs",
    "change-management",
    "customers",
    "jobs",
    "metrics",
    "models",
    "organizations",
    "usage",
    "users",
];

/// Behind `/hubs/{hub}`.
const OF_EVERY_HUB: [&str; 3] = ["bulk", "objects", "ping"];

/// How a call names its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Behind `/hubs/{hub}`.
    InHub,
    /// Behind the base path, where the platform's own addresses are, too.
    Bare,
}

impl Form {
    /// Whether no generic resource takes an address that begins so.
    pub fn reserves(self, first: &str) -> bool {
        let reserved: &[&str] = match self {
            Self::InHub => &OF_EVERY_HUB,
            Self::Bare => &OF_THE_PLATFORM,
        };
        reserved.iter().any(|known| known.eq_ignore_ascii_case(first))
    }
}
