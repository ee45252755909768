//! A vendor's cookies belong to one instance. Whoever keeps them for us (a browser, a program's jar) knows one host and no
//! instances, so the name says which one is meant, and a call through another one does not take it along.

use crate::protocol::path::below;

/// How the names of an instance's cookies begin.
fn prefix(instance: i64) -> String {
    format!("lv{instance}-")
}

/// A `Set-Cookie` (RFC 6265 section 4.1) as the caller gets it: under the instance's name, for this host alone, with a path
/// that leads here. Nothing where no call through the instance would send it. `base`: the path of the element's base address; `here`: that of
/// this server's.
pub fn outward(set_cookie: &[u8], instance: i64, (base, here): (&str, &str)) -> Option<Vec<u8>> {
    let mut parts = set_cookie.split(|byte| *byte == b';');
    let pair = parts.next().unwrap_or_default().trim_ascii();
    // Without `=` all of it is the value of a cookie that has no name.
    let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => pair.split_at(at),
        None => (&b""[..], pair),
    };
    let value = value.strip_prefix(b"=").unwrap_or(value);
    let mut bound = [prefix(instance).as_bytes(), name.trim_ascii(), b"=", value.trim_ascii()].concat();
    let mut path = None;
    for attribute in parts.map(<[u8]>::trim_ascii) {
        let (name, value) = match attribute.iter().position(|byte| *byte == b'=') {
            Some(at) => (attribute.get(..at).unwrap_or_default(), attribute.get(at.saturating_add(1)..)),
            None => (attribute, None),
        };
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"domain" => {}
            // The last one counts (RFC 6265 section 5.3).
            b"path" => path = value,
            _ => bound.extend([b"; ", attribute].concat()),
        }
    }
    // What does not begin with a slash stands for the directory of the address (section 5.1.4), which the caller knows.
    let path = path.map(<[u8]>::trim_ascii).filter(|path| path.starts_with(b"/"));
    if let Some(path) = path {
        bound.extend([b"; Path=", here.as_bytes(), b"/vendor", behind(path, base)?].concat());
    }
    Some(bound)
}

/// What follows `/vendor` for a path of the vendor.
fn behind<'a>(path: &'a [u8], base: &str) -> Option<&'a [u8]> {
    let text = std::str::from_utf8(path).ok()?;
    let covers_base = text == "/" || below(base, text.trim_end_matches('/')).is_some();
    if covers_base { Some(b"") } else { below(text, base).map(str::as_bytes) }
}

/// What of a `Cookie` header is the instance's, as the vendor named it; nothing where there is none.
pub fn inward(cookie: &[u8], instance: i64) -> Option<Vec<u8>> {
    let prefix = prefix(instance);
    let own = cookie.split(|byte| *byte == b';').filter_map(|pair| pair.trim_ascii().strip_prefix(prefix.as_bytes()));
    let own: Vec<&[u8]> = own.map(|pair| pair.strip_prefix(b"=").unwrap_or(pair)).filter(|it| !it.is_empty()).collect();
    (!own.is_empty()).then(|| own.join(&b"; "[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_out_under_its_instance_and_comes_back_as_it_was() {
        for (set, base, kept) in [
            ("a=1", "", Some("lv7-a=1")),
            (
                "a=1; Path=/; HttpOnly;Secure; SameSite=None",
                "",
                Some("lv7-a=1; HttpOnly; Secure; SameSite=None; Path=/vendor"),
            ),
            ("a=1; Domain=ligand.example; domain=.example", "", Some("lv7-a=1")),
            ("a=1; path=/x; Path = /crm/v3/", "", Some("lv7-a=1; Path=/vendor/crm/v3/")),
            ("a=1; path=relative", "", Some("lv7-a=1")),
            ("a=1; path", "", Some("lv7-a=1")),
            ("a=1; Path=/", "/tenant/42", Some("lv7-a=1; Path=/vendor")),
            ("a=1; Path=/tenant/", "/tenant/42", Some("lv7-a=1; Path=/vendor")),
            ("a=1; Path=/tenant/42/x", "/tenant/42", Some("lv7-a=1; Path=/vendor/x")),
            ("a=1; Path=/tenant/421", "/tenant/42", None),
            ("a=1; Path=/ten", "/tenant/42", None),
            (
                "__Host-ligand-console=ey; Path=/; Secure",
                "",
                Some("lv7-__Host-ligand-console=ey; Secure; Path=/vendor"),
            ),
            ("=ligand-console=ey", "", Some("lv7-=ligand-console=ey")),
            ("ligand-console", "", Some("lv7-=ligand-console")),
            (" lv8-a = x=y ; Max-Age=0", "", Some("lv7-lv8-a=x=y; Max-Age=0")),
        ] {
            let told = outward(set.as_bytes(), 7, (base, "")).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(told.as_deref(), kept, "{set}");
        }
        let below = outward(b"a=1; Path=/x", 7, ("", "/ligand"));
        assert_eq!(below.as_deref(), Some(&b"lv7-a=1; Path=/ligand/vendor/x"[..]));
        for (sent, goes) in [
            ("lv7-a=1", Some("a=1")),
            ("lv7-a=1; b=2;lv7-c=x=y; lv8-a=1; __Host-ligand-console=ey; LV7-d=1", Some("a=1; c=x=y")),
            ("lv7-=nameless; lv7-lv8-a=1", Some("nameless; lv8-a=1")),
            ("lv70-a=1; a=lv7-b=1; lv7-", None),
            ("a=b", None),
        ] {
            let told = inward(sent.as_bytes(), 7).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(told.as_deref(), goes, "{sent}");
        }
    }
}
