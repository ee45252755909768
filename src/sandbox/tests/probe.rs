use super::*;
use crate::kernel::entropy::hex_of;
use sha2::{Digest as _, Sha256};

#[actix_web::test]
async fn the_echo_shows_what_arrived() {
    let vendor = Vendor::new();
    let request = TestRequest::with_uri("/test/echo/a%2Fb//c/?x=%20+&x=2&&y")
        .method(Method::PUT)
        .append_header(("x-two", "b"))
        .append_header(("x-two", "a"))
        .set_payload("hello");
    let body = vendor.send(request).await.json();
    assert_eq!((&body["method"], &body["target"]), (&json!("PUT"), &json!("/test/echo/a%2Fb//c/?x=%20+&x=2&&y")));
    assert_eq!((&body["length"], &body["sha256"]), (&json!(5), &json!(hex_of(&Sha256::digest("hello")))));
    assert_eq!(body["headers"], json!([["content-length", "5"], ["x-two", "b"], ["x-two", "a"]]));
}

#[actix_web::test]
async fn bytes_are_made_and_swallowed() {
    let vendor = Vendor::new();
    let expected: Vec<u8> = (0..=250).cycle().take(100_000).collect();
    let app = init_service(actix_web::App::new().configure(configure(vendor.sandbox.clone()))).await;
    for path in ["/test/bytes?size=100000", "/test/bytes?size=100000&chunked=true"] {
        let reply = call_service(&app, TestRequest::with_uri(path).to_request()).await;
        assert!(read_body(reply).await == expected, "{path}");
    }
    let reply = vendor.send(TestRequest::post().uri("/test/sink").set_payload(expected.clone())).await.json();
    assert_eq!((&reply["length"], &reply["sha256"]), (&json!(100_000), &json!(hex_of(&Sha256::digest(&expected)))));
    let flow = vendor.sandbox.flow();
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!((read(&flow.sent), read(&flow.received), read(&flow.open)), (200_000, 100_000, 0));
}

#[actix_web::test]
async fn headers_are_repeated_and_a_known_tag_is_not_sent_again() {
    let vendor = Vendor::new();
    let reply = vendor.get("/test/headers").await;
    let links: Vec<_> = reply.headers.get_all("link").collect();
    assert_eq!((links.len(), reply.json()), (2, json!({"greeting": "Grüße"})));
    let tag = reply.header("etag");
    let again = vendor.send(TestRequest::with_uri("/test/headers").insert_header(("if-none-match", tag))).await;
    assert_eq!((again.status, again.text.as_str(), again.header("etag")), (304, "", tag));
    let moved = vendor.get("/test/status/302?location=http%3A%2F%2Flocalhost%2F&x-a=1&x-a=2").await;
    assert_eq!((moved.status, moved.header("location")), (302, "http://localhost/"));
    assert_eq!(moved.headers.get_all("x-a").count(), 2);
}
