//! What a path of the CRM API names, whichever family it is of.

/// The area (`objects`, `properties` …), and what follows it and the version.
#[derive(Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub area: &'a str,
    pub rest: Vec<&'a str>,
}

impl<'a> Place<'a> {
    /// Of a path below `/crm`. A trailing slash is forgiven, as HubSpot forgives it: one of its own clients sends it.
    pub fn read(path: &'a str) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let (one, other) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let area = if matches!(one, "v3" | "v4") { other } else { one };
        Self { area, rest: parts.collect() }
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
        for path in ["/v3/objects/deals/", "objects/2026-03/deals", "v4/objects/deals"] {
            assert_eq!(Place::read(path), Place { area: "objects", rest: vec!["deals"] }, "{path}");
        }
        assert_eq!(Place::read("/v3/owners/"), Place { area: "owners", rest: vec![] });
        assert_eq!(Place::pattern("/crm/v3/objects/0-3/1001/"), "/crm/v3/objects/0-3/{id}");
    }
}
