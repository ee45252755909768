//! Calls to vendors through `LIGAND_OUTBOUND_PROXY`: by CONNECT, with the proxy's own credential, and under the same guard.

use serde_json::json;

use crate::support::caller::{read, with_key};
use crate::support::forward_proxy::ForwardProxy;
use crate::support::server::Setup;
use crate::support::vendor::{Vendor, elements};
use crate::support::{Caller, Database, Reply, TestServer};

/// `operator`, `p@ss+1`
const USER: &str = "operator:p%40ss+1";
const PROXY_AUTHORIZATION: &str = "proxy-authorization: basic b3blcmf0b3i6cebzcysx";

fn by_address(proxy: &ForwardProxy) -> String {
    format!("http://{USER}@{}", proxy.address)
}

/// A caller with the token of an instance whose vendor is at `base`, on a server with the proxy.
async fn connected(proxy: String, base: &str, verified: bool) -> (TestServer, Caller) {
    let base_url = format!("baseUrl = \"{base}\"");
    let mut changes = vec![
        ("id = 168", "id = 10000"),
        ("key = \"hubspotcrm\"", "key = \"ourcrm\""),
        ("baseUrl = \"https://api.hubapi.com\"", base_url.as_str()),
    ];
    if !verified {
        // An instance is made without a call.
        changes.push(("[verification]\npath = \"/account-info/v3/details\"\naccount = [\"/portalId\"]", ""));
        changes.push(("verification = \"/portalId\"", ""));
    }
    let directory = elements(&[("hubspotcrm", &changes)]);
    // Only a vendor on this machine needs it; the proxy does not.
    let allow_loopback = base.starts_with("http://127.");
    let elements = Some(directory.path().to_owned());
    let setup = Setup { elements, proxy: Some(proxy), allow_loopback, ..Setup::default() };
    let server = TestServer::start(Database::sqlite(), setup).await;
    let mut body = with_key("Behind a proxy");
    body["element"]["key"] = json!("ourcrm");
    let created = server.caller().post("/instances", &body).await.ok();
    let caller = server.caller().with_element(created["token"].as_str().expect("a token"));
    (server, caller)
}

async fn through_vendor(caller: &Caller) -> Reply {
    read(caller.request_at_root("GET", "/vendor/crm/v3/objects/deals/7?limit=1")).await
}

/// What the proxy was asked, without the case of headers.
fn asked(proxy: &ForwardProxy) -> Vec<String> {
    proxy.asked().iter().map(|head| head.to_lowercase()).collect()
}

#[test]
fn calls_go_through_the_proxy_and_arrive() {
    super::run(async {
        let (proxy, vendor) = (ForwardProxy::start(), Vendor::start());
        vendor.answers("/account-info/v3/details", 200, json!({ "portalId": 1 }));
        let (_server, caller) = connected(by_address(&proxy), &format!("http://{}", vendor.address), true).await;
        // The verification is in the clear, so the proxy gets the request itself.
        let heads = asked(&proxy);
        let line = format!("get http://{}/account-info/v3/details?hapikey=", vendor.address);
        assert!(heads.len() == 1 && heads[0].starts_with(&line), "{heads:?}");
        assert!(heads[0].contains(PROXY_AUTHORIZATION), "{heads:?}");

        vendor.answers("/crm/v3/objects/deals/7", 200, json!({ "id": "7" }));
        assert_eq!(through_vendor(&caller).await.ok(), json!({ "id": "7" }));
        let heads = asked(&proxy);
        assert!(
            heads.len() == 1 && heads[0].starts_with(&format!("connect {} http/1.1\r\n", vendor.address)),
            "{heads:?}"
        );
        assert!(heads[0].contains(PROXY_AUTHORIZATION), "{heads:?}");
        // The instance's key is the vendor's to see.
        assert!(!heads[0].contains("hapikey") && !heads[0].contains("\r\nauthorization"), "{heads:?}");
    });
}

#[test]
fn a_proxy_that_refuses_is_a_502_that_names_it() {
    super::run(async {
        let proxy = ForwardProxy::start();
        // By a name that leads inside: a proxy's usual place.
        let by_name = format!("http://{USER}@localhost:{}", proxy.address.port());
        let (_server, caller) = connected(by_name, "https://api.vendor.example", false).await;
        for status in ["403 Forbidden", "407 Proxy Authentication Required", "502 Bad Gateway"] {
            proxy.refuse(status);
            for is_hub in [false, true] {
                let reply = match is_hub {
                    true => caller.get("/hubs/crm/contacts/7").await,
                    false => through_vendor(&caller).await,
                };
                let message = reply.fails(502, "vendor_unreachable");
                let expected = "Hubspot CRM could not be reached: the proxy of this server (LIGAND_OUTBOUND_PROXY) did not lead \
                                there.";
                assert_eq!(message, expected, "{status}");
                let heads = asked(&proxy);
                assert_eq!(heads.len(), 1, "{heads:?}");
                assert!(heads[0].starts_with("connect api.vendor.example:443 http/1.1\r\n"), "{heads:?}");
                assert!(heads[0].contains(PROXY_AUTHORIZATION), "{heads:?}");
            }
        }
    });
}

#[test]
fn the_guard_stands_before_the_proxy_too() {
    super::run(async {
        let proxy = ForwardProxy::start();
        let inner = [
            "https://10.0.0.1",
            "https://[::ffff:169.254.169.254]",
            "https://localhost",
            "https://inner.localhost:8443",
        ];
        for base in inner {
            let (_server, caller) = connected(by_address(&proxy), base, false).await;
            through_vendor(&caller).await.fails(502, "vendor_address_refused");
            caller.get("/hubs/crm/contacts/7").await.fails(502, "vendor_address_refused");
            assert_eq!(asked(&proxy), [""; 0], "{base}");
        }
    });
}
