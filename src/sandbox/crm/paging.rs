//! Pages: `limit`, `after`, and where the next one is.

use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::super::fields::Fields;
use super::Ask;
use super::fault::Fault;

pub fn limit(query: &Fields, name: &str, usual: usize, most: usize) -> Result<usize, Fault> {
    let Some(text) = query.get(name) else { return Ok(usual) };
    text.parse()
        .ok()
        .filter(|limit| (1..=most).contains(limit))
        .ok_or_else(|| Fault::validation(&format!("Invalid {name}: {text}. It must be between 1 and {most}")))
}

/// Whatever a page before this one said; 0 for the first.
pub fn after(query: &Fields) -> Result<u64, Fault> {
    let Some(text) = query.get("after") else { return Ok(0) };
    text.parse().map_err(|_| Fault::validation(&format!("Invalid paging token: {text}")))
}

/// `{"results", "paging": {"next": {"after", "link"}}}`; the link repeats the call, but no key of its query.
pub fn page(ask: &Ask, results: Vec<Value>, next: Option<String>) -> Value {
    let Some(after) = next else { return json!({"results": results}) };
    let kept = ask.query.pairs().filter(|(name, _)| !matches!(*name, "after" | "hapikey"));
    let query = Serializer::new(String::new()).extend_pairs(kept).append_pair("after", &after).finish();
    let link = format!("{}?{query}", ask.address);
    json!({"results": results, "paging": {"next": {"after": after, "link": link}}})
}
