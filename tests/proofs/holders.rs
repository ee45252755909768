//! A process that stands still, or cannot reach the database, right after the vendor rotated: what it holds is the only
//! token that there is, and is taken from it whenever it comes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ligand::sandbox::{Failure, TOKEN_ROUTES};
use serde_json::{Value, json};

use super::Extent;
use super::spent::{Due, count, due, lost_grants, names, refresh, renewed};
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::freezing_proxy::FreezingProxy;
use crate::support::part::Signal;
use crate::support::receiver::Receiver;
use crate::support::{Caller, Database};

/// The vendor has done its work before the holder stands still, and answers meanwhile.
const ANSWERS_AFTER: Duration = Duration::from_millis(1500);
const TAKEN_FOR_DEAD: Duration = Duration::from_secs(10);

/// At once, because each of them waits more than works.
#[test]
fn a_holder_that_was_silent_loses_nothing() {
    let extent = Extent::of_this_run();
    let databases: Option<Vec<Database>> = (0..3).map(|_| Database::postgres()).collect();
    let Some(Ok([stopped, cut_off, told])) = databases.map(<[Database; 3]>::try_from) else { return };
    let silence = TAKEN_FOR_DEAD + extent.of(Duration::from_millis(1500), Duration::from_secs(5));
    runtime().block_on(async {
        let wrong: [Vec<String>; 3] = tokio::join!(
            async {
                let mut fleet = Fleet::start(stopped, 2).await;
                let (first, second) = (fleet.callers[0].clone(), fleet.callers[1].clone());
                let due = one(&fleet).await;
                let asked = begins(&fleet, &first, &due).await;
                fleet.servers[0].send(Signal::Stop);
                let waits = in_the_background(&second, &due);
                tokio::time::sleep(silence).await;
                fleet.servers[0].send(Signal::Continue);
                let _ = (asked.await.expect("no panic"), waits.await.expect("no panic"));
                check(&fleet, extent, "holders (SIGSTOP)", &due, 1).await
            },
            async {
                let address = database_address(&cut_off);
                let proxy = FreezingProxy::before(address);
                let mut through = url::Url::parse(&cut_off.url).expect("a URL");
                through.set_port(Some(proxy.address.port())).expect("it has a host");
                let mut fleet = Fleet::start(cut_off, 0).await;
                fleet.join_through(through.as_str()).await;
                fleet.join().await;
                let (first, second) = (fleet.callers[0].clone(), fleet.callers[1].clone());
                let due = one(&fleet).await;
                let asked = begins(&fleet, &first, &due).await;
                proxy.freeze();
                let waits = in_the_background(&second, &due);
                tokio::time::sleep(silence).await;
                proxy.thaw();
                let _ = (asked.await.expect("no panic"), waits.await.expect("no panic"));
                check(&fleet, extent, "holders (cut off)", &due, 1).await
            },
            late_after_a_verdict(told, extent),
        )
        .into();
        assert!(wrong.iter().all(Vec::is_empty), "{wrong:#?}");
    });
}

/// A vendor that refuses a spent token and lets the grant live, and an element whose vendor is given up on early: another
/// process tells that the instance is invalid, and then the holder's token comes.
async fn late_after_a_verdict(database: Database, extent: Extent) -> Vec<String> {
    let mut fleet = Fleet::start_with(database, 2, &[("id = 168\n", "id = 168\ntimeout = 1\n")]).await;
    let (first, second) = (fleet.callers[0].clone(), fleet.callers[1].clone());
    let receiver = Receiver::start().await;
    second.put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
    let due = one(&fleet).await;
    let asked = begins(&fleet, &first, &due).await;
    fleet.servers[0].send(Signal::Stop);
    fleet.sandbox().set(|switches| {
        let spent = json!({ "status": "BAD_REFRESH_TOKEN", "message": "refresh token is spent" });
        switches.failure = Some(Failure { body: Some(spent), ..Failure::of(TOKEN_ROUTES, 400, 1) });
    });
    until("the other process gives it up", async || {
        let shown = refresh(&second, &due).await.reply;
        shown.status == 200 && shown.json()["valid"] == false
    })
    .await;
    fleet.servers[0].send(Signal::Continue);
    let _ = asked.await.expect("no panic");
    let mut wrong = check(&fleet, extent, "holders (told invalid)", &due, 2).await;
    let id = due.path.rsplit('/').next().and_then(|id| id.parse().ok()).expect("an id");
    let story = ["instance.invalid", "instance.recovered"];
    let deadline = Instant::now() + Duration::from_secs(10);
    while !receiver.taken_about(id).ends_with(&story.map(str::to_owned)) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = receiver.taken_about(id);
    if !told.ends_with(&story.map(str::to_owned)) {
        wrong.push(format!("the receiver was told {told:?}"));
    }
    wrong
}

async fn one(fleet: &Fleet) -> Due {
    due(fleet, &names("Held", 1)).await.pop().expect("an instance")
}

fn in_the_background(caller: &Caller, due: &Due) -> tokio::task::JoinHandle<Option<u16>> {
    let (caller, path) = (caller.clone(), due.path.clone());
    tokio::spawn(async move {
        let sent = caller.request("GET", &format!("{path}?refresh=true")).send().await;
        sent.ok().map(|reply| reply.status().as_u16())
    })
}

/// The first process has asked, and the vendor has rotated.
async fn begins(fleet: &Fleet, caller: &Caller, due: &Due) -> tokio::task::JoinHandle<Option<u16>> {
    fleet.token_calls_take(Duration::ZERO, ANSWERS_AFTER);
    let asked = in_the_background(caller, due);
    until("the vendor rotates", async || fleet.sandbox().spent_refresh_tokens() == 1).await;
    asked
}

/// Both serve it as valid, after so many token calls, and can renew it.
async fn check(fleet: &Fleet, extent: Extent, how: &str, due: &Due, calls: u64) -> Vec<String> {
    fleet.token_calls_take(Duration::ZERO, Duration::ZERO);
    let began = Instant::now();
    let mut lost = Vec::new();
    for caller in &fleet.callers {
        // What the other one stored is in the database; what this one remembers is a second behind.
        let good = async || caller.get(&due.path).await.ok();
        while !renewed(&good().await) && began.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let shown = good().await;
        if (&shown["valid"], &shown["invalidReason"]) != (&Value::Bool(true), &Value::Null) || !renewed(&shown) {
            lost.push(format!("valid {}, {}", shown["valid"], shown["invalidReason"]));
        }
    }
    let token_calls = fleet.token_calls();
    for caller in &fleet.callers {
        lost.extend(lost_grants(fleet, caller, std::slice::from_ref(due), Duration::from_secs(10)).await);
    }
    extent.report(how, &[("token_calls", token_calls), ("lost_grants", count(&lost))]);
    if token_calls != calls {
        lost.push(format!("{token_calls} token calls, not {calls}"));
    }
    lost.iter().map(|what| format!("{how}: {what}")).collect()
}

fn database_address(database: &Database) -> SocketAddr {
    let url = url::Url::parse(&database.url).expect("a URL");
    SocketAddr::from(([127, 0, 0, 1], url.port().expect("a port")))
}
