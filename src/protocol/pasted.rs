//! Keys and tokens as people paste them, for the place where they go. What surely is no part of one is left away; what cannot
//! be one is refused, before a request is built that no client could send.

use std::ops::RangeInclusive;

use crate::catalog::element::{ApiKey, ApiKeyForm, Placement};
use crate::kernel::pasted::{trimmed, unquoted, without_word};

const BEARER: &str = "Bearer";
const AUTHORIZATION: &str = "Authorization";

/// Why a text is no key: for a message that begins with the name of what was pasted.
pub type Unfit = &'static str;

const LINES: Unfit = "must be one line: paste it alone, without what stands beside it";
const UNFIT: Unfit = "holds a line end, a space or a character that no key has: copy it anew, and paste it alone";

/// A key of the element. Of user name and password (`pair`) only what is around them goes.
pub fn api_key(declared: &ApiKey, text: &str) -> Result<String, Unfit> {
    // Where the configuration chooses, that is known later (`placed`).
    if declared.is_chosen() || declared.forms.iter().any(|form| form.placement == Placement::Pair) {
        return one_line(text);
    }
    let form = |key: &str| declared.forms.iter().find(|form| fits(form, key)).map(|form| &form.placement);
    of_places(text, || declared.forms.iter().map(|form| &form.placement), form)
}

/// A key whose place is known.
pub fn placed(placement: &Placement, text: &str) -> Result<String, Unfit> {
    match placement {
        Placement::Pair => one_line(text),
        _ => of_places(text, || [placement].into_iter(), |_| Some(placement)),
    }
}

fn of_places<'a, I: Iterator<Item = &'a Placement>>(
    text: &str,
    placements: impl Fn() -> I,
    place_of: impl Fn(&str) -> Option<&'a Placement>,
) -> Result<String, Unfit> {
    let schemes = placements().filter_map(|placement| match placement {
        Placement::Authorization { scheme } => Some(scheme.as_str()).filter(|scheme| !scheme.is_empty()),
        _ => None,
    });
    let headers = placements().filter_map(|placement| match placement {
        Placement::Header { name } => Some(name.as_str()),
        _ => None,
    });
    let headers: Vec<&str> = headers.chain([AUTHORIZATION]).collect();
    let schemes: Vec<&str> = schemes.chain([BEARER]).collect();
    let key = alone(text, &headers, &schemes);
    match place_of(&key) {
        Some(Placement::Authorization { scheme }) if !scheme.is_empty() => plain(key, '!'..='~'),
        _ => plain(key, ' '..='~'),
    }
}

/// An access or refresh token: ASCII, and it may have spaces (RFC 6749, appendix A.12 and A.17).
pub fn token(text: &str) -> Result<String, Unfit> {
    plain(alone(text, &[AUTHORIZATION], &[BEARER]), ' '..='~')
}

/// A client id, a client secret, a user name, a password.
pub fn one_line(text: &str) -> Result<String, Unfit> {
    let text = trimmed(text);
    if text.contains(char::is_control) { Err(LINES) } else { Ok(text.into_owned()) }
}

fn fits(form: &ApiKeyForm, key: &str) -> bool {
    form.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
}

fn alone(text: &str, headers: &[&str], schemes: &[&str]) -> String {
    let text = trimmed(text);
    let text = unquoted(&text);
    let text = headers.iter().find_map(|name| without_word(text, name, ':')).unwrap_or(text);
    let text = schemes.iter().find_map(|scheme| without_word(text, scheme, ' ')).unwrap_or(text);
    unquoted(text).to_owned()
}

fn plain(text: String, characters: RangeInclusive<char>) -> Result<String, Unfit> {
    if text.chars().all(|c| characters.contains(&c)) { Ok(text) } else { Err(UNFIT) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(placements: &[Placement]) -> ApiKey {
        let forms = placements.iter().cloned();
        let forms = forms.map(|placement| ApiKeyForm { prefix: None, when: None, placement, refused_hint: None });
        let (description, configuration) = (String::new(), "key".to_owned());
        ApiKey { description, beforehand: None, configuration, username: None, forms: forms.collect() }
    }

    #[test]
    fn what_stands_around_a_key_is_no_part_of_it() {
        let bearer = of(&[Placement::Authorization { scheme: "Token".into() }]);
        for text in [
            "abc",
            " abc\n",
            "\u{feff}abc",
            "\"abc\"",
            "Bearer abc",
            "token abc",
            "Authorization: Token abc",
            "'Bearer abc'",
            "authorization:abc",
            "Bearer \"abc\"",
            "a\u{200b}bc",
        ] {
            assert_eq!(api_key(&bearer, text).as_deref(), Ok("abc"), "{text:?}");
        }
        for text in ["a b", "a\nb", "a\u{2013}b", "Bearer a b"] {
            assert_eq!(api_key(&bearer, text), Err(UNFIT), "{text:?}");
        }
        let header = of(&[Placement::Header { name: "X-Api-Key".into() }]);
        assert_eq!(api_key(&header, "x-api-key: a b\n").as_deref(), Ok("a b"));
        assert_eq!(api_key(&header, "a\r\nb"), Err(UNFIT));
        let query = of(&[Placement::Query { name: "hapikey".into() }]);
        assert_eq!(api_key(&query, "a b").as_deref(), Ok("a b"));
    }

    #[test]
    fn a_password_keeps_what_may_be_its_own() {
        let pair = of(&[Placement::Pair]);
        assert_eq!(api_key(&pair, " jo:\"Bearer x y\"\n").as_deref(), Ok("jo:\"Bearer x y\""));
        assert_eq!(api_key(&pair, "jo:a\nb"), Err(LINES));
    }

    #[test]
    fn a_token_has_no_line_ends() {
        assert_eq!(token("Bearer ya29.a\r\n").as_deref(), Ok("ya29.a"));
        assert_eq!(token("a b").as_deref(), Ok("a b"));
        assert_eq!(token("a\nb"), Err(UNFIT));
    }
}
