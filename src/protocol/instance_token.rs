//! Where a call to the passthrough names its instance: by `Element <token>`, or, so that a vendor's own SDK works with
//! nothing but its base URL changed, where the vendor's credential would travel.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use url::form_urlencoded;

use crate::catalog::element::{Element, Placement};
use crate::kernel::secret::Secret;

/// Headers and query parameters that carry some element's credential.
#[derive(Debug, Clone, Default)]
pub struct CredentialNames {
    pub headers: Vec<String>,
    pub parameters: Vec<String>,
}

impl CredentialNames {
    pub fn of<'a>(elements: impl Iterator<Item = &'a Element>) -> Self {
        let mut names = Self::default();
        for placement in elements.flat_map(Element::placements) {
            match placement {
                Placement::Header { name } => names.headers.push(name.to_ascii_lowercase()),
                Placement::Query { name } => names.parameters.push(name.clone()),
                // What a configuration names is known where the instance is.
                Placement::Authorization { .. }
                | Placement::Basic { .. }
                | Placement::Pair
                | Placement::HeaderNamed { .. }
                | Placement::QueryNamed { .. } => {}
            }
        }
        for list in [&mut names.headers, &mut names.parameters] {
            list.sort_unstable();
            list.dedup();
        }
        names
    }
}

/// The place that held the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundAt {
    Authorization,
    Header(String),
    Parameter(String),
}

impl FoundAt {
    /// Whether the element's credential may travel there.
    pub fn suits(&self, element: &Element) -> bool {
        element.placements().any(|placement| match (self, placement) {
            (Self::Authorization, Placement::Authorization { .. } | Placement::Basic { .. } | Placement::Pair) => true,
            (Self::Header(found), Placement::Header { name }) => found.eq_ignore_ascii_case(name),
            (Self::Parameter(found), Placement::Query { name }) => found == name,
            _ => false,
        })
    }
}

/// The texts of one `Authorization` value that can be a token: what follows the scheme, both halves of a Basic pair, or all
/// of it where there is no scheme.
pub fn of_authorization(value: &str) -> Vec<Secret> {
    let value = value.trim();
    let Some((scheme, rest)) = value.split_once(' ') else { return vec![Secret::new(value)] };
    let rest = rest.trim();
    if !scheme.eq_ignore_ascii_case("basic") {
        return vec![Secret::new(rest)];
    }
    let decoded = STANDARD.decode(rest).or_else(|_| STANDARD_NO_PAD.decode(rest)).unwrap_or_default();
    let pair = Secret::new(String::from_utf8(decoded).unwrap_or_default());
    let halves = pair.expose().split_once(':').unwrap_or((pair.expose(), ""));
    [halves.0, halves.1].into_iter().filter(|half| !half.is_empty()).map(Secret::new).collect()
}

/// The first value of a query parameter.
pub fn of_query(query: &str, name: &str) -> Option<Secret> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| Secret::new(value.into_owned()))
}

/// The query without a parameter; all the rest stays as it came, byte for byte.
pub fn without(query: &str, name: &str) -> Option<String> {
    let is_it = |pair: &&str| form_urlencoded::parse(pair.as_bytes()).next().is_some_and(|(known, _)| known == name);
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_it(pair)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// The query with one parameter more.
pub fn with(query: Option<&str>, name: &str, value: &Secret) -> Secret {
    let pair = form_urlencoded::Serializer::new(String::new()).append_pair(name, value.expose()).finish();
    Secret::new(match query {
        Some(query) if !query.is_empty() => [query, "&", &pair].concat(),
        _ => pair,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_behind_any_scheme() {
        let found = |value: &str| -> Vec<String> {
            of_authorization(value).iter().map(|token| token.expose().to_owned()).collect()
        };
        assert_eq!(found("Bearer abc"), ["abc"]);
        assert_eq!(found("SSWS  abc "), ["abc"]);
        assert_eq!(found("abc"), ["abc"]);
        assert_eq!(found("Basic YWJjOg=="), ["abc"]);
        assert_eq!(found("basic eDphYmM="), ["x", "abc"]);
        assert_eq!(found("Basic %%%"), Vec::<String>::new());
    }

    #[test]
    fn a_query_loses_one_parameter_and_nothing_else() {
        assert_eq!(without("a=1&hapikey=t&b=%20+%2f&&c", "hapikey").as_deref(), Some("a=1&b=%20+%2f&&c"));
        assert_eq!(without("h%61pikey=t", "hapikey"), None);
        assert_eq!(without("a", "hapikey").as_deref(), Some("a"));
        assert_eq!(with(Some("a=%2f"), "key", &Secret::new("x y&z")).expose(), "a=%2f&key=x+y%26z");
        assert_eq!(with(None, "key", &Secret::new("k")).expose(), "key=k");
    }
}
