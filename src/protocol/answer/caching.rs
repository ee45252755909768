//! `Cache-Control` of an answer (RFC 9111 section 5.2.2): one address means another account for every token, so that no cache
//! but the caller's own may keep it.

pub const PRIVATE: &str = "private";

/// What the header says instead; nothing where the vendor's own word is as strict. `said`: its values.
pub fn stricter<'a>(said: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let text: Vec<_> = said.map(String::from_utf8_lossy).collect();
    let text = text.join(", ");
    let directives: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let name = |part: &&str| part.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
    // `private="…"` is about some headers alone, and what it lists has commas of its own.
    let qualified = text.contains('"');
    let shared = |part: &&str| matches!(name(part).as_str(), "public" | "s-maxage" | "proxy-revalidate" | "private");
    let strict = directives.iter().any(|part| matches!(name(part).as_str(), "private" | "no-store"));
    // A cache that understands the status may pass over `no-store` where `must-understand` stands (section 5.2.2.3).
    let loose = directives.iter().any(|part| matches!(name(part).as_str(), "public" | "s-maxage" | "must-understand"));
    if strict && !loose && !qualified {
        return None;
    }
    let mut kept = vec![PRIVATE];
    if !qualified {
        kept.extend(directives.into_iter().filter(|part| !shared(part)));
    }
    Some(kept.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_for_a_shared_cache() {
        for (said, becomes) in [
            (&["no-store"][..], None),
            (&["private, max-age=5"], None),
            (&["max-age=5", "Private"], None),
            (&["no-store, no-cache"], None),
            (&["public, max-age=600"], Some("private, max-age=600")),
            (&["Public", "s-maxage=9 , max-age=1"], Some("private, max-age=1")),
            (&["private, s-maxage=9"], Some("private")),
            (&["no-store, public"], Some("private, no-store")),
            (&["no-cache"], Some("private, no-cache")),
            (&["private=\"set-cookie, x\", max-age=5"], Some("private")),
            (&[""], Some("private")),
        ] {
            assert_eq!(stricter(said.iter().map(|text| text.as_bytes())).as_deref(), becomes, "{said:?}");
        }
    }
}
