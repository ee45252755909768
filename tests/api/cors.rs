//! Pages of other origins (Fetch standard; docs/api.md, Headers).

use crate::support::caller::read;
use crate::support::server::{Setup, run_with};
use crate::support::{Database, Reply, TestServer, on_sqlite};
use ligand::http::CorsOrigins;

const LISTED: &str = "https://app.example";
const EXPOSED: &str = "Elements-Returned-Count, Elements-Total-Count, Elements-Request-Id, Elements-Next-Page-Token, \
                       Elements-Trace-Id, Elements-Error, Content-Disposition";

async fn preflight(server: &TestServer, path: &str, origin: &str, method: &str) -> Reply {
    let request = server.anonymous().request("OPTIONS", path).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    read(request.header("access-control-request-headers", "authorization,content-type")).await
}

async fn get(server: &TestServer, path: &str, origin: &str) -> Reply {
    read(server.anonymous().request("GET", path).header("origin", origin)).await
}

fn allowed_origin(reply: &Reply) -> Option<&str> {
    reply.header("access-control-allow-origin")
}

on_sqlite!(a_listed_page_may_create_instances, |server| async move {
    for path in ["/instances", "/elements/hubspotcrm/instances", "/instances/"] {
        let reply = preflight(&server, path, LISTED, "POST").await;
        assert_eq!((reply.status, reply.text.as_str()), (200, ""));
        assert_eq!(allowed_origin(&reply), Some(LISTED));
        let methods = reply.header("access-control-allow-methods").unwrap();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            assert!(methods.split(", ").any(|allowed| allowed == method), "{methods}");
        }
        let headers = reply.header("access-control-allow-headers").unwrap().to_lowercase();
        for header in ["authorization", "content-type", "idempotency-key", "elements-version"] {
            assert!(headers.split(", ").any(|allowed| allowed == header), "{headers}");
        }
        assert!(reply.header("access-control-max-age").unwrap().parse::<u32>().unwrap() > 0);
        assert_eq!(reply.header("elements-request-id").unwrap().len(), 24);
        assert!(reply.header("vary").unwrap().contains("Origin"));
    }
});

on_sqlite!(a_foreign_page_gets_nothing, |server| async move {
    let foreign = ["https://evil.example", "http://app.example", "https://app.example:444", "https://sub.app.example"];
    let dressed = ["null", "https://app.example.evil.example", "HTTPS://APP.EXAMPLE", "http://localhost:3000"];
    for origin in foreign.into_iter().chain(dressed) {
        let reply = preflight(&server, "/instances", origin, "POST").await;
        reply.fails(405, "method_not_allowed");
        assert_eq!(reply.header("access-control-allow-methods"), None);
        assert_eq!(reply.header("access-control-allow-headers"), None);
        assert_eq!(allowed_origin(&reply), None, "{origin}");
        let reply = get(&server, "/elements", origin).await;
        assert_eq!((reply.status, allowed_origin(&reply)), (200, None), "{origin}");
    }
});

on_sqlite!(exposed_headers_are_named_whenever_an_origin_is_sent, |server| async move {
    for origin in [LISTED, "https://evil.example", "null"] {
        for path in ["/elements", "/instances", "/nothing"] {
            let reply = get(&server, path, origin).await;
            assert_eq!(reply.header("access-control-expose-headers"), Some(EXPOSED), "{origin} {path}");
        }
        let reply = preflight(&server, "/instances", origin, "POST").await;
        assert_eq!(reply.header("access-control-expose-headers"), Some(EXPOSED));
    }
    let reply = server.anonymous().get("/elements").await;
    assert_eq!(reply.header("access-control-expose-headers"), None);
    assert_eq!(allowed_origin(&reply), None);
});

on_sqlite!(a_page_may_read_failures_too, |server| async move {
    for (path, status) in [("/instances", 401), ("/nothing", 404), ("/elements?pageSize=0", 400)] {
        let reply = get(&server, path, LISTED).await;
        assert_eq!((reply.status, allowed_origin(&reply)), (status, Some(LISTED)), "{path}");
    }
});

// Shared caches must not give one page's answer to another.
on_sqlite!(answers_vary_by_origin_even_without_one, |server| async move {
    assert_eq!(server.anonymous().get("/elements").await.header("vary"), Some("Origin"));
    assert_eq!(get(&server, "/elements", LISTED).await.header("vary"), Some("Origin"));
});

on_sqlite!(options_without_a_preflight_is_an_ordinary_request, |server| async move {
    let reply = read(server.anonymous().request("OPTIONS", "/instances").header("origin", LISTED)).await;
    reply.fails(405, "method_not_allowed");
    let reply = read(server.anonymous().request("OPTIONS", "/instances")).await;
    reply.fails(405, "method_not_allowed");
});

#[test]
fn the_sandbox_lets_pages_of_this_machine_in() {
    let setup = Setup { cors: CorsOrigins { listed: Vec::new(), localhost: true }, ..Setup::default() };
    run_with(Database::sqlite(), setup, |server: TestServer| async move {
        for origin in ["http://localhost", "http://localhost:3000", "https://localhost:8443", "http://127.0.0.1:5173"] {
            assert_eq!(allowed_origin(&get(&server, "/elements", origin).await), Some(origin));
            assert_eq!(preflight(&server, "/instances", origin, "POST").await.status, 200);
        }
        assert_eq!(allowed_origin(&get(&server, "/elements", "http://[::1]:3000").await), Some("http://[::1]:3000"));
        let foreign = ["http://localhost.evil.example", "http://localhost@evil.example", "https://evil.example"];
        let broken = ["null", "http://localhost:3000/", "http://localhost:80", "localhost:3000", "http://10.0.0.1"];
        for origin in foreign.into_iter().chain(broken) {
            assert_eq!(allowed_origin(&get(&server, "/elements", origin).await), None, "{origin}");
        }
    });
}
