//! Names and tags are plain text: markup in them is removed before storing (contract 5.2).

/// Removes tags and comments, control characters and outer white space. What merely looks like markup stays:
/// `R&D`, `a < b`.
pub fn plain_text(text: &str) -> String {
    let mut text = text.to_owned();
    // `<<b>script>` would leave a tag behind: strip until nothing changes. Every round shortens the text.
    loop {
        let stripped = strip_tags(&text);
        if stripped.len() == text.len() {
            break;
        }
        text = stripped;
    }
    text.retain(|c| !c.is_control());
    text.trim().to_owned()
}

fn strip_tags(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from_tag)) = split_at(rest, '<') {
        plain.push_str(before);
        let end = if from_tag.starts_with("<!--") { "-->" } else { ">" };
        let opens_tag =
            from_tag.chars().nth(1).is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        match from_tag.split_once(end) {
            Some((_, after)) if opens_tag => rest = after,
            _ => {
                plain.push('<');
                rest = from_tag.strip_prefix('<').unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// The text before the first `at`, and the text from it on.
fn split_at(text: &str, at: char) -> Option<(&str, &str)> {
    text.find(at).and_then(|index| text.split_at_checked(index))
}

#[cfg(test)]
mod tests {
    use super::plain_text;

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
            ("<b", "<b"),
            ("  <br/> ", ""),
            ("a\u{0}b", "ab"),
        ];
        for (text, plain) in cases {
            assert_eq!(plain_text(text), plain, "{text}");
        }
    }
}
