//! Texts as people paste them: copying adds white space, line ends, quotation marks, and characters that nobody sees.

use std::borrow::Cow;

/// Byte order mark, zero-width characters, soft hyphen, marks of direction (Unicode, category Cf): no key and no address has one.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// Without invisible characters, and without white space and line ends around it.
pub fn trimmed(text: &str) -> Cow<'_, str> {
    let is_outer = |c: char| c.is_whitespace() || c.is_control();
    if text.contains(is_invisible) {
        let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
        return Cow::Owned(visible.trim_matches(is_outer).to_owned());
    }
    Cow::Borrowed(text.trim_matches(is_outer))
}

/// Without one pair of quotation marks around it.
pub fn unquoted(text: &str) -> &str {
    const MARKS: [(char, char); 7] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('\u{201c}', '\u{201d}'),
        ('\u{2018}', '\u{2019}'),
        ('«', '»'),
        ('<', '>'),
    ];
    let inner = MARKS.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    inner.map_or(text, str::trim)
}

/// Without a word in front and what separates it, whatever its case: `Bearer `, `Authorization: `.
pub fn without_word<'a>(text: &'a str, word: &str, separator: char) -> Option<&'a str> {
    let (front, rest) = text.split_at_checked(word.len())?;
    let rest = rest.trim_start_matches(' ');
    let rest = match separator {
        ' ' if rest.len() < text.len().saturating_sub(word.len()) => rest,
        ' ' => return None,
        separator => rest.strip_prefix(separator)?.trim_start(),
    };
    (front.eq_ignore_ascii_case(word) && !rest.is_empty()).then_some(rest)
}

/// The host of an address, where a whole address was pasted; else the text itself.
pub fn host(text: &str) -> &str {
    let bare = ["https://", "http://"].into_iter().find_map(|scheme| {
        let (front, rest) = text.split_at_checked(scheme.len())?;
        front.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let host = bare.unwrap_or(text).split(['/', '?', '#']).next().unwrap_or_default();
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_goes() {
        for text in
            ["key", " key\r\n", "\u{feff}key", "k\u{200b}e\u{ad}y\u{a0}", "\tkey\u{2028}", "\u{202a}key\u{202c}"]
        {
            assert_eq!(trimmed(text), "key", "{text:?}");
        }
        assert_eq!(trimmed("a key\nin lines"), "a key\nin lines");
        assert_eq!(trimmed(""), "");
    }

    #[test]
    fn one_pair_of_marks_goes() {
        for text in ["\"key\"", "'key'", "`key`", "“key”", "« key »", "<key>", "key"] {
            assert_eq!(unquoted(text), "key", "{text}");
        }
        for text in ["\"key", "key'", "\"", "a\"b\""] {
            assert_eq!(unquoted(text), text);
        }
    }

    #[test]
    fn a_word_in_front_goes_with_its_separator() {
        assert_eq!(without_word("bearer  abc", "Bearer", ' '), Some("abc"));
        assert_eq!(without_word("Authorization: Bearer abc", "authorization", ':'), Some("Bearer abc"));
        for (text, word, separator) in
            [("Bearerabc", "Bearer", ' '), ("Bearer ", "Bearer", ' '), ("Bear", "Bearer", ' '), ("ü", "B", ' ')]
        {
            assert_eq!(without_word(text, word, separator), None, "{text}");
        }
    }

    #[test]
    fn an_address_gives_its_host() {
        for text in ["acme.desk.example", "https://acme.desk.example/", "HTTP://acme.desk.example./a?b#c"] {
            assert_eq!(host(text), "acme.desk.example", "{text}");
        }
        assert_eq!(host("acme"), "acme");
        assert_eq!(host("https://"), "");
    }
}
