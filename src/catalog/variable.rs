//! A variable of an element's templates.

use serde::{Deserialize, Serialize};

/// The value of a template variable.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Variable {
    /// Given by the user: the query parameter of `oauth/url` (`siteAddress`) …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// … and the configuration key of the instance (`site.address`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Given by the vendor: a JSON pointer into the token reply (`/instance_url`), also into the claims of a JWT in it
    /// (`/id_token/sub`). Wins over what the user gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// The same of what the `verification` call is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<String>,
    /// Given by the vendor's redirect: one of its parameters (`realmId`). It comes through the person's browser, so it is the person's
    /// word, as the configuration is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What the vendor tells of it is shown to whoever asks for the instance's vendor values: what a token reply says beside the
    /// token cannot be had again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// Who sees a kept value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kept {
    /// Whoever sees the instance, and whoever is told that it was created.
    Plain,
    /// Whoever sees its token.
    Secret,
}

impl Variable {
    /// Whether the vendor gives it, in whatever way.
    pub fn is_told(&self) -> bool {
        self.reply.is_some() || self.verification.is_some() || self.callback.is_some()
    }

    /// The member of `providerData` in which a caller says what the vendor told it. `name`: the variable's.
    pub fn member<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let reply = self.reply.as_deref().map(|pointer| pointer.trim_start_matches('/'));
        reply.or(self.callback.as_deref()).or_else(|| self.verification.as_ref().map(|_| name))
    }
}
