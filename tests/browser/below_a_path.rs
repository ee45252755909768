//! Ligand below a path of a host, behind real nginx with the file of `deploy`: which keeps the path, or takes it away.

use serde_json::json;

use super::stage::{Stage, staged_with, text};
use crate::support::caller::{Caller, read};
use crate::support::postgres::free_port;
use crate::support::reverse_proxy::ReverseProxy;
use crate::support::server::{PASSWORD, Setup};

const PATH: &str = "/apps/ligand";

fn behind_nginx<F: Future<Output = ()>>(strips: bool, test: impl FnOnce(Stage, String, String) -> F) {
    let port = free_port();
    let url = format!("http://localhost:{port}{PATH}");
    let trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    let setup = Setup { public_url: Some(url.clone()), trusted_proxies, ..Setup::default() };
    staged_with(setup, |stage| async move {
        let server = stage.server.url.trim_start_matches("http://").to_owned();
        if let Some(nginx) = ReverseProxy::nginx_below(port, &server, PATH, strips) {
            test(stage, url, nginx.url.clone()).await;
            drop(nginx);
        }
    });
}

async fn a_customer_connects(stage: &Stage, url: &str) {
    let facts = stage.play("redirect", json!({ "ligand": url })).await;
    assert!(text(&facts, "back").contains("status=authorised"), "{facts:?}");
    let pages = facts["pages"].as_array().expect("pages");
    let ours = pages.iter().filter_map(|page| page.as_str()).filter(|page| page.contains("/connect"));
    assert!(ours.clone().count() >= 1 && ours.clone().all(|page| page.starts_with(url)), "{facts:?}");
    let cookies = facts["cookies"].as_array().expect("cookies");
    let own = cookies.iter().find(|cookie| cookie["name"] == "ligand-connect").expect("a cookie");
    assert_eq!(own["path"], PATH);
    assert_eq!(stage.server.count().await, 1);
}

async fn the_documents_work(stage: &Stage, url: &str) {
    let facts = stage.play("documents", json!({ "ligand": url })).await;
    assert_eq!(facts["complaints"], json!([]), "{facts:?}");
}

#[test]
fn a_proxy_may_keep_the_path() {
    behind_nginx(false, |stage, url, front| async move {
        a_customer_connects(&stage, &url).await;
        the_documents_work(&stage, &url).await;
        let facts = stage.play("below_a_path", json!({ "ligand": url, "password": PASSWORD })).await;
        assert_eq!(facts["failed"], json!([]), "{facts:?}");
        assert!(text(&facts, "signedOut").starts_with(&format!("{url}/console/sign-in")), "{facts:?}");
        // What is for the monitoring alone stays so.
        for path in ["/metrics", "/apps/ligand/metrics", "/apps/ligand/apps/ligand/metrics", "/apps/ligand/metrics/"] {
            let reply = read(Caller::anonymous(&front).request_at_root("GET", path)).await;
            assert_eq!(reply.status, 404, "{path}");
        }
    });
}

#[test]
fn a_proxy_may_take_the_path_away() {
    behind_nginx(true, |stage, url, front| async move {
        a_customer_connects(&stage, &url).await;
        the_documents_work(&stage, &url).await;
        for path in ["/apps/ligand/metrics", "/apps/ligand/apps/ligand/metrics"] {
            let reply = read(Caller::anonymous(&front).request_at_root("GET", path)).await;
            assert_eq!(reply.status, 404, "{path}");
        }
    });
}
