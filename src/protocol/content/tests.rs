//! Bodies as vendors and callers send them, each with who was seen to.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use super::{Packed, is_plain, json, seems_unpacked, text, unpacked};

fn token() -> Value {
    json!({ "access_token": "at-1", "expires_in": "3600" })
}

#[test]
fn the_content_type_decides_nothing_alone() {
    let form = b"access_token=at-1&expires_in=3600";
    let object = br#"{"access_token":"at-1","expires_in":"3600"}"#;
    for content_type in [
        // golang/oauth2 pull request 542 (Deezer), freizl/hoauth2 issue 47 (Stack Exchange), oauthlib/oauthlib issue 267
        "text/html",
        "text/plain;charset=UTF-8",
        "",
        // RFC 9110 section 8.3.1: media types have no case.
        "Application/X-WWW-Form-UrlEncoded",
        "application/json",
    ] {
        assert_eq!(json(form, content_type), Some(token()), "{content_type}");
        assert_eq!(json(object, content_type), Some(token()), "{content_type}");
    }
    let typed = "application/x-www-form-urlencoded";
    assert_eq!(json(object, typed), Some(token()), "JSON under a form's type");
    assert_eq!(json(b"[1]", typed), Some(json!([1])));
    assert_eq!(json(b"", typed), None);
    // The type still tells where the text does not.
    assert_eq!(json(b"a name=x y", typed), Some(json!({ "a name": "x y" })));
    assert_eq!(json(b"a=%C3%BC+%26&b", "text/html"), Some(json!({ "a": "\u{fc} &", "b": "" })));
    for content_type in ["text/html", "text/plain", ""] {
        let spaced = json(b"access_token=at-1&scope=read write&expires_in=3600", content_type).expect("a form");
        let read = [&spaced["access_token"], &spaced["scope"], &spaced["expires_in"]];
        assert_eq!(read, ["at-1", "read write", "3600"], "{content_type}");
        for text in ["a sentence=1&b=2", "a=1 2", "a=1 2&", "a=1 2&b", "a=1 2&=3", "a=1\n2&b=3"] {
            assert_eq!(json(text.as_bytes(), content_type), None, "{text}");
        }
    }
    for text in ["<html><a href=\"?x=1\"></html>", "Notice: x = 1", "a sentence", "<?xml version=\"1.0\"?><a b=\"c\"/>"]
    {
        assert_eq!(json(text.as_bytes(), "text/html"), None, "{text}");
    }
    for (value, parsed) in [("\"at=1\"", json!("at=1")), ("7", json!(7)), ("null", json!(null))] {
        assert_eq!(json(value.as_bytes(), "text/html"), Some(parsed));
    }
}

#[test]
fn marks_and_charsets_tell_what_bytes_mean() {
    let said = "{\"name\":\"M\u{fc}ller\"}";
    let expected = Some(json!({ "name": "M\u{fc}ller" }));
    let utf_16 = |big: bool| -> Vec<u8> {
        said.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let latin: Vec<u8> = said.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let with = |mark: &[u8], text: &[u8]| [mark, text].concat();
    for (bytes, content_type) in [
        // RFC 8259 section 8.1 lets a parser pass over the mark (DollhouseMCP/mcp-server issue 2520).
        (with(&[0xEF, 0xBB, 0xBF], said.as_bytes()), "application/json"),
        (with(&[0xFF, 0xFE], &utf_16(false)), "application/json"),
        (with(&[0xFE, 0xFF], &utf_16(true)), "application/json; charset=utf-8"),
        // RFC 4627 section 3: told by the empty bytes.
        (utf_16(false), "application/json"),
        (utf_16(true), "text/plain; charset=\"UTF-16\""),
        (latin.clone(), "application/json;charset=ISO-8859-1"),
        (latin.clone(), "text/html; a=b; Charset = \"latin1\""),
        // Declared by a framework's default (Jakarta Servlet 4.0 section 5.5), written in UTF-8.
        (said.as_bytes().to_vec(), "application/json; charset=ISO-8859-1"),
        (said.as_bytes().to_vec(), "application/json; charset=utf-16"),
        (with(b" \r\n", &with(said.as_bytes(), b"\0\n")), "text/html"),
    ] {
        assert_eq!(json(&bytes, content_type), expected, "{content_type} {bytes:?}");
    }
    // ISO-2022-JP is ASCII but for its escapes (RFC 1468).
    assert_eq!(text(b"\x1b$B$\"\x1b(B", "text/plain; charset=iso-2022-jp"), "\u{3042}");
    assert_eq!(text(b"a=%FC", "x; charset=latin1"), "a=%FC");
    assert_eq!(json(b"a=%FC", "application/x-www-form-urlencoded; charset=latin1"), Some(json!({ "a": "\u{fc}" })));
    assert!(is_plain(said.as_bytes(), None) && is_plain(b"", Some("UTF8")) && is_plain(b"{", Some("no such")));
    assert!(!is_plain(&utf_16(true), None) && !is_plain(&latin, Some("latin1")));
}

#[test]
fn what_is_wrong_in_a_name_costs_nothing_else() {
    let named = |name: &[u8]| [br#"{"access_token":"at-1","name":""#, name, br#"","expires_in":"3600"}"#].concat();
    for (name, read) in [
        (&b"M\xFCller"[..], "M\u{fffd}ller"),
        // RFC 8259 section 8.2: half a pair, of a name that JavaScript's `slice` cut.
        (br"cut \ud83d", "cut \u{fffd}"),
        (br"\udE00 \uD83D\uDE00 \ud83dx", "\u{fffd} \u{1f600} \u{fffd}x"),
        // RFC 8259 section 7: line ends must be escaped, and are not where JSON is put together by hand.
        (b"two\nlines\t\x01", "two\nlines\t\u{1}"),
        // JavaScript's escapes (ECMA-262 section 12.9.4).
        (br"O\'Neil \x41 \u12", "O'Neil x41 u12"),
        (br#"\\ \" \u00fc \n"#, "\\ \" \u{fc} \n"),
    ] {
        let value = json(&named(name), "application/json").expect("it is read");
        assert_eq!((&value["access_token"], &value["expires_in"]), (&json!("at-1"), &json!("3600")));
        assert_eq!(value["name"], read);
    }
    for broken in [&b"{\"a\":\"\\"[..], b"{\"a\":\"\\u", b"{\"a\":\"\\ud83d\\", b"{\"a\":1", b"{\xFF}", b"{'a':1}"] {
        assert_eq!(json(broken, "application/json"), None, "{broken:?}");
    }
}

fn packed(text: &[u8]) -> [(&'static str, Vec<u8>); 5] {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).unwrap();
    zlib.write_all(text).unwrap();
    bare.write_all(text).unwrap();
    let gzip = gzip.finish().unwrap();
    [
        ("gzip", gzip.clone()),
        ("X-GZIP", gzip),
        ("deflate", zlib.finish().unwrap()),
        // RFC 9110 section 8.4.1.2: some send it without the zlib wrapper.
        ("deflate", bare.finish().unwrap()),
        ("zstd", ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)),
    ]
}

/// `{"a":1}` as Node 22 packs it.
const BROTLI: &[u8] = &[0x0B, 0x03, 0x80, 0x7B, 0x22, 0x61, 0x22, 0x3A, 0x31, 0x7D, 0x03];

#[test]
fn what_is_packed_is_unpacked() {
    let said = b"{\"a\":1}";
    for (coding, bytes) in packed(said) {
        assert_eq!(unpacked(&bytes, coding, 100).unwrap().as_ref(), said, "{coding}");
        assert_eq!(unpacked(&bytes, &format!("identity, {coding}"), 7).unwrap().as_ref(), said, "{coding}");
        let (_, twice) = &packed(&bytes)[2];
        assert_eq!(unpacked(twice, &format!("{coding}, deflate"), 100).unwrap().as_ref(), said, "{coding}");
    }
    assert_eq!(unpacked(BROTLI, "br", 100).unwrap().as_ref(), said);
    let [(_, gzip), .., (_, zstd)] = packed(said);
    for bytes in [&gzip, &zstd] {
        // modelcontextprotocol/typescript-sdk issue 2408: packed by somebody on the way, without a word.
        assert_eq!(unpacked(bytes, "", 100).unwrap().as_ref(), said);
    }
    for coding in ["gzip", "zstd", "x-gzip", "", "identity"] {
        // Unpacked on the way, and the header left.
        assert_eq!(unpacked(said, coding, 100).unwrap().as_ref(), said, "{coding}");
    }
    assert_eq!(unpacked(b"", "br", 100).unwrap().as_ref(), b"", "a reply to HEAD, a 304");
}

#[test]
fn what_is_packed_does_not_unpack_to_more_than_there_is_room_for() {
    let bomb = vec![b' '; 1 << 20];
    for (coding, bytes) in packed(&bomb) {
        assert!(bytes.len() < 1 << 16, "{coding}");
        assert_eq!(unpacked(&bytes, coding, (1 << 20) - 1), Err(Packed::TooLarge), "{coding}");
        assert_eq!(unpacked(&bytes, coding, 1 << 20).unwrap().len(), 1 << 20, "{coding}");
        let (_, twice) = &packed(&bytes)[0];
        assert_eq!(unpacked(twice, &format!("{coding}, gzip"), 1 << 19), Err(Packed::TooLarge), "{coding}");
    }
    let (_, gzip) = &packed(b"text")[0];
    assert_eq!(unpacked(&gzip[..gzip.len() - 9], "gzip", 100), Err(Packed::Broken));
    assert_eq!(unpacked(b"plain", "deflate", 100), Err(Packed::Broken));
    // Nothing at all, in large windows of 24 and of 30 bits.
    for large_window in [[0x11, 0xD8], [0x11, 0xDE]] {
        assert_eq!(unpacked(&large_window, "br", 100), Err(Packed::Broken), "{large_window:?}");
    }
    for unknown in ["utf-8", "aws-chunked", "gzip, gzip, gzip, gzip"] {
        assert_eq!(unpacked(gzip, unknown, 100), Err(Packed::Unknown), "{unknown}");
    }
}

#[test]
fn what_is_written_in_the_clear_is_known_as_such() {
    let clear =
        [&b"{\"a\":1}"[..], b"\xEF\xBB\xBF \r\n[1]", b"a=1&b=%20", b"{\0\"\0a\0", b"a=1 2&b=3", b"{\"a\":\"\t\""];
    for bytes in clear {
        assert!(seems_unpacked(bytes, None), "{bytes:?}");
    }
    assert!(seems_unpacked(b"{\"a\":\"\xFC\"}", Some("latin1")) && !seems_unpacked(b"{\"a\":\"\xFC\"}", None));
    for bytes in [&b""[..], b"text", b"<a b=\"c\">", b"{\x03\x01", BROTLI] {
        assert!(!seems_unpacked(bytes, None), "{bytes:?}");
    }
    for (coding, bytes) in packed(b"{\"a\":1}") {
        assert!(!seems_unpacked(&bytes, Some("latin1")), "{coding}");
    }
}
