//! The vendor's addresses of an element, and the configuration entries that repeat them (docs/api.md, Configuration entries):
//! `base.url`, `oauth.authorization.url`, `oauth.token.url`. These are derived, so that each address is written in one place only.

use super::element::{AuthenticationType, ConfigurationEntry, ConfigurationType, Element};
use super::resource::Source;
use super::variable::Variable;
use crate::kernel::template::Template;

/// Keys that no element file declares and that no instance shows (docs/api.md, Configuration entries).
pub const ADDRESS_KEYS: [&str; 3] = ["base.url", "oauth.authorization.url", "oauth.token.url"];

impl Element {
    /// The entries of the three addresses as this element has them. Internal: no caller may bend them.
    pub fn address_entries(&self) -> Vec<ConfigurationEntry> {
        let oauth2 = self.authentication.oauth2.as_ref();
        let [base, authorize, token] = ADDRESS_KEYS;
        let addresses = [
            (base, "Base URL", Some(&self.base_url), None),
            (
                authorize,
                "OAuth Authorization URL",
                oauth2.map(|it| &it.authorize.url),
                Some(AuthenticationType::OAuth2),
            ),
            (token, "OAuth Token URL", oauth2.map(|it| &it.token.url), Some(AuthenticationType::OAuth2)),
        ];
        let entries = addresses.into_iter().filter_map(|(key, name, url, authentication)| {
            Some(ConfigurationEntry {
                key: key.to_owned(),
                name: name.to_owned(),
                description: format!("{} {name}", self.name),
                kind: ConfigurationType::Textfield1000,
                default: Some(url?.to_string()),
                required: false,
                authentication,
                when: None,
                app: false,
                hide_from_console: true,
                internal: true,
                secret: false,
                group_control: false,
                options: Vec::new(),
                without_effect: Vec::new(),
            })
        });
        entries.collect()
    }
    /// Every URL template with its place in the file, the base URL first.
    pub fn templates(&self) -> Vec<(&'static str, &Template)> {
        let mut templates = vec![("baseUrl", &self.base_url)];
        if let Some(oauth2) = &self.authentication.oauth2 {
            templates.push(("authentication/oauth2/authorize/url", &oauth2.authorize.url));
            templates.push(("authentication/oauth2/token/url", &oauth2.token.url));
            templates.extend(oauth2.refresh.url.iter().map(|url| ("authentication/oauth2/refresh/url", url)));
            templates.extend(oauth2.revoke.iter().map(|revoke| ("authentication/oauth2/revoke/url", &revoke.url)));
            let introspection = oauth2.introspection.iter();
            templates.extend(introspection.map(|it| ("authentication/oauth2/introspection/url", &it.url)));
        }
        let verification = self.verification.as_ref().and_then(|verification| verification.url.as_ref());
        templates.extend(verification.map(|url| ("verification/url", url)));
        templates
    }

    /// Moves every URL to another origin; paths stay.
    pub fn move_to_origin(&mut self, origin: &str) {
        let mut templates = vec![&mut self.base_url];
        if let Some(oauth2) = &mut self.authentication.oauth2 {
            templates.extend([&mut oauth2.authorize.url, &mut oauth2.token.url]);
            templates.extend(&mut oauth2.refresh.url);
            templates.extend(oauth2.revoke.as_mut().map(|revoke| &mut revoke.url));
            templates.extend(oauth2.introspection.as_mut().map(|introspection| &mut introspection.url));
        }
        templates.extend(self.verification.as_mut().and_then(|verification| verification.url.as_mut()));
        for template in templates {
            *template = template.at_origin(origin);
        }
    }

    /// The configuration keys whose values calls through an instance need: behind addresses and headers, and in parameters.
    pub fn called_configuration(&self) -> Vec<&str> {
        let of_variable = |name: &str| self.variables.get(name)?.configuration.as_deref();
        let members = self.resources.iter().flat_map(|resource| &resource.members);
        let asked = self.verification.iter().filter_map(|call| call.url.as_ref());
        let addresses = [&self.base_url].into_iter().chain(asked).flat_map(|url| url.variables());
        let headers = self.headers.values().flat_map(|header| header.variables());
        let named = addresses.chain(headers).chain(members.filter_map(|member| member.variable.as_deref()));
        let parameters = self.collections.values().flat_map(|it| &it.operations).flat_map(|it| &it.parameters);
        let configured = parameters.filter(|it| it.from == Source::Configuration).map(|it| it.name.as_str());
        let mut keys: Vec<&str> = named.filter_map(of_variable).chain(configured).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Variables that calls to the vendor cannot do without: those of addresses, and those of headers that it tells itself.
    pub fn needs(&self, name: &str) -> bool {
        let told = self.variables.get(name).is_some_and(Variable::is_told);
        let in_header = || self.headers.values().any(|header| header.variables().any(|used| used == name));
        self.templates().iter().any(|(_, url)| url.variables().any(|used| used == name)) || (told && in_header())
    }
}
