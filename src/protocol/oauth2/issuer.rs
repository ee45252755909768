//! Who may have answered an authorization request (RFC 9207).

use serde::{Deserialize, Serialize};
use url::Url;

use crate::catalog::oauth2::OAuth2;
use crate::protocol::variables::Values;

/// What is known of the issuer when a person is sent to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Issuer {
    /// What the element says that it is.
    declared: Option<String>,
    /// Otherwise: where the person is sent, and where the token comes from. Empty: that is not known by then.
    hosts: Vec<String>,
}

impl Issuer {
    pub fn of(oauth2: &OAuth2, values: Values<'_>) -> Self {
        let hosts = [&oauth2.authorize.url, &oauth2.token.url].map(|url| values.url(url).ok());
        let hosts: Option<Vec<String>> =
            hosts.into_iter().map(|url| url.and_then(|url| url.host_str().map(str::to_owned))).collect();
        let declared = oauth2.authorize.issuer.as_ref().and_then(|issuer| values.text(issuer).ok());
        Self { declared, hosts: hosts.unwrap_or_default() }
    }

    /// Whether the redirect comes from somebody else (RFC 9207 section 2.4).
    pub fn is_foreign(&self, iss: Option<&str>) -> bool {
        if let Some(declared) = &self.declared {
            return iss != Some(declared);
        }
        let Some(iss) = iss else { return false };
        let host = Url::parse(iss).ok().and_then(|url| url.host_str().map(str::to_owned));
        !self.hosts.is_empty() && !host.is_some_and(|host| self.hosts.contains(&host))
    }
}
