//! Addresses of their own for customers' browsers and for whoever runs the server: every route on every address.

use serde_json::Value;

use crate::support::caller::{BASE, Caller, Reply, read};
use crate::support::database::runtime;
use crate::support::program::{Ligand, free_address};

const DOCUMENT: &str = include_str!("../../openapi/openapi.json");

/// Beside the API: method, path, and the listener that serves it.
const BESIDE: &[(&str, &str, usize)] = &[
    ("GET", "/vendor", MAIN),
    ("POST", "/vendor/x/y", MAIN),
    ("GET", "/console", MAIN),
    ("GET", "/console/assets/console.css", MAIN),
    ("GET", "/console/sign-in", MAIN),
    ("POST", "/console/sign-in", MAIN),
    ("POST", "/console/sign-out", MAIN),
    ("GET", "/console/organization", MAIN),
    ("GET", "/connector/callback", PUBLIC),
    ("POST", "/connector/callback", PUBLIC),
    ("GET", "/connector/callback/{app}", PUBLIC),
    ("POST", "/connector/callback/{app}", PUBLIC),
    ("GET", "/connect/ligand.js", PUBLIC),
    ("GET", "/connect/ligand.d.ts", PUBLIC),
    ("GET", "/connect/assets/page.css", PUBLIC),
    ("GET", "/connect/x", PUBLIC),
    ("POST", "/connect/x", PUBLIC),
    ("GET", "/connect/x/status", PUBLIC),
    ("GET", "/connect/x/brand.css", PUBLIC),
    ("GET", "/metrics", ADMIN),
    ("GET", "/%6detrics", ADMIN),
    ("GET", "/metrics/", ADMIN),
    ("GET", "/docs", ADMIN),
    ("GET", "/docs/", ADMIN),
    ("GET", "/docs/swagger-ui.css", ADMIN),
    ("GET", "/openapi.json", ADMIN),
    ("GET", "/openapi-3.0.json", ADMIN),
    ("GET", "/health/live", EVERYWHERE),
    ("GET", "/health/ready", EVERYWHERE),
];

const MAIN: usize = 0;
const PUBLIC: usize = 1;
const ADMIN: usize = 2;
const EVERYWHERE: usize = 3;

/// Every operation of the API, as `METHOD path`, with and without its base path.
fn of_api() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, item) in paths {
        let filled = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
        let path = filled.collect::<Vec<_>>().join("/");
        for method in ["get", "post", "put", "patch", "delete"] {
            if item.get(method).is_some() {
                all.push((method.to_uppercase(), format!("{BASE}{path}")));
                // Without the base path this is a page of Swagger UI.
                if !path.starts_with("/docs/") {
                    all.push((method.to_uppercase(), path.clone()));
                }
            }
        }
    }
    assert!(all.len() > 100, "{}", all.len());
    all
}

fn is_absent(reply: &Reply) -> bool {
    reply.status == 404 && reply.text.contains("route_not_found")
}

#[test]
fn every_route_is_served_by_its_listener_and_by_no_other() {
    let (public, admin) = (free_address(), free_address());
    let ligand = Ligand::new().set("LIGAND_PUBLIC_LISTEN", &public).set("LIGAND_ADMIN_LISTEN", &admin);
    let server = ligand.serve(&["--sandbox"]);
    let callers =
        [server.url.clone(), format!("http://{public}"), format!("http://{admin}")].map(|url| Caller::anonymous(&url));
    runtime().block_on(async {
        let api = of_api();
        let api = api.iter().map(|(method, path)| (method.as_str(), path.as_str(), MAIN));
        let mut asked = 0;
        for (method, path, place) in BESIDE.iter().copied().chain(api) {
            for (index, caller) in callers.iter().enumerate() {
                let reply = read(caller.request_at_root(method, path)).await;
                let served = place == EVERYWHERE || place == index;
                assert_eq!(!is_absent(&reply), served, "{method} {path} on listener {index}: {reply:?}");
                asked += 1;
            }
        }
        assert!(asked > 300, "{asked}");
    });
}

#[test]
fn without_settings_one_address_serves_all() {
    let server = Ligand::new().serve(&[]);
    let caller = Caller::anonymous(&server.url);
    runtime().block_on(async {
        for (method, path, _) in BESIDE {
            assert!(!is_absent(&read(caller.request_at_root(method, path)).await), "{method} {path}");
        }
    });
}

#[test]
fn a_listener_that_cannot_be_had_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    for name in ["LIGAND_PUBLIC_LISTEN", "LIGAND_ADMIN_LISTEN"] {
        Ligand::new().set(name, &address).run(&["serve"]).fails(&format!("{name} {address}: "));
        Ligand::new().set(name, "0.0.0.0:0").run(&["serve", "--sandbox"]).fails(name);
    }
}
