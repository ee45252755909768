//! What came back to a connect link, until the organization's back end has looked at its own session and confirms it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use url::form_urlencoded;

use super::{Redirected, Told, UnderWay, Waiting};
use crate::kernel::secret::{self, Secret};

/// A code that the vendor's redirect brought and nobody has sent anywhere, or a key that was entered and not proven.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// What the browser carries to the back end. Whoever has it can end this, so no other browser is told.
    #[serde(serialize_with = "secret::sealed")]
    pub handle: Secret,
    /// The vendor's redirect, as a query; none: there was none, or this is over.
    #[serde(serialize_with = "secret::sealed_option")]
    pub redirect: Option<Secret>,
    pub until: DateTime<Utc>,
    pub stage: Stage,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    Waiting,
    /// It was confirmed in time, and is or was being ended.
    Confirmed,
    /// What it stood for is erased.
    Over,
}

impl UnderWay {
    /// What is left when nothing waits any more: that something did.
    #[must_use]
    pub(in crate::service) fn emptied(mut self) -> Self {
        self.verifier = None;
        self.told = Told::default();
        if let Waiting::Link(link) = &mut self.waiting {
            link.configuration = Map::new();
        }
        let over = |held| Held { redirect: None, stage: Stage::Over, ..held };
        Self { held: self.held.map(over), ..self }
    }
}

impl Redirected {
    /// All of it as one text, for a sealed document.
    pub(in crate::service) fn query(&self) -> Secret {
        Secret::new(form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.parameters).finish())
    }

    /// What `query` wrote.
    pub(in crate::service) fn of_query(query: &Secret) -> Self {
        Self::of(form_urlencoded::parse(query.expose().as_bytes()).into_owned().collect())
    }
}
