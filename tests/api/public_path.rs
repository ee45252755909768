//! `LIGAND_PUBLIC_URL` with a path: a proxy has the server below it, and either takes the path away or leaves it. Others do the same:
//! oauth2-proxy (`--proxy-prefix`), Grafana (`root_url` and `serve_from_sub_path`), Keycloak (`KC_HTTP_RELATIVE_PATH`).

use serde_json::{Value, json};
use url::Url;

use crate::support::browser::set_up;
use crate::support::caller::{Reply, read};
use crate::support::server::{Setup, run_with};
use crate::support::vendor::{Vendor, elements};
use crate::support::{Caller, Database, TestServer, on_both};

const PUBLIC: &str = "https://host.example/apps/ligand";
const PATH: &str = "/apps/ligand";

fn below() -> Setup {
    Setup { public_url: Some(PUBLIC.to_owned()), ..Setup::default() }
}

async fn get(caller: &Caller, path: &str) -> Reply {
    read(caller.request_at_root("GET", path)).await
}

/// Every address of ours in a page.
fn addresses(page: &str) -> Vec<&str> {
    let parts = ["href=\"", "action=\"", "src=\""].into_iter().flat_map(|name| page.split(name).skip(1));
    parts.filter_map(|rest| rest.split('"').next()).filter(|address| address.starts_with('/')).collect()
}

on_both!(everything_is_there_with_the_path_and_without_it, in |database| {
    run_with(database, below(), |server| async move {
        let caller = set_up(&server).await;
        let own = server.anonymous();
        for path in [
            "/health/live",
            "/elements/api-v2/elements/keys",
            "/elements/keys",
            "/console/sign-in",
            "/connect/ligand.js",
            "/connect/assets/page.css",
            "/openapi.json",
            "/docs/",
        ] {
            for kept in ["", PATH] {
                assert_eq!(get(&own, &format!("{kept}{path}")).await.status, 200, "{kept}{path}");
            }
            for other in [format!("{PATH}{PATH}{path}"), format!("{PATH}x{path}"), format!("/apps{path}")] {
                assert_eq!(get(&own, &other).await.status, 404, "{other}");
            }
        }
        let unknown = get(&own, &format!("{PATH}/nothing")).await;
        assert!(unknown.fails(404, "route_not_found").ends_with("see /apps/ligand/docs."), "{unknown:?}");
        // What is said of addresses.
        let app = caller.get("/elements/hubspotcrm/app").await.ok();
        let redirect_url = app["redirectUrl"].as_str().expect("an address");
        assert!(redirect_url.starts_with(&format!("{PUBLIC}/connector/callback/")), "{redirect_url}");
        let body = json!({ "clientId": "a", "clientSecret": "b", "redirectUrl": format!("{PUBLIC}/connector/callback") });
        let of_all = caller.put("/elements/closeio/app", &body).await.ok();
        assert_eq!(of_all["redirectUrl"], body["redirectUrl"]);
        let link = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
        let url = link["url"].as_str().expect("an address");
        assert!(url.starts_with(&format!("{PUBLIC}/connect/")), "{url}");
        let document: Value = get(&own, "/openapi.json").await.json();
        assert_eq!(document["servers"][0]["url"], "/apps/ligand/elements/api-v2");
        let old: Value = get(&own, "/openapi-3.0.json").await.json();
        assert_eq!(old["servers"][0]["url"], "/apps/ligand/elements/api-v2");
        assert_eq!(get(&own, &format!("{PATH}/docs")).await.header("location"), Some("/apps/ligand/docs/"));
        let hub: Value = caller.get("/elements/hubspotcrm/docs").await.ok();
        let base = "/apps/ligand/elements/api-v2/hubs/crm";
        assert_eq!((&hub["host"], &hub["basePath"]), (&json!("host.example"), &json!(base)));
    });
});

on_both!(pages_redirects_and_cookies_stay_below_the_path, in |database| {
    run_with(database, below(), |server| async move {
        let caller = set_up(&server).await;
        let link = caller.post("/connect/links", &json!({ "elements": ["hubspotcrm"] })).await.ok();
        let page = Url::parse(link["url"].as_str().expect("an address")).expect("an address");
        for path in [page.path(), page.path().trim_start_matches(PATH)] {
            let shown = get(&server.anonymous(), path).await;
            assert_eq!(shown.status, 200);
            let found = addresses(&shown.text);
            assert!(found.len() >= 2 && found.iter().all(|address| address.starts_with("/apps/ligand/connect/")), "{found:?}");
            let cookie = shown.header("set-cookie").expect("a cookie");
            assert!(cookie.starts_with("__Secure-ligand-connect="), "{cookie}");
            assert!(cookie.ends_with("; Path=/apps/ligand; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
            // The whole way, by the same cookie.
            let cookie = cookie.split(';').next().expect("a pair");
            let hidden = |name: &str| {
                let rest = shown.text.split_once(&format!("name=\"{name}\" value=\"")).expect("an input").1;
                rest.split('"').next().expect("an end").to_owned()
            };
            let form = [("element", "hubspotcrm".to_owned()), ("form", hidden("form"))];
            let body = serde_urlencoded::to_string(form).expect("plain texts");
            let sent = server.anonymous().request_at_root("POST", path).header("cookie", cookie);
            let sent = sent.header("content-type", "application/x-www-form-urlencoded").body(body);
            let away = read(sent).await;
            let vendor = Url::parse(away.header("location").expect("an address")).expect("an address");
            let redirect = vendor.query_pairs().find(|(name, _)| name == "redirect_uri").expect("one").1;
            assert_eq!(redirect, caller.get("/elements/hubspotcrm/app").await.ok()["redirectUrl"].as_str().expect("one"));
            let back = server.anonymous();
            let state = vendor.query_pairs().find(|(name, _)| name == "state").expect("one").1.into_owned();
            let elsewhere = format!("{PATH}/connector/callback?error=access_denied&state={state}");
            let elsewhere = read(back.request_at_root("GET", &elsewhere).header("cookie", cookie)).await;
            assert_eq!(elsewhere.status, 409, "{elsewhere:?}");
            let own = Url::parse(&redirect).expect("an address");
            assert!(own.path().starts_with(&format!("{PATH}/connector/callback/")), "{own}");
            let denied = format!("{}?error=access_denied&state={state}", own.path());
            let end = read(back.request_at_root("GET", &denied).header("cookie", cookie)).await;
            let result = end.header("location").expect("an address").to_owned();
            assert!(result.starts_with("/apps/ligand/connect/") && result.ends_with("/result"), "{result}");
            let result = get(&server.anonymous(), &result).await;
            assert!(addresses(&result.text).iter().all(|address| address.starts_with(PATH)), "{result:?}");
        }
        let signed_out = get(&server.anonymous(), &format!("{PATH}/console/links")).await;
        let sign_in = signed_out.header("location").expect("an address").to_owned();
        assert!(sign_in.starts_with("/apps/ligand/console/sign-in?"), "{sign_in}");
        let sign_in = get(&server.anonymous(), &sign_in).await;
        let found = addresses(&sign_in.text);
        assert!(found.len() >= 4 && found.iter().all(|address| address.starts_with(PATH)), "{found:?}");
    });
});

on_both!(a_vendors_addresses_lead_below_the_path, in |database| {
    let vendor = Vendor::start();
    let origin = format!("http://{}", vendor.address);
    let directory = elements(&[("closeio", &[("https://api.close.com", origin.as_str())])]);
    let setup = Setup { elements: Some(directory.path().to_owned()), ..below() };
    run_with(database, setup, |server| async move {
        vendor.answers("/api/v1/me/", 200, json!({ "id": "u" }));
        let body = json!({
            "element": { "key": "closeio" }, "name": "Close",
            "configuration": { "authentication.type": "apiKey", "closeio.api.key": "k" },
        });
        let made = server.caller().post("/instances", &body).await.ok();
        let own = server.anonymous().with_element(made["token"].as_str().expect("a token"));
        let headers = format!(
            "location: {origin}/api/v1/lead/1\r\nlink: </api/v1/lead/?_skip=1>; rel=\"next\"\r\nset-cookie: a=1; Path=/api\r\n"
        );
        vendor.answers_with("/api/v1/lead/", 201, &headers, json!({}));
        for path in ["/vendor/api/v1/lead/", "/apps/ligand/vendor/api/v1/lead/"] {
            let reply = get(&own, path).await;
            assert_eq!(reply.status, 201, "{reply:?}");
            let location = reply.header("location").expect("an address");
            assert!(location.ends_with("/apps/ligand/vendor/api/v1/lead/1"), "{location}");
            assert_eq!(reply.header("link"), Some("</apps/ligand/vendor/api/v1/lead/?_skip=1>; rel=\"next\""));
            let cookie = reply.header("set-cookie").expect("a cookie");
            assert!(cookie.ends_with("-a=1; Path=/apps/ligand/vendor/api"), "{cookie}");
        }
        // The vendor's path goes on letter by letter.
        vendor.answers("/api/v1/a%2Fb//c", 200, json!({}));
        assert_eq!(get(&own, "/apps/ligand/vendor/api/v1/a%2Fb//c").await.status, 200);
    });
    drop(directory);
});

#[test]
fn without_a_path_nothing_is_taken_away() {
    crate::support::server::run(Database::sqlite(), |server: TestServer| async move {
        assert_eq!(get(&server.anonymous(), "/apps/ligand/health/live").await.status, 404);
        let page = get(&server.anonymous(), "/console/sign-in").await;
        assert!(addresses(&page.text).iter().all(|address| address.starts_with("/con")), "{page:?}");
        assert!(page.header("set-cookie").is_some_and(|it| it.starts_with("__Host-") && it.contains("; Path=/; ")));
    });
}
