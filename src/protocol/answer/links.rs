//! Headers that hold addresses among other things: `Link` and `Refresh`.

use super::addresses::Rewritten;

/// What becomes of one address.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    AsItIs,
    /// Below `/vendor`.
    Below(String),
    Dropped,
}

/// `<address>; rel=next, <address>; rel=prev` (RFC 8288 section 3).
pub fn links(text: &str, fate: &dyn Fn(&str) -> Target) -> Rewritten {
    let (mut kept, mut changed, mut dropped) = (Vec::new(), false, false);
    for value in values(text) {
        let read = value.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        // Clients that look for `, <` find links within what is quoted.
        let read = read.filter(|(address, parameters)| !address.contains(['<', '"']) && !parameters.contains('<'));
        match read.map(|(address, parameters)| (fate(address), parameters)) {
            Some((Target::AsItIs, _)) => kept.push(value.to_owned()),
            Some((Target::Below(address), parameters)) => {
                changed = true;
                kept.push(["<", &address, ">", parameters].concat());
            }
            Some((Target::Dropped, _)) | None => dropped = true,
        }
    }
    if !changed && !dropped {
        return Rewritten::AsItIs;
    }
    Rewritten::Changed { text: (!kept.is_empty()).then(|| kept.join(", ")), dropped }
}

/// The address of the first link to what comes next: one of its `rel` is `next`, in letters of any case (RFC 8288 section 3.3).
pub fn next_of(text: &str) -> Option<&str> {
    values(text).find_map(|value| {
        let (address, parameters) = value.strip_prefix('<')?.split_once('>')?;
        let mut parameters = apart(parameters, ';').filter_map(|parameter| parameter.split_once('='));
        let (_, relations) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("rel"))?;
        let mut relations = relations.trim().trim_matches('"').split_whitespace();
        relations.any(|relation| relation.eq_ignore_ascii_case("next")).then_some(address)
    })
}

/// The values of a list, apart at commas that are neither within an address nor quoted.
fn values(text: &str) -> impl Iterator<Item = &str> {
    apart(text, ',')
}

fn apart(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut in_address, mut in_quotes, mut escaped) = (false, false, false);
    let parts = text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = in_quotes,
            '"' if !in_address => in_quotes = !in_quotes,
            '<' if !in_quotes => in_address = true,
            '>' if !in_quotes => in_address = false,
            _ => {}
        }
        c == separator && !in_address && !in_quotes
    });
    parts.map(str::trim).filter(|value| !value.is_empty())
}

/// `5; url=address`: separated by a semicolon, a comma or blanks, with or without the word, quoted or not (HTML, "shared
/// declarative refresh steps").
pub fn refresh(text: &str, fate: &dyn Fn(&str) -> Target) -> Rewritten {
    let text = text.trim();
    let behind = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let seconds = text.strip_suffix(behind).unwrap_or_default();
    let rest = behind.trim_start();
    let rest = rest.strip_prefix([';', ',']).unwrap_or(rest).trim();
    if seconds.is_empty() {
        return Rewritten::Changed { text: None, dropped: true };
    }
    if rest.is_empty() {
        return Rewritten::AsItIs;
    }
    let word = rest.get(..3).filter(|word| word.eq_ignore_ascii_case("url"));
    let behind_word = word.and_then(|word| rest.get(word.len()..)?.trim_start().strip_prefix('='));
    let address = behind_word.unwrap_or(rest).trim();
    let unquoted = ['"', '\''].iter().find_map(|quote| address.strip_prefix(*quote)?.strip_suffix(*quote));
    let address = unquoted.unwrap_or(address);
    if address.contains(['"', '\'']) {
        return Rewritten::Changed { text: None, dropped: true };
    }
    match fate(address) {
        Target::AsItIs => Rewritten::AsItIs,
        Target::Below(address) => {
            Rewritten::Changed { text: Some([seconds, "; url=", &address].concat()), dropped: false }
        }
        Target::Dropped => Rewritten::Changed { text: None, dropped: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(address: &str) -> Target {
        match address.as_bytes().first() {
            Some(b'/') => Target::Below(format!("/vendor{address}")),
            Some(b'!') => Target::Dropped,
            _ => Target::AsItIs,
        }
    }

    fn changed(text: Option<&str>, dropped: bool) -> Rewritten {
        Rewritten::Changed { text: text.map(str::to_owned), dropped }
    }

    #[test]
    fn each_link_has_its_own_fate() {
        let links = |text| links(text, &fate);
        assert_eq!(links("<https://x/a,b>; rel=\"next\""), Rewritten::AsItIs);
        assert_eq!(
            links("</a?x=1,2>;rel=\"next\"; title=\"a, b\" , <https://x>; rel=prev,"),
            changed(Some("</vendor/a?x=1,2>;rel=\"next\"; title=\"a, b\", <https://x>; rel=prev"), false)
        );
        assert_eq!(links("<!>; rel=next, </a>; rel=prev"), changed(Some("</vendor/a>; rel=prev"), true));
        for dropped in
            ["<!>; rel=next", "/a; rel=next", "<https://x>; title=\", </instances>\"", "<\"</a\">; rel=x", "<https://x"]
        {
            assert_eq!(links(dropped), changed(None, true), "{dropped}");
        }
        assert_eq!(links(""), Rewritten::AsItIs);
    }

    #[test]
    fn the_next_page_is_found_among_links() {
        for (text, next) in [
            // GitHub's REST API, "Using pagination".
            ("<https://x/a?page=1>; rel=\"prev\", <https://x/a?page=3>; rel=\"next\"", Some("https://x/a?page=3")),
            ("</a?x=1,2>;rel=next", Some("/a?x=1,2")),
            // RFC 8288 section 3.5 has several relations in one value, section 3.3 compares without case.
            ("<b>; title=\"; rel=next\"; rel=\"last\", <c>; REL=\"start Next\"", Some("c")),
            ("<https://x>; rel=\"prev\"", None),
            ("<https://x; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_of(text), next, "{text}");
        }
    }

    #[test]
    fn a_refresh_is_read_as_browsers_do() {
        let refresh = |text| refresh(text, &fate);
        assert_eq!(refresh("5"), Rewritten::AsItIs);
        assert_eq!(refresh("5; url=https://x"), Rewritten::AsItIs);
        for text in ["5; url=/a", "5;URL = '/a'", "5 , \"/a\"", "5,/a", " 5 url=/a", "5 /a", "5/a"] {
            assert_eq!(refresh(text), changed(Some("5; url=/vendor/a"), false), "{text}");
        }
        assert_eq!(refresh("0 url=/a;x"), changed(Some("0; url=/vendor/a;x"), false));
        for text in ["0;url=!", "0; '/a' url=!", "0; url='/a", ";url=/a", "x;url=/a", ""] {
            assert_eq!(refresh(text), changed(None, true), "{text}");
        }
    }
}
