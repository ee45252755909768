//! The credential of an instance as it is sealed: what a call to the vendor needs, and nothing else.

use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::kernel::secret::Secret;
use crate::protocol::variables::Replied;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum Credential {
    #[serde(rename_all = "camelCase")]
    OAuth2 {
        access_token: Secret,
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
        key: Secret,
        /// Those that the vendor gave when the key was verified.
        #[serde(flatten)]
        replied: Replied,
        /// As above.
        #[serde(default, rename = "givenFor")]
        given_for: Option<String>,
    },
}

impl Credential {
    /// The document to seal. Secrets have no `Serialize`: this is the one place that writes them out.
    pub fn document(&self) -> Zeroizing<Vec<u8>> {
        let value = match self {
            Self::OAuth2 { access_token, refresh_token, replied, scopes, given_for } => json!({
                "type": "oAuth2",
                "accessToken": access_token.expose(),
                "refreshToken": refresh_token.as_ref().map(Secret::expose),
                "variables": replied.variables,
                "toldByCaller": replied.told_by_caller,
                "scopes": scopes,
                "givenFor": given_for,
            }),
            Self::ApiKey { key, replied, given_for } => json!({
                "type": "apiKey",
                "key": key.expose(),
                "variables": replied.variables,
                "toldByCaller": replied.told_by_caller,
                "givenFor": given_for,
            }),
        };
        Zeroizing::new(value.to_string().into_bytes())
    }

    pub fn read(document: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(document)
    }

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
            assert_eq!(Credential::read(&credential.document()).unwrap(), credential);
            assert!(!format!("{credential:?}").contains("\"at\""));
        }
    }

    #[test]
    fn a_key_that_was_kept_before_it_had_variables_reads_too() {
        let kept = Credential::read(br#"{"type":"apiKey","key":"k"}"#).unwrap();
        assert_eq!(kept, Credential::ApiKey { key: Secret::new("k"), replied: Replied::default(), given_for: None });
    }
}
