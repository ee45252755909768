//! From bytes to meaning, in both directions: what vendors answer, and what callers send.

use std::io::Write as _;

use chrono::TimeDelta;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use ligand::kernel::clock::{Clock as _, api_date};
use serde_json::{Value, json};

use super::console::person::{ORIGIN, Person};
use super::hubs::{connected, hubspot};
use crate::support::caller::{Reply, read, with_code, with_key};
use crate::support::server::{PASSWORD, Setup, run_with};
use crate::support::vendor::Vendor;
use crate::support::{Caller, on_both};

fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_ref()).expect("a vector takes it");
    packed.finish().expect("a vector takes it")
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text).expect("a vector takes it");
    packed.finish().expect("a vector takes it")
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

const FORM: &str = "access_token=at-1&refresh_token=rt-1&expires_in=600&hub_id=62515";
const OBJECT: &str = r#"{"access_token":"at-1","refresh_token":"rt-1","expires_in":600,"hub_id":62515}"#;

/// Token replies, with who sends such.
fn replies() -> Vec<(&'static str, Vec<u8>)> {
    let named = |name: &[u8]| [OBJECT.trim_end_matches('}').as_bytes(), b",\"user\":\"", name, b"\"}"].concat();
    vec![
        // golang/oauth2 pull request 542 (Deezer)
        ("content-type: text/html\r\n", FORM.into()),
        // freizl/hoauth2 issue 47 (Stack Exchange)
        ("content-type: text/plain;charset=UTF-8\r\n", FORM.into()),
        // RFC 9110 section 8.3: a type may be missing.
        ("", FORM.into()),
        ("content-type: Application/X-WWW-Form-UrlEncoded\r\n", FORM.into()),
        ("content-type: application/x-www-form-urlencoded\r\n", OBJECT.into()),
        // DollhouseMCP/mcp-server issue 2520
        ("content-type: application/json\r\n", ["\u{feff}", OBJECT].concat().into()),
        ("content-type: application/json; charset=utf-16\r\n", utf_16(OBJECT)),
        ("content-type: application/json; charset=ISO-8859-1\r\n", named(b"M\xFCller")),
        ("content-type: application/json\r\n", named(b"M\xFCller")),
        // RFC 8259 section 8.2
        ("content-type: application/json\r\n", named(br"cut \ud83d")),
        // modelcontextprotocol/typescript-sdk issue 2408, hybridauth/hybridauth issue 240
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", gzip(OBJECT)),
        ("content-type: application/json\r\n", gzip(OBJECT)),
        // RFC 9110 section 8.4.1.2
        ("content-type: application/json\r\ncontent-encoding: deflate\r\n", deflate(OBJECT.as_bytes())),
        ("content-type: text/html\r\ncontent-encoding: deflate, gzip\r\n", gzip(deflate(FORM.as_bytes()))),
        ("content-type: application/json\r\ncontent-encoding: utf-8\r\n", OBJECT.into()),
        ("content-type: application/json\r\ncontent-encoding: gzip\r\n", OBJECT.into()),
    ]
}

on_both!(no_token_is_lost_to_the_bytes_of_its_reply, in |database| {
    let vendor = Vendor::start();
    let elements = hubspot(&vendor);
    let setup = Setup { elements: Some(elements.path().to_owned()), ..Setup::default() };
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        let body = |code: &str| {
            let mut body = with_code("Mine", code);
            body["element"]["key"] = json!("ourcrm");
            body
        };
        let mut last = Value::Null;
        for (number, (headers, bytes)) in replies().into_iter().enumerate() {
            vendor.answers_in_bytes("/token", 200, headers, bytes);
            last = caller.post("/instances", &body(&format!("code-{number}"))).await.ok();
            assert_eq!(last["expiresAt"], "2026-03-01T12:10:00Z", "{headers}");
            assert_eq!(last["vendorAccount"]["id"], "62515", "{headers}");
        }
        // What is rotated could not be had again.
        let path = format!("/instances/{}?refresh=true", last["id"]);
        for (headers, bytes) in replies() {
            vendor.answers_in_bytes("/token", 200, headers, bytes);
            server.advance(TimeDelta::minutes(1));
            let reply = caller.get(&path).await;
            assert_eq!((reply.ok()["valid"].clone(), reply.header("elements-error")), (json!(true), None), "{headers}");
            assert_eq!(reply.ok()["lastRefreshAt"], api_date(server.clock.now()), "{headers}");
        }
        // A refusal is one in any dress, too.
        let refused = r#"{"status":"BAD_REFRESH_TOKEN","message":"it is gone"}"#;
        vendor.answers_in_bytes("/token", 400, "content-type: text/html\r\ncontent-encoding: gzip\r\n", gzip(refused));
        server.advance(TimeDelta::minutes(1));
        let told = caller.get(&path).await.ok();
        assert!(told["invalidReason"].as_str().is_some_and(|reason| reason.contains("it is gone")), "{told}");
        let bomb = gzip(vec![b' '; 2 << 20]);
        vendor.answers_in_bytes("/token", 200, "content-encoding: gzip\r\n", bomb);
        caller.post("/instances", &body("a-bomb")).await.fails(502, "vendor_answer");
    });
});

on_both!(other_replies_are_read_alike, in |database| {
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        let vendor = Vendor::start();
        let (_server, caller, _) = connected(database, &vendor).await;
        let contacts = br#"{"results":[{"id":"1","properties":{"name":"M"#;
        let rest = br#"ller"}}],"total":1}"#;
        let list = |name: &[u8]| [contacts, name, rest].concat();
        for (headers, bytes, name) in [
            ("content-type: application/json;charset=latin1\r\n", list(b"\xFC"), "M\u{fc}ller"),
            ("content-type: application/json\r\n", list(b"\xFC"), "M\u{fffd}ller"),
            ("", [b"\xEF\xBB\xBF".to_vec(), list("\u{fc}".as_bytes())].concat(), "M\u{fc}ller"),
            ("content-encoding: gzip\r\n", gzip(list("\u{fc}".as_bytes())), "M\u{fc}ller"),
        ] {
            vendor.answers_in_bytes("/crm/v3/objects/contacts", 200, headers, bytes);
            let found = caller.get("/hubs/crm/contacts").await.ok();
            assert_eq!(found[0]["properties"]["name"], name, "{headers}");
        }
        let words = gzip(r#"{"message":"no such thing"}"#);
        vendor.answers_in_bytes("/crm/v3/objects/contacts/9", 404, "content-encoding: gzip\r\n", words);
        assert!(caller.get("/hubs/crm/contacts/9").await.fails(404, "vendor_not_found").contains("no such thing"));

        // Which account a key is of: told by the verification.
        let details = gzip(r#"{"portalId":77}"#);
        let mut body = with_key("Key");
        body["element"]["key"] = json!("ourcrm");
        vendor.answers_in_bytes("/account-info/v3/details", 200, "content-encoding: x-gzip\r\n", details);
        assert_eq!(caller.post("/instances", &body).await.ok()["vendorAccount"]["id"], "77");
    });
    runtime.shutdown_background();
});

async fn create(caller: &Caller, headers: &[(&str, &str)], body: Vec<u8>) -> Reply {
    let request = caller.request("POST", "/instances").body(body);
    read(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

on_both!(callers_bodies_are_read_as_they_come, |server| async move {
    let caller = server.caller();
    let text = with_key("M\u{fc}ller").to_string();
    let json = ("content-type", "application/json");
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (headers, body) in [
        // RFC 8259 section 8.1: who parses may pass over a mark.
        (vec![json], ["\u{feff}", text.as_str()].concat().into_bytes()),
        (vec![json], utf_16(&["\u{feff}", text.as_str()].concat())),
        (vec![("content-type", "application/json; charset=utf-16")], utf_16(&text)),
        (vec![("content-type", "application/json; charset=iso-8859-1")], latin.clone()),
        (vec![json, ("content-encoding", "gzip")], gzip(&text)),
        (vec![json, ("content-encoding", "deflate")], deflate(text.as_bytes())),
        (vec![json, ("content-encoding", "identity")], text.clone().into_bytes()),
        (vec![json, ("content-encoding", "gzip")], gzip(utf_16(&text))),
        // A charset in the place of a coding, and codings that nobody has applied.
        (vec![json, ("content-encoding", "UTF-8")], text.clone().into_bytes()),
        (vec![json, ("content-encoding", "UTF-8")], ["\u{feff}\r\n ", text.as_str()].concat().into_bytes()),
        (vec![json, ("content-encoding", "br")], text.clone().into_bytes()),
        (vec![json, ("content-encoding", "deflate")], text.clone().into_bytes()),
        (vec![json, ("content-encoding", "zstd")], utf_16(&["\u{feff}", text.as_str()].concat())),
        (
            vec![("content-type", "application/json; charset=iso-8859-1"), ("content-encoding", "iso-8859-1")],
            latin.clone(),
        ),
    ] {
        assert_eq!(create(&caller, &headers, body).await.ok()["name"], "M\u{fc}ller", "{headers:?}");
    }
    let packed = [json, ("content-encoding", "gzip")];
    create(&caller, &[json], latin).await.fails(400, "bad_body");
    create(&caller, &packed, gzip(&text)[..20].to_vec()).await.fails(400, "bad_body");
    create(&caller, &packed, gzip(vec![b' '; (1 << 20) + 1])).await.fails(413, "body_too_large");
    for body in [gzip(&text), b"plain".to_vec()] {
        let unknown = create(&caller, &[json, ("content-encoding", "compress")], body).await;
        assert!(unknown.fails(415, "unsupported_media_type").contains("gzip"));
    }
    create(&caller, &[json, ("content-encoding", "deflate")], b"plain".to_vec()).await.fails(400, "bad_body");

    // Hubs, with bodies that no extractor reads.
    let token = caller.create_with_key("Hub").await["token"].as_str().expect("a token").to_owned();
    let contact = json!({ "properties": { "email": "m@example.com", "firstname": "M\u{fc}ller" } }).to_string();
    let request = caller.with_element(&token).request("POST", "/hubs/crm/contacts");
    let request = request.header("content-type", "application/json").header("content-encoding", "gzip");
    let made = read(request.body(gzip(utf_16(&contact)))).await.ok();
    assert_eq!(made["properties"]["firstname"], "M\u{fc}ller");

    // Forms.
    let mut person = Person::nobody(&server);
    person.shown("/console/sign-in").await;
    let fields = [("token", person.token.as_str()), ("email", "admin@example.com"), ("password", PASSWORD)];
    let fields = serde_urlencoded::to_string(fields).expect("plain texts");
    let request = person.request("POST", "/console/sign-in").header("origin", ORIGIN);
    let request = request.header("sec-fetch-site", "same-origin").header("content-encoding", "gzip");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let signed_in = read(request.body(gzip(["\u{feff}", fields.as_str()].concat()))).await;
    assert_eq!((signed_in.status, signed_in.header("location")), (303, Some("/console")), "{signed_in:?}");
});
