//! Codes that come by other ways than a creation: a connect link, and a new authorization of an instance that is there.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::join_all;
use ligand::sandbox::EndOfGrant;
use serde_json::{Value, json};

use super::Extent;
use super::spent::{Answer, count, many, timed, words};
use crate::support::browser::{Browser, Page, link, set_up, shown};
use crate::support::failing_writes::{FailingWrites, Failure};
use crate::support::{TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";

on_both!(a_code_of_a_link_or_for_an_instance_is_kept, |server| async move {
    let extent = Extent::of_this_run();
    let each = extent.of(3, 12);
    let caller = set_up(&server).await;
    let (paths, codes) = instances_without_grants(&server, each).await;
    let links = join_all((0..each).map(|_| link(&caller, json!({})))).await;
    let redirected = join_all(links.iter().map(|link| at_callback(&server, link))).await;
    let sqlite = server.database.url.starts_with("sqlite:");
    let failing = FailingWrites::before(&server.database);
    let words_of = "konnte Datei nicht erweitern: Auf dem Gerät ist kein Speicherplatz mehr verfügbar";
    failing.strike([("*".to_owned(), Failure { state: if sqlite { "ABORT" } else { "53100" }, words: words_of })]);

    let renew = |(path, code): (&String, &String)| {
        let body = json!({ "providerData": { "code": code } }).to_string();
        let request = caller.request("PATCH", path).header("content-type", "application/json").body(body);
        let path = path.clone();
        async move { timed(&path, request).await }
    };
    let connect = |(browser, callback): &(Browser, String)| {
        let (browser, callback) = (browser.clone(), callback.clone());
        async move { browser.follow(browser.get(&callback).await).await }
    };
    let (renewals, pages): (Vec<Answer>, Vec<Page>) =
        tokio::join!(join_all(paths.iter().zip(&codes).map(renew)), join_all(redirected.iter().map(connect)));
    let mut wrong: Vec<String> =
        renewals.iter().filter_map(|answer| answer.complaint(503, "database_unavailable")).collect();
    let told = pages.iter().filter(|page| page.reply.status == 500 || page.text().contains("is connected"));
    wrong.extend(told.map(|page| format!("a page says {} {}", page.reply.status, page.heading())));
    let refused = renewals.iter().filter(|answer| answer.reply.status != 200).count();
    for link in &links {
        let shown = shown(&caller, link).await;
        if shown["status"] == "failed" || !shown["instanceId"].is_null() {
            wrong.push(format!("the link says {shown}"));
        }
    }
    failing.lift();
    let mut lost = Vec::new();
    let mut connected = paths;
    for link in &links {
        match authorised(&server, link).await {
            Ok(path) => connected.push(path),
            Err(shown) => lost.push(format!("the link says {shown}")),
        }
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.services.detached.running() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let spent = server.sandbox().counts(TOKEN).total;
    server.advance(TimeDelta::hours(1));
    for path in &connected {
        let reply = caller.get(&format!("{path}?refresh=true")).await;
        if reply.status != 200 || reply.json()["valid"] != true {
            lost.push(format!("{path}: {}", words(&reply)));
        }
    }
    extent.report(
        if sqlite { "codes sqlite" } else { "codes postgres" },
        &[
            ("links", many(each)),
            ("renewals", many(each)),
            ("refused", many(refused)),
            ("spent", spent),
            ("wrong_answers", count(&wrong)),
            ("lost", count(&lost)),
        ],
    );
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(refused, each, "each met the failure");
    assert_eq!(spent, many(2 * each), "each was spent once");
    assert_eq!(server.sandbox().live_grants(), 2 * each);
});

/// Instances whose users must authorise again, and the codes with which they do. The vendor's calls are forgotten.
async fn instances_without_grants(server: &TestServer, count: usize) -> (Vec<String>, Vec<String>) {
    let (caller, sandbox) = (server.caller(), server.sandbox());
    sandbox.set(|switches| switches.rotation = true);
    let mut paths = Vec::new();
    for number in 0..count {
        let created = caller.create_with_code(sandbox, &format!("Gone {number}")).await;
        paths.push(format!("/instances/{}", created["id"]));
    }
    sandbox.revoke(EndOfGrant::Uninstalled);
    server.advance(TimeDelta::hours(1));
    let mut codes = Vec::new();
    for path in &paths {
        assert_eq!(caller.get(&format!("{path}?refresh=true")).await.ok()["valid"], false);
        codes.push(caller.code(sandbox).await);
    }
    sandbox.forget_calls();
    (paths, codes)
}

/// Somebody whom the vendor sends back with a code.
async fn at_callback(server: &TestServer, link: &Value) -> (Browser, String) {
    let browser = Browser::new(server);
    let to_vendor = browser.submit(link, &[]).await.location().expect("a redirect");
    let callback = browser.get(&to_vendor).await.location().expect("a redirect");
    (browser, callback)
}

/// The path of a link's instance, once it is there.
async fn authorised(server: &TestServer, link: &Value) -> Result<String, Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = shown(&server.caller(), link).await;
        if shown["status"] == "authorised" {
            return Ok(format!("/instances/{}", shown["instanceId"]));
        }
        if shown["status"] == "failed" || Instant::now() > deadline {
            return Err(shown);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
