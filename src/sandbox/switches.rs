//! What the control endpoint and the tests can flip: how the vendor behaves from now on.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::portal::Portal;
use super::spoil::{How, Spoil};

/// All token endpoints, in the spelling of route patterns.
pub const TOKEN_ROUTES: &str = "/oauth/*/token";

/// Spelled in camel case at `/control`. A route is a path or a pattern in which `*` stands for any text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Switches {
    /// What happens at the consent page.
    pub consent: Consent,
    /// The account that is chosen where nobody chooses one: `main` or `developer`.
    pub account: Portal,
    /// Apps may be installed in the developer account, which has an error page of its own otherwise.
    pub developer_account: bool,
    /// The accounts have the marketing products. Without them a marketing scope that is not optional is refused on the
    /// vendor's own page, and an optional one is not granted.
    pub marketing_scopes: bool,
    /// Optional scopes are granted.
    pub optional_scopes: bool,
    /// Scopes that are not granted, whoever asks for them and however.
    pub withheld_scopes: Vec<String>,
    /// `Cross-Origin-Opener-Policy` of the vendor's pages, as `same-origin`; absent means no header.
    pub cross_origin_opener_policy: Option<String>,
    /// Milliseconds before the call is worked on, by route. A bare number means the token endpoints.
    #[serde(deserialize_with = "delays")]
    pub delay_ms: BTreeMap<String, u64>,
    /// Milliseconds after the work is done (a code is spent, a token rotated) and before the reply leaves.
    #[serde(deserialize_with = "delays")]
    pub reply_delay_ms: BTreeMap<String, u64>,
    pub failure: Option<Failure>,
    /// Calls that never get an answer. A bare `true` means the token endpoints, a text a route.
    #[serde(deserialize_with = "hang")]
    pub hang: Option<Hang>,
    /// Replies whose body goes wrong.
    pub spoil: Option<Spoil>,
    /// Calls of the CRM API in ten seconds, and the headers that tell of it; absent means no limit and no headers.
    pub rate_limit: Option<u32>,
    /// Token endpoints do their work and answer 200 with something that is not JSON.
    pub garbage: bool,
    /// A refresh gives a new refresh token; the old one presented again ends the grant. HubSpot does not rotate.
    pub rotation: bool,
    /// Seconds.
    pub token_lifetime: i64,
    /// Seconds.
    pub code_lifetime: i64,
    /// What replies say in `expires_in`, whatever the lifetime is: `"default"` tells the truth, `null` leaves the
    /// member out, any other value is sent as it is.
    pub expires_in: Value,
    pub omit_refresh_token: bool,
    /// Form fields that a token call does not need are an error.
    pub strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Consent {
    /// Show the page.
    Ask,
    /// Send the browser back with a code at once.
    Grant,
    /// Send the browser back with `access_denied` at once.
    Deny,
}

/// Whether a fault strikes before the call is worked on or when its effects are there and only the reply is lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum When {
    #[default]
    Before,
    After,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    pub route: String,
    pub status: u16,
    /// A text is sent as it is, any other value as JSON; absent means an error in the vendor's shape.
    #[serde(default)]
    pub body: Option<Value>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub when: When,
    /// How many calls; absent means until it is switched off.
    #[serde(default)]
    pub times: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hang {
    pub route: String,
    #[serde(default)]
    pub when: When,
    #[serde(default)]
    pub times: Option<u32>,
}

impl Failure {
    /// Fails the next `times` calls of a route with a status and the vendor's usual body.
    pub fn of(route: &str, status: u16, times: u32) -> Self {
        let route = route.to_owned();
        Self { route, status, body: None, headers: BTreeMap::new(), when: When::Before, times: Some(times) }
    }
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            consent: Consent::Ask,
            account: Portal::Main,
            developer_account: false,
            marketing_scopes: true,
            optional_scopes: true,
            withheld_scopes: Vec::new(),
            cross_origin_opener_policy: None,
            delay_ms: BTreeMap::new(),
            reply_delay_ms: BTreeMap::new(),
            failure: None,
            hang: None,
            spoil: None,
            rate_limit: None,
            garbage: false,
            rotation: false,
            token_lifetime: 1800,
            code_lifetime: 60,
            expires_in: Value::from("default"),
            omit_refresh_token: false,
            strict: true,
        }
    }
}

/// What happens to one call.
#[derive(Debug, Default)]
pub struct Plan {
    pub delay_ms: u64,
    pub reply_delay_ms: u64,
    pub failure: Option<Failure>,
    pub hang: Option<When>,
    pub spoil: Option<How>,
}

impl Switches {
    /// The switches after a JSON merge of `changes`. A `null` puts a switch back to its default, but for `expiresIn`,
    /// where it is a value. The error is a sentence for the caller.
    pub fn merged(&self, changes: &Value) -> Result<Self, String> {
        let changes = changes.as_object().ok_or("The body must be a JSON object.")?;
        let mut merged = serde_json::to_value(self).map_err(|error| error.to_string())?;
        let defaults = serde_json::to_value(Self::default()).map_err(|error| error.to_string())?;
        for (name, value) in changes {
            let default = defaults.get(name).ok_or_else(|| format!("There is no switch `{name}`."))?;
            let reset = value.is_null() && name != "expiresIn";
            if let Some(place) = merged.get_mut(name) {
                *place = if reset { default.clone() } else { value.clone() };
            }
        }
        serde_json::from_value(merged).map_err(|error| error.to_string())
    }

    /// Plans one call, and counts it against the faults that strike a limited number of times.
    pub fn plan(&mut self, path: &str) -> Plan {
        let strikes = |route: &str, times: Option<u32>| covers(route, path) && times != Some(0);
        let failure = self.failure.clone().filter(|failure| strikes(&failure.route, failure.times));
        if let Some(times) = self.failure.as_mut().filter(|_| failure.is_some()).and_then(|it| it.times.as_mut()) {
            *times -= 1;
        }
        let hang = self.hang.as_ref().filter(|hang| strikes(&hang.route, hang.times)).map(|hang| hang.when);
        if let Some(times) = self.hang.as_mut().filter(|_| hang.is_some()).and_then(|it| it.times.as_mut()) {
            *times -= 1;
        }
        let spoil = self.spoil.as_ref().filter(|spoil| strikes(&spoil.route, spoil.times)).map(|spoil| spoil.how);
        if let Some(times) = self.spoil.as_mut().filter(|_| spoil.is_some()).and_then(|it| it.times.as_mut()) {
            *times -= 1;
        }
        let delay = |delays: &BTreeMap<String, u64>| {
            delays.iter().filter(|(route, _)| covers(route, path)).map(|(_, ms)| *ms).max().unwrap_or_default()
        };
        Plan { delay_ms: delay(&self.delay_ms), reply_delay_ms: delay(&self.reply_delay_ms), failure, hang, spoil }
    }
}

pub fn covers(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, rest)) => path
            .strip_prefix(head)
            .is_some_and(|tail| (0..=tail.len()).filter_map(|index| tail.get(index..)).any(|tail| covers(rest, tail))),
    }
}

fn delays<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        OfTokenCalls(u64),
        ByRoute(BTreeMap<String, u64>),
    }
    Ok(match Spelling::deserialize(deserializer)? {
        Spelling::OfTokenCalls(ms) => BTreeMap::from([(TOKEN_ROUTES.to_owned(), ms)]),
        Spelling::ByRoute(delays) => delays,
    })
}

fn hang<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Hang>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        TokenCalls(bool),
        Route(String),
        Full(Hang),
    }
    let of = |route: String| Hang { route, when: When::Before, times: None };
    Ok(match Option::<Spelling>::deserialize(deserializer)? {
        None | Some(Spelling::TokenCalls(false)) => None,
        Some(Spelling::TokenCalls(true)) => Some(of(TOKEN_ROUTES.to_owned())),
        Some(Spelling::Route(route)) => Some(of(route)),
        Some(Spelling::Full(hang)) => Some(hang),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, path, covered) in [
            ("/oauth/*/token", "/oauth/v1/token", true),
            ("/oauth/*/token", "/oauth/v3/token/revoke", false),
            ("*", "/anything", true),
            ("/crm/*", "/crm/v3/objects/deals", true),
            ("/oauth/v1/token", "/oauth/v3/token", false),
        ] {
            assert_eq!(covers(pattern, path), covered, "{pattern} {path}");
        }
    }

    #[test]
    fn changes_are_merged_and_checked() {
        let switches = Switches::default().merged(&json!({"delayMs": 500, "hang": true, "expiresIn": null})).unwrap();
        assert_eq!(switches.delay_ms, BTreeMap::from([(TOKEN_ROUTES.to_owned(), 500)]));
        assert_eq!(switches.hang.as_ref().unwrap().route, TOKEN_ROUTES);
        assert!(switches.expires_in.is_null());
        let switches = switches.merged(&json!({"delayMs": null, "hang": null, "expiresIn": 1e18})).unwrap();
        assert!(switches.delay_ms.is_empty() && switches.hang.is_none());
        assert_eq!(switches.expires_in, json!(1e18));
        for wrong in [json!([]), json!({"consentt": "ask"}), json!({"consent": "maybe"}), json!({"tokenLifetime": "x"})]
        {
            assert!(switches.merged(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_was_told_to() {
        let mut switches = Switches { failure: Some(Failure::of("/a", 500, 1)), ..Switches::default() };
        assert!(switches.plan("/b").failure.is_none());
        assert!(switches.plan("/a").failure.is_some());
        assert!(switches.plan("/a").failure.is_none());
    }
}
