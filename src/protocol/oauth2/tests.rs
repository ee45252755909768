//! Token requests as they travel, and replies as vendors write them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::client::{Client, Hosts};
use super::reply::{self, Token};
use super::token;
use crate::catalog::Catalog;
use crate::catalog::element::Element;
use crate::catalog::oauth2::{BodyEncoding, ClientAuthentication, OAuth2, Revoke};
use crate::kernel::secret::Secret;
use crate::protocol::fault::VendorFault;
use crate::protocol::request::{VendorReply, VendorRequest};
use crate::protocol::variables::Values;

/// A built-in element whose OAuth rules a test may bend.
fn element(key: &str, bend: impl FnOnce(&mut OAuth2)) -> Element {
    let mut element = Element::clone(Catalog::load(None).unwrap().get(key).unwrap());
    bend(element.authentication.oauth2.as_mut().unwrap());
    element
}

fn oauth2(element: &Element) -> &OAuth2 {
    element.authentication.oauth2.as_ref().unwrap()
}

fn values(element: &Element) -> Values<'_> {
    Values { element, parameters: &|_| None, configuration: &|_| None, replied: None }
}

fn exchange(element: &Element, id: &str, secret: &str, verifier: Option<&str>) -> VendorRequest {
    let client = Client { id: Secret::new(id), secret: Secret::new(secret), hosts: Hosts::Any };
    let verifier = verifier.map(Secret::new);
    let code = Secret::new("the code/+");
    token::exchange(oauth2(element), &client, &code, "https://a.example/cb?x=1", verifier.as_ref(), values(element))
        .unwrap()
}

fn header<'a>(request: &'a VendorRequest, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.expose())
}

fn body(request: &VendorRequest) -> &str {
    request.body.as_ref().unwrap().expose()
}

#[test]
fn a_form_has_exactly_the_fields_of_the_standard() {
    let request = exchange(&element("hubspotcrm", |_| {}), "id", "secret", None);
    assert_eq!(request.method, "POST");
    assert_eq!(header(&request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header(&request, "authorization"), None);
    let expected = "grant_type=authorization_code&code=the+code%2F%2B&redirect_uri=https%3A%2F%2Fa.example%2Fcb%3Fx%3D1\
                    &client_id=id&client_secret=secret";
    assert_eq!(body(&request), expected);
    let with_pkce = exchange(&element("hubspotcrm", |_| {}), "id", "secret", Some("verifier"));
    assert!(body(&with_pkce).contains("&code_verifier=verifier&client_id="));
}

#[test]
fn basic_form_encodes_both_halves_before_base64() {
    let basic = element("pipedrive", |_| {});
    let request = exchange(&basic, "odd id", "a:b c+d%2Fe&f=g", None);
    // odd+id:a%3Ab+c%2Bd%252Fe%26f%3Dg (RFC 6749 section 2.3.1)
    assert_eq!(header(&request, "authorization"), Some("Basic b2RkK2lkOmElM0FiK2MlMkJkJTI1MkZlJTI2ZiUzRGc="));
    assert!(!body(&request).contains("client"), "{}", body(&request));
}

#[test]
fn some_vendors_want_json_or_the_query() {
    let request = exchange(&element("hubspotcrm", |oauth2| oauth2.token.body = BodyEncoding::Json), "id", "s\"x", None);
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    let sent: Value = serde_json::from_str(body(&request)).unwrap();
    let expected = json!({
        "grant_type": "authorization_code", "code": "the code/+", "redirect_uri": "https://a.example/cb?x=1",
        "client_id": "id", "client_secret": "s\"x",
    });
    assert_eq!(sent, expected);
    let by_query = |oauth2: &mut OAuth2| oauth2.token.client_authentication = ClientAuthentication::Query;
    let request = exchange(&element("hubspotcrm", by_query), "i d", "s&x", None);
    assert_eq!(request.url.query(), Some("client_id=i+d&client_secret=s%26x"));
    assert!(!body(&request).contains("client_"), "{}", body(&request));
    assert!(!format!("{request:?}").contains("s%26x"), "{request:?}");
}

#[test]
fn a_refresh_may_go_elsewhere_and_a_revocation_may_authenticate_differently() {
    let elsewhere = "https://login.example/refresh";
    let bent = element("hubspotcrm", |oauth2| {
        oauth2.refresh.url = Some(serde_json::from_value(json!(elsewhere)).unwrap());
        oauth2.token.headers.insert("X-Own".to_owned(), "yes".into());
    });
    let client = Client { id: Secret::new("id"), secret: Secret::new("secret"), hosts: Hosts::Any };
    let refresh_token = Secret::new("the refresh token");
    let request = token::refresh(oauth2(&bent), &client, &refresh_token, values(&bent)).unwrap();
    assert_eq!((request.url.as_str(), header(&request, "x-own")), (elsewhere, Some("yes")));
    assert_eq!(
        body(&request),
        "grant_type=refresh_token&refresh_token=the+refresh+token&client_id=id&client_secret=secret"
    );
    let rule = Revoke {
        url: serde_json::from_value(json!("https://login.example/revoke")).unwrap(),
        client_authentication: Some(ClientAuthentication::Basic),
    };
    let token = (&refresh_token, "refresh_token");
    let request = token::revoke(oauth2(&bent), &rule, &client, token, values(&bent)).unwrap();
    assert_eq!(body(&request), "token=the+refresh+token&token_type_hint=refresh_token");
    assert!(header(&request, "authorization").unwrap().starts_with("Basic "));
    for secret in ["secret", "the refresh token", "aWQ6c2VjcmV0"] {
        assert_eq!(request.mask(&format!("You sent {secret}!")), "You sent ***!");
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_366_400, 0).unwrap()
}

fn read_with(element: &Element, status: u16, content_type: &str, body: &str) -> Result<Token, VendorFault> {
    let request = exchange(element, "id", "client-secret", Some("verifier"));
    let reply = VendorReply {
        status,
        content_type: content_type.to_owned(),
        body: body.as_bytes().to_vec(),
        retry_after: Some(3),
        ..VendorReply::default()
    };
    reply::read(element, oauth2(element), &request, &reply, now())
}

fn read(element: &Element, status: u16, body: &Value) -> Result<Token, VendorFault> {
    read_with(element, status, "application/json", &body.to_string())
}

#[test]
fn lifetimes_come_in_many_spellings() {
    let plain = element("sfdc", |_| {});
    for (expires_in, lifetime) in [
        (json!(1800), Some(1800)),
        (json!("1800"), Some(1800)),
        (json!(" 1800.9 "), Some(1800)),
        (json!(1800.5), Some(1800)),
        (json!(0), None),
        (json!(-5), None),
        (json!("soon"), None),
        (json!(""), None),
        (json!(null), None),
        (json!(true), None),
        (json!([1800]), None),
        (json!("NaN"), None),
    ] {
        let token = read(&plain, 200, &json!({ "access_token": "at", "expires_in": expires_in })).unwrap();
        assert_eq!(token.lifetime, lifetime, "{expires_in}");
        assert_eq!(token.expires_at, lifetime.map(|seconds| now() + TimeDelta::seconds(seconds)), "{expires_in}");
    }
    for forever in [json!(1e18), json!(u64::MAX), json!("1e300"), json!(1e300), json!("inf")] {
        let token = read(&plain, 200, &json!({ "access_token": "at", "expires_in": forever })).unwrap();
        assert!(token.lifetime.is_some_and(|lifetime| lifetime > 0), "{forever}");
        assert_eq!(token.expires_at, None, "beyond the calendar: {forever}");
    }
    let with_default = element("hubspotcrm", |oauth2| oauth2.refresh.default_lifetime = Some(60));
    let token = read(&with_default, 200, &json!({ "access_token": "at" })).unwrap();
    assert_eq!(token.lifetime, Some(60));
}

#[test]
fn members_are_found_where_the_element_says() {
    let nested = element("hubspotcrm", |oauth2| {
        oauth2.reply.access_token = vec!["/authed_user/access_token".to_owned(), "/access_token".to_owned()];
    });
    let token = read(&nested, 200, &json!({ "authed_user": { "access_token": "inner" }, "access_token": "outer" }));
    assert_eq!(token.unwrap().access_token.expose(), "inner");
    let token = read(&nested, 200, &json!({ "authed_user": { "access_token": null }, "access_token": "outer" }));
    assert_eq!(token.unwrap().access_token.expose(), "outer");
    for (scopes, expected) in [
        (json!(["a", "b"]), Some(vec!["a", "b"])),
        (json!("a b"), Some(vec!["a", "b"])),
        (json!("a,b"), Some(vec!["a", "b"])),
        (json!("a;b\nc+d"), Some(vec!["a", "b", "c", "d"])),
        (json!([{ "name": "a" }, { "scope": "b" }, "c d", 7, {}, { "id": 1 }]), Some(vec!["a", "b", "c", "d"])),
        (json!([{ "permission": "a", "status": "declined" }, { "name": "b", "granted": false }]), Some(vec![])),
        (json!(null), None),
        (json!(7), None),
    ] {
        let token = read(&nested, 200, &json!({ "access_token": "at", "scope": scopes })).unwrap();
        let names = token.scopes.as_ref().map(|names| names.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(names, expected, "{scopes}");
    }
    let salesforce = element("sfdc", |_| {});
    let token = read(&salesforce, 200, &json!({ "access_token": "at", "instance_url": "https://eu1.salesforce.com" }));
    assert_eq!(token.unwrap().replied.variables["instance_url"], "https://eu1.salesforce.com");
    let form = "access_token=at&refresh_token=&scope=a%2Cb&expires_in=60";
    let token = read_with(&salesforce, 200, "application/x-www-form-urlencoded; charset=utf-8", form).unwrap();
    assert_eq!((token.access_token.expose(), token.lifetime), ("at", Some(60)));
    assert!(token.refresh_token.is_none(), "an empty text is none");
}

#[test]
fn refusals_are_sorted_by_who_can_do_something() {
    let hubspot = element("hubspotcrm", |_| {});
    let fault = |status: u16, body: Value| read(&hubspot, status, &body).unwrap_err();
    let refused = fault(400, json!({ "status": "BAD_AUTH_CODE", "message": "missing or unknown auth code" }));
    let message = Some("missing or unknown auth code".to_owned());
    assert_eq!(
        refused,
        VendorFault::Refused {
            status: 400,
            code: Some("BAD_AUTH_CODE".to_owned()),
            message,
            hint: None,
            terminal: true
        }
    );
    let both = fault(400, json!({ "error": "invalid_client", "status": "BAD_CLIENT_SECRET" }));
    assert!(matches!(both, VendorFault::Configuration { status: 400, .. }), "{both:?}");
    let unknown = fault(403, json!({ "error": "something_new", "error_description": "Ask us." }));
    let message = Some("Ask us.".to_owned());
    assert_eq!(
        unknown,
        VendorFault::Refused {
            status: 403,
            code: Some("something_new".to_owned()),
            message,
            hint: None,
            terminal: false
        }
    );
    for status in [408, 425, 429, 477, 500, 502, 503, 504] {
        let down = fault(status, json!({ "error": "something_new" }));
        assert!(matches!(down, VendorFault::Unavailable { retry_after: Some(3), .. }), "{status}: {down:?}");
    }
    let VendorFault::Strange { at: "token.url", seen, .. } = fault(302, json!({})) else { panic!("no refusal") };
    assert_eq!((seen.status, &seen.redirect), (302, &None));
    // RFC 6749 section 4.1.2.1, with a status that does not fit.
    for (status, code) in
        [(400, "temporarily_unavailable"), (400, "server_error"), (200, "slow_down"), (429, "invalid_grant")]
    {
        let down = fault(status, json!({ "error": code }));
        assert!(matches!(down, VendorFault::Unavailable { .. }), "{status} {code}: {down:?}");
    }
    let inside = fault(200, json!({ "error": "invalid_grant" }));
    assert!(matches!(inside, VendorFault::Refused { status: 200, .. }), "{inside:?}");
    for nonsense in [json!({}), json!([]), json!("at"), json!({ "access_token": "" }), json!({ "access_token": 7 })] {
        assert!(matches!(fault(200, nonsense.clone()), VendorFault::Strange { .. }), "{nonsense}");
    }
    for text in ["", "<html>", "\u{0}"] {
        let outcome = read_with(&hubspot, 200, "text/html", text).unwrap_err();
        assert!(matches!(outcome, VendorFault::Strange { .. }), "{text}");
    }
}

/// One refusal of each place where the element lists it, in what vendors make of it.
#[test]
fn refusals_are_compared_as_what_they_mean() {
    let listing = element("hubspotcrm", |oauth2| {
        oauth2.errors.terminal = ["invalid_grant", "190", "refresh_token_invalidated"].map(str::to_owned).to_vec();
        oauth2.errors.configuration = vec!["invalid_client".to_owned()];
        oauth2.errors.code = vec!["/error".to_owned()];
        oauth2.errors.message = vec!["/error_description".to_owned()];
    });
    let gone = |body: Value| (body, true);
    let other = |body: Value| (body, false);
    for (body, terminal) in [
        gone(json!({ "error": "Invalid_Grant" })),
        gone(json!({ "error": "invalid grant" })),
        // ccpgames/sso-issues #54
        gone(json!({ "error": "invalid_grant: Token is expired or invalid." })),
        // Graph API, "Handling Errors": the code is a number, in an object.
        gone(json!({ "error": { "message": "Session has expired", "type": "OAuthException", "code": 190 } })),
        // lidge-jun/opencodex PR 4737
        gone(
            json!({ "error": { "message": "m", "type": "invalid_request_error", "code": "refresh_token_invalidated" } }),
        ),
        // JSON:API, "Error Objects"
        gone(json!({ "errors": [{ "code": "invalid_grant", "title": "t" }] })),
        gone(json!({ "errors": ["invalid_grant"] })),
        gone(json!({ "data": { "error": "invalid_grant" } })),
        gone(json!({ "fault": { "faultstring": "f", "detail": {}, "code": "invalid_grant" } })),
        other(json!({ "error": "invalid_grants" })),
        other(json!({ "error": "not_invalid_grant" })),
        other(json!({ "error": "failed: invalid_grant" })),
        other(json!({ "error": 1900 })),
        other(json!({ "error_description": "invalid_grant" })),
        other(json!({ "message": "invalid_grant" })),
        other(json!([[[[[[["invalid_grant"]]]]]]])),
    ] {
        for status in [400, 401, 403] {
            let fault = read(&listing, status, &body).unwrap_err();
            assert!(matches!(fault, VendorFault::Refused { terminal: it, .. } if it == terminal), "{body}: {fault:?}");
        }
        // micronaut-projects/micronaut-security #235
        let fault = read(&listing, 500, &body).unwrap_err();
        assert_eq!(matches!(fault, VendorFault::Refused { .. }), terminal, "{body}: {fault:?}");
    }
    let VendorFault::Refused { code, message, .. } =
        read(&listing, 400, &json!({ "error": { "message": "Over.", "code": 190 } })).unwrap_err()
    else {
        panic!()
    };
    assert_eq!((code.as_deref(), message.as_deref()), (Some("190"), Some("Over.")));
    let app = read(&listing, 500, &json!({ "errors": [{ "code": "INVALID-CLIENT" }] })).unwrap_err();
    assert!(matches!(app, VendorFault::Configuration { .. }), "{app:?}");
    // Zero is how some say that there is no error.
    let none = read(&listing, 200, &json!({ "error": 0, "data": { "id": "x" } })).unwrap_err();
    assert!(matches!(none, VendorFault::Strange { .. }), "{none:?}");
}

#[test]
fn what_a_vendor_repeats_of_the_request_is_masked() {
    let hubspot = element("hubspotcrm", |_| {});
    let echo = json!({ "error": "client-secret", "error_description": "no: the code/+ with verifier, client-secret" });
    let VendorFault::Refused { code, message, .. } = read(&hubspot, 400, &echo).unwrap_err() else { panic!() };
    assert_eq!((code.as_deref(), message.as_deref()), (Some("***"), Some("no: *** with ***, ***")));
}
