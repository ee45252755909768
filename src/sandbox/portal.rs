//! The vendor's accounts, which HubSpot calls portals, and what they lack.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An account that somebody can choose on the consent page. The CRM's records are the same in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Portal {
    #[default]
    Main,
    /// Where apps are made, and where no app can be installed.
    Developer,
}

impl Portal {
    pub const ALL: [Self; 2] = [Self::Main, Self::Developer];

    /// The main account's number is the one of HubSpot's own examples.
    pub const fn id(self) -> i64 {
        match self {
            Self::Main => 62515,
            Self::Developer => 62516,
        }
    }

    pub const fn domain(self) -> &'static str {
        match self {
            Self::Main => "sandbox.hubspot.test",
            Self::Developer => "developer.hubspot.test",
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Main => "Sandbox portal",
            Self::Developer => "Developer account",
        }
    }

    /// `accountType` of the account details.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Main => "STANDARD",
            Self::Developer => "APP_DEVELOPER",
        }
    }

    /// By its number.
    pub fn read(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|portal| portal.id().to_string() == id)
    }
}

impl fmt::Display for Portal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.id())
    }
}

/// Whether a scope comes with HubSpot's marketing or content products only.
pub fn is_marketing(scope: &str) -> bool {
    const NAMES: [&str; 9] = [
        "content",
        "reports",
        "social",
        "automation",
        "forms",
        "hubdb",
        "transactional-email",
        "marketing-email",
        "business-intelligence",
    ];
    scope.starts_with("marketing.") || NAMES.contains(&scope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_number() {
        assert_eq!(Portal::ALL.map(|portal| Portal::read(&portal.to_string())), Portal::ALL.map(Some));
        for unknown in ["", "1", "062515", "main"] {
            assert_eq!(Portal::read(unknown), None, "{unknown}");
        }
    }
}
