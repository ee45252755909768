//! A vendor's own words, wherever they stand: in the members that an element names, in those that most vendors use, in the title
//! of a page.

use serde_json::{Map, Value};

use super::content::media_type;
use super::request::{VendorReply, VendorRequest};
use crate::kernel::plain_text::{plain_text, shortened};

/// Where vendors put the words of a failure: RFC 6749 section 5.2, RFC 9457 section 3.1, JSON:API, Google, Jira, Salesforce, OData.
const USUAL: [&str; 16] = [
    "/error_description",
    "/error/message",
    "/message",
    "/errors/0/message",
    "/errors/0/detail",
    "/errors/0/title",
    "/errors/0",
    "/errorMessages/0",
    "/0/message",
    "/error/message/value",
    "/error",
    "/detail",
    "/title",
    "/description",
    "/msg",
    "/fault/faultstring",
];
/// Members of an object that are named.
const NAMED: usize = 8;
/// Characters of a text that is no JSON.
const SHORT: usize = 80;
/// Characters of a word that may be a secret.
const LONG_WORD: usize = 20;

/// Letters of a part of a name at most, and in the mean at least.
const LONGEST_PART: usize = 16;
const MEAN_PART: usize = 3;

/// Without anything of ours. `pointers`: where the element says.
pub fn of(pointers: &[String], request: &VendorRequest, reply: &VendorReply) -> Option<String> {
    let body = reply.json();
    let own = pointers.iter().map(String::as_str);
    let found = own.chain(USUAL).find_map(|pointer| text(body.as_ref()?.pointer(pointer)?));
    let found = found.or_else(|| if body.is_none() { beginning(&reply.text()) } else { None })?;
    Some(request.mask(&found)).filter(|words| !words.is_empty())
}

/// What a text that is no JSON begins with: the title of a page, or its first words. What may be a secret is not shown.
pub fn beginning(text: &str) -> Option<String> {
    let titled = title(text);
    if titled.is_none() && text.trim_start().starts_with('<') && !is_markup_for_people(text) {
        // What stands between the tags of XML is the reply itself.
        return None;
    }
    let shown = titled.unwrap_or(text);
    // A warning that stands before JSON or a form says what there is to say.
    let end = shown.find(['{', '[', '=']).unwrap_or(shown.len());
    let plain = plain_text(&shown.get(..end)?.replace('>', "> "));
    let words: Vec<_> = plain.split_whitespace().map(|word| if may_be_secret(word) { "***" } else { word }).collect();
    // A single word may be the token itself.
    let enough = if titled.is_some() { 1 } else { 2 };
    (words.len() >= enough).then(|| words.join(" ").chars().take(SHORT).collect())
}

/// The names of an object's members, without what may be secret. None where they have no values: a bare token in base64 looks like
/// a form.
pub fn names(members: &Map<String, Value>) -> Option<String> {
    let is_bare = |value: &Value| value.as_str().is_some_and(|text| text.trim_matches('=').is_empty());
    if members.values().all(is_bare) {
        return None;
    }
    let hidden = |name: &str| may_be_secret(name) && !is_made_of_words(name);
    let shown = |name: &String| if hidden(name) { "***".to_owned() } else { shortened(name) };
    Some(members.keys().take(NAMED).map(shown).collect::<Vec<_>>().join(", "))
}

fn may_be_secret(word: &str) -> bool {
    let length = word.chars().count();
    let mixed = word.contains(|c: char| c.is_ascii_digit()) && word.contains(|c: char| c.is_ascii_alphabetic());
    length > LONG_WORD || (length >= 8 && mixed)
}

/// Whether a name is of words (`refresh_token_expires_in`, `userPrincipalName`): letters alone, and none of its parts as long as a
/// token or, in the middle, as short as what random capitals leave.
fn is_made_of_words(name: &str) -> bool {
    let mut parts: Vec<usize> = Vec::new();
    let mut begins = true;
    for c in name.chars() {
        if matches!(c, '_' | '-' | '.') {
            begins = true;
        } else if c.is_ascii_alphabetic() {
            match parts.last_mut() {
                Some(length) if !begins && !c.is_ascii_uppercase() => *length = length.saturating_add(1),
                _ => parts.push(1),
            }
            begins = false;
        } else {
            return false;
        }
    }
    let letters: usize = parts.iter().sum();
    parts.iter().all(|part| *part <= LONGEST_PART) && letters >= parts.len().saturating_mul(MEAN_PART)
}

fn is_markup_for_people(text: &str) -> bool {
    const TAGS: [&str; 11] =
        ["<!doctype html", "<html", "<head", "<body", "<title", "<br", "<b>", "<p>", "<pre", "<h1", "<div"];
    let start: String = text.trim_start().chars().take(15).collect();
    let start = start.to_ascii_lowercase();
    TAGS.iter().any(|tag| start.starts_with(tag))
}

/// Whether it is a page for people: HTML by its type, or markup that is not called XML. What has a value is none, and neither is
/// nothing.
pub fn is_page(reply: &VendorReply) -> bool {
    let (kind, text) = (media_type(&reply.content_type), reply.text());
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    if text.is_empty() || reply.json().is_some() {
        return false;
    }
    let is_html = matches!(kind.as_str(), "text/html" | "application/xhtml+xml");
    let is_xml = matches!(kind.as_str(), "text/xml" | "application/xml") || kind.ends_with("+xml");
    is_html || (text.starts_with('<') && (!is_xml || begins_as_xhtml(text)))
}

/// XHTML says what it is behind a declaration and comments.
fn begins_as_xhtml(text: &str) -> bool {
    const HEAD: usize = 200;
    let head: String = text.chars().take(HEAD).collect();
    let head = head.to_ascii_lowercase();
    head.contains("<!doctype html") || head.contains("<html")
}

fn title(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start.checked_add(lower.get(start..)?.find('>')?)?.checked_add(1)?;
    let end = start.checked_add(lower.get(start..)?.find("</title")?)?;
    text.get(start..end).filter(|title| !title.trim().is_empty())
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_its_title_and_a_text_its_first_words() {
        for (text, words) in [
            ("<!doctype html>\n<html><head><TITLE>\n Sign in</TITLE></head><body>x</body></html>", Some("Sign in")),
            ("<html><body><h1>403 Forbidden</h1><hr>nginx</body></html>", Some("403 Forbidden nginx")),
            // PHP's notice (its `html_errors` setting) before a reply that stays unseen.
            (
                "<br />\n<b>Notice</b>:  Undefined index: x on line 12\n{\"access_token\":\"s3cret\"}",
                Some("Notice : Undefined index: x on line 12"),
            ),
            ("Your token is 4f9d8e7c6b5a49383736353433323130 now", Some("Your token is *** now")),
            ("Your token is t0kent0k now", Some("Your token is *** now")),
            ("ya29", None),
            ("access_token=s3cret", None),
            ("<?xml version=\"1.0\"?><r><access_token>abc def</access_token></r>", None),
            ("<r><access_token>abc def</access_token></r>", None),
            ("", None),
            ("{\"a\"", None),
        ] {
            assert_eq!(beginning(text).as_deref(), words, "{text}");
        }
        assert_eq!(beginning(&"word ".repeat(40)).map(|words| words.len()), Some(80));
    }

    #[test]
    fn a_page_is_known_whatever_it_begins_with() {
        const XHTML: &str =
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\"><html/>";
        for (content_type, body, page) in [
            ("text/html", "<!doctype html><html></html>", true),
            ("text/html", XHTML, true),
            ("application/xhtml+xml", XHTML, true),
            ("text/xml", XHTML, true),
            ("", XHTML, true),
            ("Text/HTML; charset=utf-8", "<!-- x --><html></html>", true),
            ("", "\u{feff}\r\n<!-- x --><html></html>", true),
            ("text/plain", "<head><title>Sign in</title></head>", true),
            ("application/json", "<script>location = '/login'</script>", true),
            ("text/html", "Please sign in", true),
            ("text/html", "", false),
            ("text/html", "{\"id\":1}", false),
            ("text/html", "access_token=at&expires_in=3600", false),
            ("text/xml", "<?xml version=\"1.0\"?><user id=\"1\"/>", false),
            ("application/atom+xml", "<feed/>", false),
            ("text/plain", "fine", false),
            ("", "", false),
        ] {
            let content_type = content_type.to_owned();
            let reply = VendorReply { content_type, body: body.as_bytes().to_vec(), ..VendorReply::default() };
            assert_eq!(is_page(&reply), page, "{reply:?} {body}");
        }
    }

    #[test]
    fn a_bare_token_is_no_name_of_a_member() {
        for (body, told) in [
            ("c2VjcmV0dG9rZW4xMjM0NTY3OA==", None),
            ("c2VjcmV0dG9rZW4xMjM0NTY3OA==&x=1", Some("***, x")),
            ("{}", None),
            ("{\"a\":\"\"}", None),
            ("{\"token\":\"at\",\"user\":1}", Some("token, user")),
            ("{\"user\":null}", Some("user")),
            ("{\"4f9d8e7c6b5a\":1,\"id\":2}", Some("***, id")),
            // Intuit, "OAuth 2.0": the reply of its token endpoint; Microsoft Graph, "user resource type"; RFC 9457's members beside a
            // vendor's own in kebab case.
            ("{\"x_refresh_token_expires_in\":1,\"id\":2}", Some("x_refresh_token_expires_in, id")),
            ("{\"onPremisesDistinguishedName\":1}", Some("onPremisesDistinguishedName")),
            ("{\"rate-limit-remaining-requests\":1}", Some("rate-limit-remaining-requests")),
            // What is random has capitals everywhere, digits, or no parts.
            ("{\"aGVsbGJXbUxkVGhKcXNaQ\":1,\"id\":2}", Some("***, id")),
            ("{\"qwmzrtplkjhgfdsxcvbnmq\":1,\"id\":2}", Some("***, id")),
            ("{\"refresh_token_4f9d8e7c6b5a49\":1}", Some("***")),
        ] {
            let reply = VendorReply {
                content_type: "text/plain".to_owned(),
                body: body.as_bytes().to_vec(),
                ..VendorReply::default()
            };
            let value = reply.json().unwrap_or_default();
            assert_eq!(value.as_object().and_then(names).as_deref(), told, "{body}");
        }
    }
}
