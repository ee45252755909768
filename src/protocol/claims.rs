//! Pointers that go on inside a JSON Web Token, `/id_token/sub` is the claim `sub` of the ID token, and inside an address: `/id/1` is
//! the second segment of its path.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::Url;

/// What stands at a pointer (RFC 6901). Below a text that is a JWT (RFC 7519 section 3) its claims are meant,
/// below one that is an absolute URL the segments of its path, counted from 0.
///
/// Signatures are not looked at: only replies are read that the vendor itself gave over TLS, which vouches for them in the place of
/// a signature (OpenID Connect Core 1.0, section 3.1.3.7, point 6).
pub fn at<'a>(reply: &'a Value, pointer: &str) -> Option<Cow<'a, Value>> {
    if let Some(value) = reply.pointer(pointer) {
        return Some(Cow::Borrowed(value));
    }
    pointer.match_indices('/').skip(1).find_map(|(end, _)| {
        let (at, below) = pointer.split_at_checked(end)?;
        let text = reply.pointer(at)?.as_str()?;
        let found = match claims(text) {
            Some(claims) => claims.pointer(below).cloned(),
            None => segment(text, below.strip_prefix('/')?).map(Value::String),
        };
        found.map(Cow::Owned)
    })
}

/// A segment of an address's path, as it is written there.
fn segment(text: &str, at: &str) -> Option<String> {
    let at = at.parse().ok()?;
    let url = Url::parse(text).ok()?;
    url.path_segments()?.nth(at).filter(|segment| !segment.is_empty()).map(str::to_owned)
}

fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    // Five parts are an encrypted one (RFC 7516 section 3.1).
    if parts.next().is_some() {
        return None;
    }
    let text = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&text).ok().filter(Value::is_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn jwt(claims: &Value) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[test]
    fn a_pointer_goes_on_inside_a_token() {
        let inner = jwt(&json!({ "sub": "7", "org": { "id": 3 } }));
        let reply = json!({
            "id_token": jwt(&json!({ "sub": "ü", "https://vendor.example/tenant": "t" })),
            "authed_user": { "id_token": inner },
            "id": "https://login.salesforce.com/id/00Dx0000000BV7zEAG/005x00000012Q9PAAU", "gid": "gid://shopify/Shop/1",
            "mail": "mailto:a@b.example", "encrypted": "a.b.c.d.e", "text": "a.b.c", "list": jwt(&json!(["x"])), "plain": { "sub": "p" },
        });
        for (pointer, expected) in [
            ("/id_token/sub", Some(json!("ü"))),
            // Claims are named by URLs (OpenID Connect Core, section 5.1.2): `/` is `~1` in a pointer.
            ("/id_token/https:~1~1vendor.example~1tenant", Some(json!("t"))),
            ("/authed_user/id_token/sub", Some(json!("7"))),
            ("/authed_user/id_token/org/id", Some(json!(3))),
            ("/plain/sub", Some(json!("p"))),
            // Salesforce Help, "OpenID Connect Token Introspection" and "Identity URLs": `/id/<organization>/<user>`.
            ("/id/1", Some(json!("00Dx0000000BV7zEAG"))),
            ("/id/2", Some(json!("005x00000012Q9PAAU"))),
            ("/id/3", None),
            ("/id/x", None),
            // Shopify.dev, "Global IDs in Shopify APIs".
            ("/gid/1", Some(json!("1"))),
            ("/mail/0", None),
            ("/id_token/none", None),
            ("/encrypted/sub", None),
            ("/text/sub", None),
            ("/list/0", None),
            ("/nothing/sub", None),
            ("", Some(reply.clone())),
        ] {
            assert_eq!(at(&reply, pointer).map(Cow::into_owned), expected, "{pointer}");
        }
    }
}
