//! `LIGAND_PUBLIC_URL` with a path: a proxy has this server below `/ligand`, among others at one host. Requests come with that path, or
//! without it where the proxy took it away; what is answered always has it, because that is where browsers and callers are.
//!
//! Routes, pages and the API know nothing of it. It is taken from a request once, before anything looks at the address, and put before
//! what leads to an address of ours: the `Location` of an answer, and the attributes of a page.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderValue, LOCATION};
use maud::Markup;
use url::Url;

use super::{openapi, urls};

/// Attributes of our pages that hold an address. A quotation mark is written so by the template alone: what is shown has `&quot;`.
const LEADING: [&str; 3] = [" href=\"/", " action=\"/", " src=\"/"];

/// What `LIGAND_PUBLIC_URL` may be: a place that a request can be told to be at.
///
/// # Errors
/// A sentence for the operator.
pub fn checked(text: &str) -> Result<Url, String> {
    let refused = |what: &str| Err(format!("LIGAND_PUBLIC_URL {what}"));
    let url = match Url::parse(text.trim_end_matches('/')) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Ok(_) => return refused("must begin with https:// or http://"),
        Err(error) => return refused(&format!("is no address: {error}")),
    };
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !bare {
        return refused("must have nothing but scheme, host, port and path");
    }
    let path = of(&url);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut segments = path.split('/').skip(1);
    if !path.is_empty() && !segments.all(|segment| !segment.is_empty() && segment.bytes().all(plain)) {
        return refused("must have a path of letters, digits, `-`, `.`, `_` and `~` alone");
    }
    // A request for it could be one without the path.
    let first = path.split('/').nth(1).unwrap_or_default();
    if urls::is_beside(first) || openapi::begins_with(first) {
        return refused(&format!("must not have the path /{first}, which is an address of this server's own"));
    }
    Ok(url)
}

/// Without a slash at its end, and empty where there is none.
pub fn of(public_url: &Url) -> &str {
    public_url.path().trim_end_matches('/')
}

/// Takes the path from a request, once. What follows stays as it was written.
pub fn take_from(request: &mut ServiceRequest, public_url: &Url) {
    let path = of(public_url);
    if path.is_empty() {
        return;
    }
    let Some(rest) = request.uri().path().strip_prefix(path).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    else {
        return;
    };
    let rest = if rest.is_empty() { "/" } else { rest };
    let (mark, query) = request.uri().query().map_or(("", ""), |query| ("?", query));
    let target = [rest, mark, query].concat();
    super::envelope::send_to(request, &target);
}

/// Puts it before an address of ours that an answer leads to.
pub fn put_before_location(headers: &mut HeaderMap, public_url: &Url) {
    let path = of(public_url);
    let Some(own) = headers.get(LOCATION).filter(|_| !path.is_empty()).map(HeaderValue::as_bytes) else { return };
    if !own.starts_with(b"/") || own.starts_with(b"//") {
        return;
    }
    if let Ok(address) = HeaderValue::from_bytes(&[path.as_bytes(), own].concat()) {
        headers.insert(LOCATION, address);
    }
}

/// The text of a page, whose addresses have it.
pub fn text_of(page: Markup, public_url: &Url) -> String {
    let (path, text) = (of(public_url), page.into_string());
    if path.is_empty() {
        return text;
    }
    LEADING.iter().fold(text, |text, leading| {
        let (before, _) = leading.split_at(leading.len().saturating_sub(1));
        text.replace(leading, &[before, path, "/"].concat())
    })
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::*;

    #[test]
    fn a_public_address_is_a_place_that_requests_can_be_at() {
        for (text, path) in [
            ("https://host.example", ""),
            ("https://host.example/", ""),
            ("https://host.example/ligand", "/ligand"),
            ("https://host.example/ligand/", "/ligand"),
            ("http://localhost:8080/apps/ligand.v2", "/apps/ligand.v2"),
        ] {
            let url = checked(text).unwrap();
            assert_eq!(of(&url), path, "{text}");
        }
        for text in [
            "",
            "host.example",
            "ftp://host.example",
            "https://host.example/?x=1",
            "https://host.example/a#b",
            "https://user@host.example",
            "https://host.example/a//b",
            "https://host.example/a;b",
            "https://host.example/%61",
            "https://host.example/vendor",
            "https://host.example/console/x",
            "https://host.example/elements",
            "https://host.example/instances",
            "https://host.example/hubs",
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_page_leads_to_lies_below_the_path_and_what_it_says_does_not() {
        let said = " href=\"/said\"";
        let page = || {
            html! {
                link rel="stylesheet" href="/a.css";
                a.button href="/console?x=1" title=(said) { (said) }
                a href="https://vendor.example/x" { }
                form method="post" action="/connect/t" { input name="back" value="/console"; }
                script src="/b.js" defer {}
            }
        };
        let text = text_of(page(), &"https://host.example/ligand".parse().unwrap());
        for kept in ["value=\"/console\"", "href=\"https://vendor.example/x\"", "href=&quot;/said&quot;"] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for moved in [
            "href=\"/ligand/a.css\"",
            "href=\"/ligand/console?x=1\"",
            "action=\"/ligand/connect/t\"",
            "src=\"/ligand/b.js\"",
        ] {
            assert!(text.contains(moved), "{moved}: {text}");
        }
        assert_eq!(text_of(page(), &"https://host.example".parse().unwrap()), page().into_string());
    }
}
