//! Where an element's file lets secrets go, in short: what was given for one file goes to another one's places only when these are
//! the same.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::element::Element;
use crate::kernel::template::Place;

/// Of the elements that come with the program, whatever they say: its maintainers answer for their being the same vendor's from
/// one version to the next.
pub const SHIPPED: &str = "shipped";

impl Element {
    /// A digest of the hosts that are called, of what may choose them, and of how credentials travel. Paths, texts and
    /// resources lead no stored secret to another place.
    pub(super) fn digest_of_secret_places(&self) -> String {
        let templates = self.templates();
        let origins: BTreeMap<_, _> = templates.iter().map(|(at, url)| (*at, url.origin())).collect();
        let chosen = templates.iter().flat_map(|(_, url)| url.places());
        let chosen = chosen.filter(|(_, place)| *place != Place::Path);
        let sources: BTreeMap<_, _> = chosen
            .filter_map(|(name, _)| {
                let variable = self.variables.get(name)?;
                let read = [&variable.configuration, &variable.reply, &variable.verification, &variable.default];
                // A file without it is what it was before there was any.
                Some((
                    name,
                    read.into_iter().chain(variable.callback.as_ref().map(|_| &variable.callback)).collect::<Vec<_>>(),
                ))
            })
            .collect();
        let oauth2 = self.authentication.oauth2.as_ref().map(|oauth2| {
            let revoke = oauth2.revoke.as_ref().and_then(|it| it.client_authentication);
            let introspection = oauth2.introspection.as_ref().and_then(|it| it.client_authentication);
            // Elsewhere `hosts` only say what a value may be; here nothing else bounds where the app's secret goes.
            let bounds = oauth2.one_app_for_all_hosts.then_some(&self.hosts);
            let mut how = vec![
                json!(oauth2.placement),
                json!(oauth2.token.client_authentication),
                json!(revoke),
                json!(introspection),
                json!(bounds),
            ];
            // A file without these is what it was before there were any.
            let later = (oauth2.token.method, oauth2.refresh.client_authentication, oauth2.refresh.method);
            how.extend((later != Default::default()).then(|| json!(later)));
            how.extend(oauth2.token.client_authentication_by.as_ref().map(|by| json!({ "by": by })));
            how
        });
        let key = self.authentication.api_key.as_ref();
        let key = key.map(|key| {
            let forms = key.forms.iter().map(|form| match &form.when {
                None => json!([form.prefix, form.placement]),
                Some(when) => json!([form.prefix, form.placement, when]),
            });
            let forms: Vec<_> = forms.collect();
            json!([key.configuration, key.username, forms])
        });
        let places = json!([origins, sources, oauth2, key]).to_string();
        URL_SAFE_NO_PAD.encode(Sha256::digest(places))
    }
}
