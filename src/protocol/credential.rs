//! The credential of an instance as it is sealed: what a call to the vendor needs, and nothing else.

use serde::{Deserialize, Serialize};

use crate::kernel::secret::{self, Secret};
use crate::protocol::variables::Replied;
use crate::vault::Document;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Credential {
    #[serde(rename_all = "camelCase")]
    OAuth2 {
        #[serde(serialize_with = "secret::sealed")]
        access_token: Secret,
        #[serde(serialize_with = "secret::sealed_option")]
        refresh_token: Option<Secret>,
        /// Values of template variables that came with the token.
        #[serde(flatten)]
        replied: Replied,
        /// Granted scopes, where the vendor named them.
        scopes: Option<Vec<String>>,
        /// For which secret places of the element it was given; none before credentials said so.
        #[serde(default)]
        given_for: Option<String>,
    },
    ApiKey {
        #[serde(serialize_with = "secret::sealed")]
        key: Secret,
        /// Those that the vendor gave when the key was verified.
        #[serde(flatten)]
        replied: Replied,
        /// As above.
        #[serde(default, rename = "givenFor")]
        given_for: Option<String>,
    },
}

impl Document for Credential {
    const KIND: &'static str = "credential";
}

impl Credential {
    pub fn replied(&self) -> &Replied {
        match self {
            Self::OAuth2 { replied, .. } | Self::ApiKey { replied, .. } => replied,
        }
    }

    /// Of an instance with tokens that a caller `brought`, or without.
    pub fn attributed(mut self, brought: bool) -> Self {
        let (Self::OAuth2 { replied, .. } | Self::ApiKey { replied, .. }) = &mut self;
        *replied = std::mem::take(replied).attributed(brought);
        self
    }

    pub fn given_for(&self) -> Option<&str> {
        match self {
            Self::OAuth2 { given_for, .. } | Self::ApiKey { given_for, .. } => given_for.as_deref(),
        }
    }

    /// What identifies the grant at the vendor: instances with the same one share its fate.
    pub fn grant(&self) -> Option<&Secret> {
        match self {
            Self::OAuth2 { refresh_token, access_token, .. } => Some(refresh_token.as_ref().unwrap_or(access_token)),
            Self::ApiKey { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Place;
    use crate::vault::document::{plain, read_document};

    const PLACE: Place = Place { table: "credential", column: "sealed", row: 7, owner: None };

    #[test]
    fn a_document_reads_back_and_debug_shows_no_secret() {
        let oauth2 = Credential::OAuth2 {
            access_token: Secret::new("at"),
            refresh_token: Some(Secret::new("rt")),
            replied: Replied::by_caller([("instance_url".to_owned(), "https://x".to_owned())].into()),
            scopes: Some(vec!["a".to_owned()]),
            given_for: Some("shipped".to_owned()),
        };
        let replied = Replied::by_vendor([("portalId".to_owned(), "1".to_owned())].into());
        for credential in [oauth2, Credential::ApiKey { key: Secret::new("k"), replied, given_for: None }] {
            assert_eq!(read_document(PLACE, &plain(&credential)), Ok(credential.clone()));
            assert!(!format!("{credential:?}").contains("\"at\""));
        }
    }

    #[test]
    fn a_key_that_was_kept_before_it_had_variables_reads_too() {
        let kept: Credential = read_document(PLACE, br#"{"type":"apiKey","key":"k"}"#).unwrap();
        assert_eq!(kept, Credential::ApiKey { key: Secret::new("k"), replied: Replied::default(), given_for: None });
    }
}
