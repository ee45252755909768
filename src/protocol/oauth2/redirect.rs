//! The vendor's redirect: its signature, where it has one.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use url::form_urlencoded::byte_serialize;

use crate::kernel::secret::Secret;

/// Whether the parameter `name` is the HMAC-SHA-256, in hex, of all others by `secret`: sorted, as `name=value`, with `&` between.
///
/// What would make two lists of parameters one text is escaped first. Vendor's pages and SDKs do it in two ways, both of which are
/// unambiguous: `%` and `&` alone, or everything as in a query (Shopify.dev, "Verify the installation request"; `ShopifyAPI::Utils::HmacValidator`
/// of shopify-api-ruby).
pub fn is_signed(parameters: &[(String, String)], name: &str, secret: &Secret) -> bool {
    let mut given = parameters.iter().filter(|(known, _)| known == name);
    // One, so that nobody can say which of two is meant.
    let (Some((_, signature)), None) = (given.next(), given.next()) else { return false };
    let Some(signature) = from_hex(signature) else { return false };
    if secret.is_empty() {
        return false;
    }
    let mut others: Vec<_> = parameters.iter().filter(|(known, _)| known != name).collect();
    others.sort();
    let text = |escaped: fn(&str, bool) -> String| {
        let pairs = others.iter().map(|(name, value)| [escaped(name, true), escaped(value, false)].join("="));
        pairs.collect::<Vec<_>>().join("&")
    };
    [text(escaped), text(encoded)].iter().any(|text| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else { return false };
        mac.update(text.as_bytes());
        mac.verify_slice(&signature).is_ok()
    })
}

fn escaped(text: &str, is_name: bool) -> String {
    let text = text.replace('%', "%25").replace('&', "%26");
    if is_name { text.replace('=', "%3D") } else { text }
}

fn encoded(text: &str, _: bool) -> String {
    byte_serialize(text.as_bytes()).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => high.checked_mul(16)?.checked_add(*low),
        _ => None,
    });
    bytes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    // Computed with OpenSSL: printf %s 'code=c&shop=a.example&state=s&timestamp=1' | openssl dgst -sha256 -hmac hush
    const SIGNATURE: &str = "d60e25fa860f7e7e86c0f3a77cc3be4834fc749d3c4dcdcef04faf42d007069c";

    #[test]
    fn a_signature_is_of_all_other_parameters_by_the_secret() {
        let secret = Secret::new("hush");
        let all = [("timestamp", "1"), ("hmac", SIGNATURE), ("shop", "a.example"), ("code", "c"), ("state", "s")];
        assert!(is_signed(&pairs(&all), "hmac", &secret));
        assert!(!is_signed(&pairs(&all), "hmac", &Secret::new("other")));
        assert!(!is_signed(&pairs(&all), "signature", &secret), "there is none");
        let mut more = all.to_vec();
        more.push(("x", "y"));
        assert!(!is_signed(&pairs(&more), "hmac", &secret));
        let mut twice = all.to_vec();
        twice.push(("hmac", SIGNATURE));
        assert!(!is_signed(&pairs(&twice), "hmac", &secret));
        let mut joined = all.to_vec();
        joined.retain(|(name, _)| *name != "state");
        joined[2] = ("shop", "a.example&state=s");
        assert!(!is_signed(&pairs(&joined), "hmac", &secret), "no value takes the place of two parameters");
        for odd in ["", "0", "zz", "hush"] {
            let odd = [("hmac", odd), ("code", "c")];
            assert!(!is_signed(&pairs(&odd), "hmac", &secret));
        }
        assert!(!is_signed(&pairs(&[("hmac", SIGNATURE)]), "hmac", &Secret::default()), "anybody has no secret");
    }
}
