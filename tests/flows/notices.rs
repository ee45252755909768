//! Notices on their way: receivers that are down, slow or refuse, and processes that share the work or die at it.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ligand::sandbox::EndOfGrant;
use serde_json::{Value, json};

use crate::support::caller::with_key;
use crate::support::database::runtime;
use crate::support::fleet::{Fleet, until};
use crate::support::interpreters::{node_with, python_with};
use crate::support::part::missing;
use crate::support::receiver::{Answer, Receiver, TAKE, Told};
use crate::support::{Caller, Database, TestServer, on_both};

const WEBHOOK: &str = "/notifications/webhook";
const SECRETS: &str = "/notifications/webhook/secrets";
const DELIVERIES: &str = "/notifications/deliveries";
/// What publishes the specification publishes these, too.
const LIBRARIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parts/webhooks");
const STORY: [&str; 3] = ["instance.created", "instance.invalid", "instance.recovered"];

async fn tell(caller: &Caller, receiver: &Receiver) {
    caller.put(WEBHOOK, &json!({ "url": receiver.url() })).await.ok();
}

async fn send(server: &TestServer) {
    server.services.send_due_notices().await.expect("the job runs");
}

/// Instances that are created, lose their grant, and get a new one.
async fn stories(server: &TestServer, count: usize) -> Vec<i64> {
    let caller = server.caller();
    let mut ids = Vec::new();
    for _ in 0..count {
        let created = caller.create_with_code(server.sandbox(), "Told").await;
        ids.push(created["id"].as_i64().expect("an id"));
    }
    // Somewhat later: a young token is not renewed.
    server.advance(TimeDelta::seconds(11));
    server.sandbox().revoke(EndOfGrant::Uninstalled);
    for id in &ids {
        let shown = caller.get(&format!("/instances/{id}?refresh=true")).await.ok();
        assert_eq!(shown["valid"], false);
    }
    for id in &ids {
        let code = caller.code(server.sandbox()).await;
        caller.patch(&format!("/instances/{id}"), &json!({ "providerData": { "code": code } })).await.ok();
    }
    ids
}

async fn deliveries(caller: &Caller, query: &str) -> Vec<Value> {
    caller.get(&format!("{DELIVERIES}?{query}")).await.ok().as_array().expect("a list").clone()
}

/// Every attempt at one event had the same id and the same bytes, and no two events share an id.
fn one_id_for_each_event(receiver: &Receiver) {
    let told = receiver.told();
    for one in &told {
        for other in &told {
            assert_eq!(one.id() == other.id(), one.request.body == other.request.body);
        }
    }
}

on_both!(a_receiver_that_is_down_for_an_hour_gets_everything_in_order, |server| async move {
    for outage in [Answer::HangUp, Answer::Status(500)] {
        let receiver = Receiver::start().await;
        tell(&server.caller(), &receiver).await;
        receiver.answers(outage);
        let ids = stories(&server, 3).await;
        for _ in 0..60 {
            send(&server).await;
            server.advance(TimeDelta::minutes(1));
        }
        assert!(receiver.taken().is_empty());
        let tried = receiver.told().len();
        assert!((3 * 8..3 * 14).contains(&tried), "{tried} attempts in an hour at three instances");
        receiver.answers(TAKE);
        for _ in 0..3 {
            send(&server).await;
            server.advance(TimeDelta::minutes(1));
        }
        for id in ids {
            assert_eq!(receiver.taken_about(id), STORY);
        }
        one_id_for_each_event(&receiver);
    }
});

on_both!(a_receiver_that_is_slow_holds_up_nobody_else, |server| async move {
    let (slow, quick) = (Receiver::start().await, Receiver::start().await);
    slow.answers(Answer::Late);
    let stranger = server.stranger().await;
    tell(&server.caller(), &slow).await;
    tell(&stranger, &quick).await;
    for number in 0..20 {
        server.caller().create_with_key(&format!("Slow {number}")).await;
    }
    // Most of them ahead: what waits is given up after a while, so nothing that takes long may come in between.
    for number in 1..20 {
        stranger.create_with_key(&format!("Quick {number}")).await;
    }
    let services = server.services.clone();
    let job = tokio::spawn(async move { services.send_due_notices().await });
    slow.hears(8).await;
    stranger.create_with_key("Quick, and later").await;
    quick.hears(20).await;
    assert_eq!(slow.told().len(), 8, "no more than these at once to one receiver");
    slow.release();
    job.await.expect("no panic").expect("the job ends");
    assert_eq!((slow.taken().len(), quick.taken().len()), (20, 20));
    assert_eq!((slow.told().len(), quick.told().len()), (20, 20), "each once");
});

on_both!(what_is_stuck_is_parked_after_an_hour_and_holds_up_its_own_alone, |server| async move {
    let receiver = Receiver::start().await;
    let caller = server.caller();
    tell(&caller, &receiver).await;
    let ids = stories(&server, 2).await;
    let stuck = ids[0];
    receiver.behaves(move |notice| {
        let refused = notice["data"]["instanceId"] == stuck && notice["type"] == "instance.created";
        Answer::Status(if refused { 500 } else { 200 })
    });
    send(&server).await;
    assert_eq!(receiver.taken_about(ids[1]), STORY, "others of the same receiver go on");
    assert!(receiver.taken_about(stuck).is_empty());
    let created_at = 11;
    for _ in 0..59 {
        server.advance(TimeDelta::minutes(1));
        send(&server).await;
    }
    assert!(receiver.taken_about(stuck).is_empty(), "it holds up its own for an hour");
    assert!(deliveries(&caller, "status=parked").await.is_empty());
    server.advance(TimeDelta::seconds(60 - created_at));
    send(&server).await;
    assert_eq!(receiver.taken_about(stuck), STORY[1..], "then those behind it go on");
    let [parked] = deliveries(&caller, "status=parked").await.try_into().expect("one is parked");
    assert_eq!((&parked["type"], &parked["lastStatus"]), (&json!(STORY[0]), &json!(500)));
    assert_eq!(parked["lastError"], "The receiver answered 500.");

    for _ in 0..24 {
        server.advance(TimeDelta::hours(1));
        send(&server).await;
    }
    let path = format!("{DELIVERIES}/{}", parked["id"]);
    let failed = caller.get(&path).await.ok();
    assert_eq!((&failed["status"], &failed["nextAttemptAt"]), (&json!("failed"), &Value::Null));
    let attempts = receiver.told().len();
    server.advance(TimeDelta::days(1));
    send(&server).await;
    assert_eq!(receiver.told().len(), attempts, "after a day it is given up");

    receiver.answers(TAKE);
    caller.post(&format!("{path}/retry"), &Value::Null).await.ok();
    send(&server).await;
    assert_eq!(caller.get(&path).await.ok()["status"], "delivered");
    assert_eq!(receiver.taken().last().expect("a notice").id(), parked["message"]);
    one_id_for_each_event(&receiver);
});

on_both!(a_parked_one_arrives_when_its_receiver_is_back, |server| async move {
    let receiver = Receiver::start().await;
    tell(&server.caller(), &receiver).await;
    receiver.answers(Answer::HangUp);
    let ids = stories(&server, 2).await;
    for _ in 0..300 {
        send(&server).await;
        server.advance(TimeDelta::minutes(1));
    }
    assert_eq!(deliveries(&server.caller(), "status=parked").await.len(), 6);
    receiver.answers(TAKE);
    for _ in 0..61 {
        send(&server).await;
        server.advance(TimeDelta::minutes(1));
    }
    for id in ids {
        let mut kinds = receiver.taken_about(id);
        kinds.sort();
        assert_eq!(kinds, STORY, "each arrives, once");
    }
});

/// What a library that nobody here wrote says to each of these requests, under each of these secrets.
async fn judge(interpreter: PathBuf, script: &str, requests: &[(Value, Told)]) -> Vec<String> {
    let lines: Vec<String> = requests
        .iter()
        .map(|(secret, told)| {
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            let headers: HashMap<_, _> = names.iter().map(|name| (*name, told.request.header(name))).collect();
            let body = String::from_utf8(told.request.body.clone()).expect("a text");
            json!({ "secret": secret, "headers": headers, "body": body }).to_string() + "\n"
        })
        .collect();
    let mut command = Command::new(interpreter);
    command.arg(script).current_dir(LIBRARIES).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut judge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    judge.stdin.take().expect("it is piped").write_all(lines.concat().as_bytes()).expect("it reads");
    let output = tokio::task::spawn_blocking(move || judge.wait_with_output()).await.expect("no panic");
    let said = String::from_utf8(output.expect("it ends").stdout).expect("a text");
    said.lines().map(str::to_owned).collect()
}

/// With the machine's clock: the libraries look at the time.
async fn libraries_verify(interpreter: Option<PathBuf>, script: &str) {
    let Some(interpreter) = interpreter else { return missing("no library of Standard Webhooks: run make test") };
    let (fleet, receiver) = fleet(Database::sqlite(), 1).await;
    let caller = &fleet.callers[0];
    let first = caller.get(WEBHOOK).await.ok()["secrets"][0]["id"].take();
    let second = caller.post(SECRETS, &Value::Null).await.ok();
    // The first was shown where nobody kept it, so it is exchanged once more.
    assert_eq!(caller.delete(&format!("{SECRETS}/{first}")).await.status, 200);
    let third = caller.post(SECRETS, &Value::Null).await.ok();
    create(caller, 1).await;
    receiver.hears(1).await;
    assert_eq!(caller.delete(&format!("{SECRETS}/{}", second["id"])).await.status, 200);
    create(caller, 2).await;
    receiver.hears(2).await;
    let [both, one] = receiver.told().try_into().expect("two notices");
    let mut altered = one.clone();
    altered.request.body.push(b' ');
    let requests = [(&second, &both), (&third, &both), (&third, &one), (&second, &one), (&third, &altered)];
    let requests = requests.map(|(secret, told)| (secret["secret"].clone(), told.clone()));
    let said = judge(interpreter, script, &requests).await;
    assert_eq!(said[..3], ["good instance.created"; 3]);
    assert!(said.len() == 5 && said[3..].iter().all(|line| line.starts_with("bad ")), "{said:?}");
}

#[test]
fn the_node_library_verifies_either_secret() {
    let node = node_with(&Path::new(LIBRARIES).join("node_modules/standardwebhooks"));
    runtime().block_on(libraries_verify(node, "verify.mjs"));
}

#[test]
fn the_python_library_verifies_either_secret() {
    runtime().block_on(libraries_verify(python_with("standardwebhooks"), "verify.py"));
}

/// Processes that share a database, and somebody who is told what they do.
async fn fleet(database: Database, processes: usize) -> (Fleet, Receiver) {
    let fleet = Fleet::start(database, processes).await;
    let receiver = Receiver::start().await;
    tell(&fleet.callers[0], &receiver).await;
    // Every process reads the change feed once a second, and until then believes that nobody listens.
    tokio::time::sleep(Duration::from_secs(2)).await;
    (fleet, receiver)
}

async fn create(caller: &Caller, number: usize) -> i64 {
    caller.post("/instances", &with_key(&format!("Told {number}"))).await.ok()["id"].as_i64().expect("an id")
}

#[test]
fn two_processes_send_each_notice_once() {
    const COUNT: usize = 60;
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let (fleet, receiver) = fleet(database, 2).await;
        let mut ids = Vec::new();
        for number in 0..COUNT {
            ids.push(create(&fleet.callers[number % 2], number).await);
        }
        receiver.hears(COUNT).await;
        // Longer than a dead process keeps the job: whoever waited for it had its chance.
        tokio::time::sleep(Duration::from_secs(12)).await;
        let told = receiver.told();
        assert_eq!(told.len(), COUNT, "each once");
        let mut about: Vec<i64> = told.iter().map(|told| told.instance()).collect();
        about.sort_unstable();
        ids.sort_unstable();
        assert_eq!(about, ids);
    });
}

#[test]
fn a_process_that_dies_while_it_sends_loses_nothing() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let (mut fleet, receiver) = fleet(database, 1).await;
        receiver.answers(Answer::Late);
        let id = create(&fleet.callers[0], 0).await;
        receiver.hears(1).await;
        fleet.join().await;
        let died = Instant::now();
        fleet.kill();
        receiver.release();
        receiver.hears(2).await;
        let waited = died.elapsed();
        assert!(waited < Duration::from_secs(3), "{waited:?}");
        let (caller, path) = (fleet.callers[0].clone(), format!("{DELIVERIES}?instanceId={id}"));
        until("the other process has sent it", async || caller.get(&path).await.ok()[0]["status"] == "delivered").await;
        assert_eq!(receiver.told()[0].id(), receiver.told()[1].id());
        one_id_for_each_event(&receiver);
    });
}

#[test]
fn a_process_that_ends_in_order_finishes_what_it_sends() {
    runtime().block_on(async {
        let (mut fleet, receiver) = fleet(Database::sqlite(), 1).await;
        receiver.answers(Answer::Late);
        create(&fleet.callers[0], 0).await;
        receiver.hears(1).await;
        let releasing = receiver.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            releasing.release();
        });
        let (status, log) = fleet.terminate().await;
        assert_eq!(status, 0, "{log}");
        assert!(log.contains("notice delivered"), "{log}");
        fleet.join().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(receiver.told().len(), 1);
    });
}
