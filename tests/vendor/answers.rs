//! A vendor speaks to who called it, and to nobody else: what its answer says about addresses, cookies, caches and origins.

use ligand::protocol::answer::withheld::WITHHELD;

use super::{Passthrough, all, run, with_key};
use crate::support::caller::read;
use crate::support::wire::{Arrived, exchange, send};

const FOREIGN: &str = "https://files.example/x";

/// The head of an answer that has these lines, to `GET /vendor/crm/lists`.
async fn head(base: &str, lines: &str) -> (Passthrough, String) {
    let answer = format!("HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n");
    let through = Passthrough::below(base, &[], move |arrived: &Arrived, _| {
        let vendor = arrived.header("host").expect("a host").to_owned();
        send(answer.replace("VENDOR", &vendor))
    })
    .await;
    let reply = exchange(&through.server.url, through.raw("GET /vendor/crm/lists", "", "")).await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    (through, reply)
}

#[test]
fn headers_that_act_on_others_end_here() {
    run(async {
        let lines: String = WITHHELD
            .iter()
            .map(|(name, _)| format!("{name}{}: theirs\r\n", if name.ends_with('-') { "redirect" } else { "" }))
            .collect();
        let more = "cache-control: public, max-age=600\r\ncontent-security-policy: default-src *\r\nx-content-type-options: off\r\n";
        let (_through, reply) = head("", &format!("{lines}{more}x-kept: 1\r\n")).await;
        assert!(!reply.contains("theirs"), "{reply}");
        assert_eq!(all(&reply, "x-kept"), ["1"]);
        assert_eq!(all(&reply, "cache-control"), ["private, max-age=600"]);
        assert_eq!(all(&reply, "content-security-policy"), ["default-src *", "sandbox"]);
        assert_eq!(all(&reply, "x-content-type-options"), ["nosniff"]);
        let (_through, reply) = head("", "").await;
        assert_eq!(all(&reply, "cache-control"), ["private"]);
        assert_eq!(all(&reply, "content-security-policy"), ["sandbox"]);
    });
}

#[test]
fn an_address_leads_through_us_or_elsewhere_and_never_to_what_is_ours() {
    run(async {
        for header in ["location", "content-location", "operation-location", "azure-asyncoperation"] {
            for (base, said, expected) in [
                ("", "/instances", Some("/vendor/instances")),
                ("", "../../instances?after=2", Some("/vendor/instances?after=2")),
                ("", "http://VENDOR/instances", Some("HERE/vendor/instances")),
                ("", FOREIGN, Some(FOREIGN)),
                ("", "HERE/instances", None),
                ("", "https://ligand.example/instances", None),
                ("", "//ligand.example/instances", None),
                ("", "http:/instances", None),
                ("", "/\\ligand.example/instances", None),
                ("", "/..%2finstances", None),
                ("/tenant/42", "/tenant/42/x", Some("/vendor/x")),
                ("/tenant/42", "x", Some("/vendor/crm/x")),
                ("/tenant/42", "/instances", None),
                ("/tenant/42", "../../../../instances", None),
                ("/tenant/42", "/tenant/420/x", None),
            ] {
                let answered = said.to_owned();
                let through = Passthrough::below(base, &[], move |arrived: &Arrived, _| {
                    let (vendor, here) =
                        (arrived.header("host").expect("a host"), arrived.header("x-here").unwrap_or_default());
                    let said = answered.replace("VENDOR", vendor).replace("HERE", here);
                    send(format!("HTTP/1.1 307 Away\r\n{header}: {said}\r\ncontent-length: 0\r\n\r\n"))
                })
                .await;
                let request = through.caller().request_at_root("DELETE", "/vendor/crm/lists");
                let reply = read(request.header("x-here", &through.server.url)).await;
                let expected = expected.map(|text| text.replace("HERE", &through.server.url));
                assert_eq!(reply.header(header), expected.as_deref(), "{said}");
                let ignored = expected.is_none().then_some("vendor_address_ignored");
                assert_eq!(reply.header("elements-error"), ignored, "{said}");
                assert_eq!(reply.status, 307);
            }
        }
    });
}

#[test]
fn links_and_refreshes_are_rewritten_one_by_one() {
    run(async {
        let lines = format!(
            "link: <http://VENDOR/crm/lists?after=2>; rel=\"next\", <{FOREIGN}>; rel=\"file\"\r\n\
             link: <https://ligand.example/instances>; rel=prev, </b>; rel=first\r\nrefresh: 0; url=/console\r\n"
        );
        let (through, reply) = head("", &lines).await;
        let here = &through.server.url;
        let next = format!("<{here}/vendor/crm/lists?after=2>; rel=\"next\", <{FOREIGN}>; rel=\"file\"");
        assert_eq!(all(&reply, "link"), [next.as_str(), "</vendor/b>; rel=first"]);
        assert_eq!(all(&reply, "refresh"), ["0; url=/vendor/console"]);
        assert_eq!(all(&reply, "elements-error"), ["vendor_address_ignored"]);
    });
}

#[test]
fn an_absolute_address_is_written_as_the_caller_wrote_ours() {
    run(async {
        let answer = |arrived: &Arrived, _| {
            let vendor = arrived.header("host").expect("a host");
            send(format!("HTTP/1.1 200 OK\r\nlocation: http://{vendor}/x\r\ncontent-length: 0\r\n\r\n"))
        };
        let through = Passthrough::start(answer).await;
        for (host, more, expected) in [
            ("ligand.example", "", "https://ligand.example/vendor/x"),
            ("ligand.internal:8080", "", "http://ligand.internal:8080/vendor/x"),
            // From a peer that nobody trusts.
            ("ligand.internal", "X-Forwarded-Proto: https\r\n", "http://ligand.internal/vendor/x"),
            ("x/y", "", "https://ligand.example/vendor/x"),
        ] {
            let request = format!(
                "GET /vendor/x HTTP/1.1\r\nHost: {host}\r\nAuthorization: Element {}\r\n{more}\r\n",
                through.token
            );
            let reply = exchange(&through.server.url, request).await;
            if reply.starts_with("HTTP/1.1 400 ") {
                // The framework reads no such host.
                assert_eq!(host, "x/y");
                continue;
            }
            assert_eq!(all(&reply, "location"), [expected], "{host}");
        }
    });
}

/// Whoever keeps cookies knows one host, and all instances are on it.
#[test]
fn a_cookie_belongs_to_the_instance_that_it_was_set_through() {
    run(async {
        let answer = "HTTP/1.1 200 OK\r\nset-cookie: sid=of-a; Path=/crm; HttpOnly; Domain=ligand.example\r\n\
                      set-cookie: __Host-ligand-console=ey; Path=/; Secure\r\nset-cookie: ligand-connect=x\r\ncontent-length: 0\r\n\r\n";
        let through = Passthrough::start(move |_, _| send(answer)).await;
        let other = through.server.caller().post("/instances", &with_key()).await.ok();
        let reply = exchange(&through.server.url, through.raw("GET /vendor/crm/x", "", "")).await;
        let id = through.id;
        assert_eq!(
            all(&reply, "set-cookie"),
            [
                format!("lv{id}-sid=of-a; HttpOnly; Path=/vendor/crm"),
                format!("lv{id}-__Host-ligand-console=ey; Secure; Path=/vendor"),
                format!("lv{id}-ligand-connect=x"),
            ]
        );
        let jar =
            format!("lv{id}-sid=of-a; lv{id}-ligand-connect=x; __Host-ligand-console=ours; theirs=1; lv{}0-a=1", id);
        let token = other["token"].as_str().expect("a token");
        for (token, arrives) in [(through.token.as_str(), vec!["sid=of-a; ligand-connect=x"]), (token, vec![])] {
            let caller = through.server.anonymous().with(&format!("Element {token}"));
            read(caller.request_at_root("GET", "/vendor/crm/x").header("cookie", &jar)).await;
            assert_eq!(through.vendor.last().headers("cookie").collect::<Vec<_>>(), arrives);
        }
    });
}

#[test]
fn nothing_climbs_out_of_the_base_path_and_the_base_itself_can_be_called() {
    run(async {
        let answer = |arrived: &Arrived, _| match arrived.target() {
            "/tenant/42/moved" => {
                send("HTTP/1.1 302 Found\r\nlocation: /tenant/420/secret\r\ncontent-length: 0\r\n\r\n")
            }
            _ => send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        };
        let follows = ("\n[authentication]\n", "\nfollowRedirects = true\n\n[authentication]\n");
        let through = Passthrough::below("/tenant/42", &[follows], answer).await;
        for path in
            ["/../../admin", "/%2e%2e/x", "/..%2f..%2fadmin", "/a/..;/x", "/%252e%252e/x", "/..%5cx", "/a%2f..%2f../x"]
        {
            let reply = exchange(&through.server.url, through.raw(&format!("GET /vendor{path}"), "", "")).await;
            assert!(reply.starts_with("HTTP/1.1 400 "), "{path}: {reply}");
            assert_eq!(all(&reply, "elements-error"), ["bad_parameter"], "{path}");
        }
        assert_eq!(through.arrived().len(), 0);
        for (line, arrives) in [
            ("GET /vendor", "GET /tenant/42 "),
            ("HEAD /vendor", "HEAD /tenant/42 "),
            ("POST /vendor?x=1", "POST /tenant/42?x=1 "),
            ("GET /vendor/", "GET /tenant/42/ "),
            ("GET /vendor/./%2e/a..b?q=../..", "GET /tenant/42/./%2e/a..b?q=../.. "),
        ] {
            exchange(&through.server.url, through.raw(line, "", "")).await;
            assert!(through.vendor.last().head.starts_with(arrives), "{line}: {}", through.vendor.last().head);
        }
        exchange(&through.server.url, through.raw("GET /vendor/moved", "", "")).await;
        assert_eq!(through.vendor.last().target(), "/tenant/42/moved");
        let through = Passthrough::start(answer).await;
        for (line, arrives) in
            [("GET /vendor", "GET / "), ("GET /vendor?x", "GET /?x "), ("GET /vendor/../x", "GET /../x ")]
        {
            exchange(&through.server.url, through.raw(line, "", "")).await;
            assert!(through.vendor.last().head.starts_with(arrives), "{line}: {}", through.vendor.last().head);
        }
        let beside = exchange(&through.server.url, through.raw("GET /vendorx", "", "")).await;
        assert!(beside.starts_with("HTTP/1.1 404 ") || beside.starts_with("HTTP/1.1 401 "), "{beside}");
    });
}
