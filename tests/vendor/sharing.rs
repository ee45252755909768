//! Calls of several instances over the same connections to a vendor that makes mistakes.

use std::sync::atomic::Ordering;

use super::{Passthrough, run};
use crate::support::wire::{exchange, json};

/// A vendor that passes over the content of a GET takes it for the next request, and answers the next caller with that.
#[test]
fn a_connection_ends_behind_content_that_its_method_does_not_define() {
    run(async {
        let through = Passthrough::start(|_, _| json("{}")).await;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: v\r\n\r\n";
        let length = format!("Content-Length: {}\r\n", smuggled.len());
        let chunks = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
        for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PURGE", "PROPFIND"] {
            exchange(&through.server.url, through.raw(&format!("{method} /vendor/x"), &length, smuggled)).await;
            through.vendor_is_left_alone().await;
            let chunked = "Transfer-Encoding: chunked\r\n";
            exchange(&through.server.url, through.raw(&format!("{method} /vendor/x"), chunked, &chunks)).await;
            through.vendor_is_left_alone().await;
        }
        assert_eq!(through.arrived().len(), 12);
        // The verification's own is open, too.
        let before = through.vendor.open.load(Ordering::SeqCst);
        for line in ["GET /vendor/x", "DELETE /vendor/x"] {
            exchange(&through.server.url, through.raw(line, "", "")).await;
            assert!(through.vendor.open.load(Ordering::SeqCst) > before, "{line}");
        }
        for line in ["POST /vendor/x", "PUT /vendor/x", "PATCH /vendor/x"] {
            exchange(&through.server.url, through.raw(line, &length, smuggled)).await;
            assert!(through.vendor.open.load(Ordering::SeqCst) > before, "{line}");
        }
    });
}

/// CGI, WSGI and Rack know `X_Api_Key` and `X-Api-Key` by one name.
#[test]
fn a_header_that_a_vendor_could_take_for_ours_does_not_travel() {
    run(async {
        let basic = r#"placement = { in = "basic", username = "{credential}", password = "" }"#;
        let key = (basic, r#"placement = { in = "header", name = "X-Api-Key" }"#);
        let version = ("[authentication]\n", "[headers]\nX_Version = \"7\"\n[authentication]\n");
        let through = Passthrough::with(&[key, version], |_, _| json("{}")).await;
        let headers = "Transfer_Encoding: chunked\r\nContent_Length: 99\r\nHOST_: x\r\nHost_Name: kept\r\nX_Api_Key: stolen\r\n\
                       X_Api-Key: stolen\r\nX-Version: 8\r\nCookie_: kept\r\nProxy_Authorization: x\r\nX_Custom: kept\r\n";
        exchange(&through.server.url, through.raw("GET /vendor/x", headers, "")).await;
        let arrived = through.vendor.last();
        for absent in
            ["transfer_encoding", "content_length", "x_api_key", "x_api-key", "x-version", "proxy_authorization"]
        {
            assert!(arrived.header(absent).is_none(), "{absent}: {}", arrived.head);
        }
        assert_eq!((arrived.header("x-api-key"), arrived.header("x_version")), (Some("the key"), Some("7")));
        for kept in ["host_name", "x_custom", "cookie_"] {
            assert_eq!(arrived.header(kept), Some("kept"), "{kept}");
        }
    });
}
