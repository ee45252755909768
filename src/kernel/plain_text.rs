//! Names and tags are plain text: markup in them is removed before storing (docs/api.md, Creating an instance). And what was sent,
//! as messages repeat it.

/// Characters of what was sent that a message repeats.
const SHORT: usize = 100;

/// For messages: what was sent, but not all of it.
pub fn shortened(text: &str) -> String {
    limited(text, SHORT)
}

/// In one line, and no longer than that many characters.
pub fn limited(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

/// Removes tags and comments, control characters and outer white space, in one pass. What merely looks like markup stays:
/// `R&D`, `a < b`. Of a tag that is never closed only the `<` goes: pasted into a page it would close there.
pub fn plain_text(text: &str) -> String {
    let mut kept: Vec<char> = Vec::new();
    // Where a tag may have begun. What is removed in between can make one of it (`<<b>script>`).
    let mut open: Vec<usize> = Vec::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if c == '>'
            && let Some(start) = pop_tag(&mut open, &kept)
        {
            kept.truncate(start);
            continue;
        }
        if c == '<' {
            open.push(kept.len());
        }
        kept.push(c);
    }
    let mut plain: Vec<char> = Vec::with_capacity(kept.len());
    for c in kept.into_iter().rev() {
        if c != '<' || !plain.last().is_some_and(opens_tag) {
            plain.push(c);
        }
    }
    plain.iter().rev().collect::<String>().trim().to_owned()
}

/// The start of the innermost tag that a `>` closes.
fn pop_tag(open: &mut Vec<usize>, kept: &[char]) -> Option<usize> {
    while let Some(start) = open.pop() {
        if kept.get(start.saturating_add(1)).is_some_and(opens_tag) {
            return Some(start);
        }
    }
    None
}

/// What behind a `<` makes it markup (HTML standard, tag open state).
fn opens_tag(c: &char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')
}

#[cfg(test)]
mod tests {
    use super::{limited, plain_text, shortened};

    #[test]
    fn what_is_repeated_is_short_and_in_one_line() {
        assert_eq!(shortened("a\nb\u{1b}[31m\u{7f}ü"), "ab[31mü");
        assert_eq!(shortened(&"ü".repeat(101)), "ü".repeat(100));
        assert_eq!(limited("\r\nabc", 2), "ab");
    }

    #[test]
    fn markup_goes_and_text_stays() {
        let cases = [
            ("<a href=\"#\">my name</a>", "my name"),
            ("<a href=\"#\">@label</a>", "@label"),
            ("R&D", "R&D"),
            ("a < b > c", "a < b > c"),
            ("<<b>script>alert(1)</script>", "alert(1)"),
            ("<!-- <b> -->x", "x"),
            ("1 <3", "1 <3"),
            ("<b", "b"),
            ("<<b", "b"),
            ("<\u{1}img src=x>y", "y"),
            ("<img src=x onerror=alert(1)//", "img src=x onerror=alert(1)//"),
            ("  <br/> ", ""),
            ("a\u{0}b", "ab"),
        ];
        for (text, plain) in cases {
            assert_eq!(plain_text(text), plain, "{text}");
        }
    }
}
