//! What a path of the CRM API names, whichever family it is of.

/// The area (`objects`, `properties` …), and what follows it and the version.
#[derive(Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub area: &'a str,
    pub rest: Vec<&'a str>,
}

impl<'a> Place<'a> {
    /// A trailing slash is forgiven, as HubSpot forgives it: one of its own clients sends it.
    pub fn read(path: &'a str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (area, rest) = match parts.as_slice() {
            ["crm", "v3" | "v4", area, rest @ ..] | ["crm", area, _, rest @ ..] => (*area, rest),
            // The family of old clients: `/contacts/v1/…`.
            ["contacts", _, rest @ ..] => ("contacts", rest),
            _ => ("", &[][..]),
        };
        Self { area, rest: rest.to_vec() }
    }

    /// A path with its ids taken out, by which calls are counted.
    pub fn pattern(path: &str) -> String {
        let is_id = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts = path.trim_end_matches('/').split('/');
        parts.map(|part| if is_id(part) { "{id}" } else { part }).collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_name_the_same() {
        for path in ["/crm/v3/objects/deals/", "crm/objects/2026-03/deals", "crm/v4/objects/deals"] {
            assert_eq!(Place::read(path), Place { area: "objects", rest: vec!["deals"] }, "{path}");
        }
        assert_eq!(Place::read("/contacts/v1/contact/"), Place { area: "contacts", rest: vec!["contact"] });
        assert_eq!(Place::read("/crm/v3/owners/"), Place { area: "owners", rest: vec![] });
        assert_eq!(Place::pattern("/crm/v3/objects/0-3/1001/"), "/crm/v3/objects/0-3/{id}");
    }
}
