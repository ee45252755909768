//! A credential that a vendor repeats in a header.

const MASK: &[u8] = b"***";
/// Shorter ones are too common to be looked for.
const SHORTEST: usize = 4;

/// The value without the secret, however its characters are encoded; nothing where it is not in there.
pub fn masked(value: &[u8], secret: &str) -> Option<Vec<u8>> {
    let secret = secret.as_bytes();
    if secret.len() < SHORTEST {
        return None;
    }
    let (mut shown, mut rest, mut found) = (Vec::with_capacity(value.len()), value, false);
    while let Some((first, others)) = rest.split_first() {
        match behind(rest, secret) {
            Some(next) => {
                shown.extend_from_slice(MASK);
                (rest, found) = (next, true);
            }
            None => {
                shown.push(*first);
                rest = others;
            }
        }
    }
    found.then_some(shown)
}

/// What follows the secret where the text begins with it.
fn behind<'a>(mut text: &'a [u8], secret: &[u8]) -> Option<&'a [u8]> {
    for wanted in secret {
        text = match text {
            [b'%', high, low, rest @ ..] if byte(*high, *low) == Some(*wanted) => rest,
            [b'+', rest @ ..] if *wanted == b' ' => rest,
            [found, rest @ ..] if found == wanted => rest,
            _ => return None,
        };
    }
    Some(text)
}

fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_spelling_and_every_time() {
        let shown = |value: &str| masked(value.as_bytes(), "k y/%ü").map(|text| String::from_utf8(text).unwrap());
        for value in ["k y/%ü", "k+y%2f%25%c3%bc", "%6b%20%79/%25%C3%BC", "k%20y%2F%ü"] {
            assert_eq!(
                shown(&format!("/x?api_key={value}&b; {value}")).as_deref(),
                Some("/x?api_key=***&b; ***"),
                "{value}"
            );
        }
        assert_eq!(shown("k+y%2f%25"), None);
        assert_eq!(masked(b"aaaa", "aaa"), None);
        assert_eq!(masked(b"aaaaaaaaa", "aaaa").as_deref(), Some(&b"******a"[..]));
    }
}
