//! What a page's form sends.

use std::collections::BTreeMap;

use actix_web::web::Bytes;

/// Fields of a form by name; the first of several counts.
pub fn read(body: &Bytes) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        fields.entry(name.into_owned()).or_insert_with(|| value.into_owned());
    }
    fields
}
