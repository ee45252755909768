//! Where vendors were told to answer: a test that plays a vendor's redirect by hand says its query alone.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;
use url::{Url, form_urlencoded};

use super::caller::Reply;

/// By state, which no two tests share.
static TOLD: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Notes an authorization address, to which a browser is led or which the API told.
pub fn note(reply: &Reply) {
    let told = || serde_json::from_str::<Value>(&reply.text).ok()?["oauthUrl"].as_str().map(str::to_owned);
    let address = match reply.header("location") {
        Some(location) => Some(location.to_owned()),
        None if reply.text.contains("oauthUrl") => told(),
        None => None,
    };
    let Some(address) = address.and_then(|address| Url::parse(&address).ok()) else { return };
    let value =
        |name: &str| address.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    if let (Some(state), Some(redirect_uri)) = (value("state"), value("redirect_uri")) {
        TOLD.lock().expect("no test panicked here").insert(state, redirect_uri);
    }
}

/// The path at which the vendor answers; with a state that nobody was sent with, the one that all apps had before.
pub fn told_with(state: Option<&str>) -> String {
    let told = state.and_then(|state| TOLD.lock().expect("no test panicked here").get(state).cloned());
    let told = told.and_then(|told| Url::parse(&told).ok());
    told.as_ref().map_or("/connector/callback", Url::path).to_owned()
}

/// As `told_with`, with the query of the vendor's redirect.
pub fn answered(query: &str) -> String {
    let state = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "state");
    format!("{}?{query}", told_with(state.as_ref().map(|(_, state)| &**state)))
}
