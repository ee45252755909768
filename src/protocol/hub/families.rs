//! Addresses that are the platform's own, whether or not this version has them (contract 2.4, 4 to 10): an element's generic
//! resource, which takes every name, takes none of these.

/// First segments behind the base path.
const OF_THE_PLATFORM: [&str; 38] = [
    // 2 authentication, 3.3, and the addresses beside the API
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
    // 4 elements, 5 instances
    "accounts",
    "catalog-properties",
    "element-products",
    "elements",
    "hubs",
    "instances",
    // 6 what a hub has beside its resources
    "bulk",
    "bulkloader",
    "objects",
    "ping",
    // 7 events, 8 common resources, 9 formulas
    "common-resources",
    "events",
    "formulas",
    "integrations",
    "notifications",
    "transformations",
    "vdrs",
    // 10 organizations, people and the rest
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
