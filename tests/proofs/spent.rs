//! What is spent at the vendor while something else fails, tokens and codes, and whether anybody has what came for it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::support::caller::{read, with_code};
use crate::support::fleet::Fleet;
use crate::support::{Caller, Reply};

/// Longer than any caller may be kept waiting.
const FOR_EVER: Duration = Duration::from_secs(60);
/// What a caller waits for the database at most is five seconds; with room for a busy machine and a hundred callers at once.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An instance whose token is over.
pub struct Due {
    pub name: String,
    pub path: String,
}

/// A code that nobody has spent yet.
pub struct Order {
    pub name: String,
    code: String,
}

/// A reply, and how long it took.
#[derive(Debug)]
pub struct Answer {
    pub name: String,
    pub reply: Reply,
    pub took: Duration,
}

impl Answer {
    /// The instance that it names.
    pub fn instance(&self) -> Option<i64> {
        let body: Value = serde_json::from_str(&self.reply.text).unwrap_or_default();
        body["id"].as_i64().or(body["instanceId"].as_i64())
    }

    /// What is wrong with it, if it is neither a success nor a refusal of this status and code that says when to come again.
    pub fn complaint(&self, status: u16, code: &str) -> Option<String> {
        let Self { name, reply, took } = self;
        let body: Value = serde_json::from_str(&reply.text).unwrap_or_default();
        let after = reply.header("retry-after").and_then(|text| text.parse::<u64>().ok());
        let right = reply.status == status && body["code"] == code && after.is_some_and(|seconds| seconds > 0);
        (reply.status != 200 && !right).then(|| format!("{name} after {took:?}: {}", words(reply)))
    }
}

pub fn names(kind: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{kind} {number}")).collect()
}

/// Instances with these names, whose tokens are over. The vendor's calls are forgotten.
pub async fn due(fleet: &Fleet, names: &[String]) -> Vec<Due> {
    let mut all = Vec::new();
    for batch in names.chunks(8) {
        let made = batch.iter().map(|name| fleet.callers[0].create_with_code(fleet.sandbox(), name));
        for (name, made) in batch.iter().zip(join_all(made).await) {
            all.push(Due { name: name.clone(), path: format!("/instances/{}", made["id"]) });
        }
    }
    fleet.db_expire();
    fleet.sandbox().forget_calls();
    all
}

pub async fn orders(fleet: &Fleet, names: &[String]) -> Vec<Order> {
    let mut all = Vec::new();
    for name in names {
        all.push(Order { name: name.clone(), code: fleet.callers[0].code(fleet.sandbox()).await });
    }
    fleet.sandbox().forget_calls();
    all
}

pub async fn timed(name: &str, request: reqwest::RequestBuilder) -> Answer {
    let began = Instant::now();
    let none = |_| Reply { status: 0, headers: HeaderMap::new(), text: "no answer".to_owned() };
    let reply = tokio::time::timeout(FOR_EVER, read(request)).await.unwrap_or_else(none);
    Answer { name: name.to_owned(), reply, took: began.elapsed() }
}

pub async fn refresh(caller: &Caller, due: &Due) -> Answer {
    timed(&due.name, caller.request("GET", &format!("{}?refresh=true", due.path))).await
}

pub async fn refresh_all(caller: &Caller, due: &[Due]) -> Vec<Answer> {
    join_all(due.iter().map(|due| refresh(caller, due))).await
}

pub async fn spend(caller: &Caller, order: &Order) -> Answer {
    timed(&order.name, creation(caller, order)).await
}

/// The same request each time, so that an `Idempotency-Key` fits.
pub fn creation(caller: &Caller, Order { name, code }: &Order) -> reqwest::RequestBuilder {
    let request = caller.request("POST", "/instances").header("content-type", "application/json");
    request.body(with_code(name, code).to_string())
}

pub async fn spend_all(caller: &Caller, orders: &[Order]) -> Vec<Answer> {
    join_all(orders.iter().map(|order| spend(caller, order))).await
}

/// Which of these nobody can renew any more, and what the API says of them. Waits until what is under way has come to an
/// end, at most so long. One renewal more of each shows that the vendor knows the token that is stored.
pub async fn lost_grants(fleet: &Fleet, caller: &Caller, due: &[Due], limit: Duration) -> Vec<String> {
    let deadline = Instant::now() + limit;
    let settled = join_all(due.iter().map(|due| settled(caller, due, deadline))).await;
    fleet.db_expire();
    let afterwards = join_all(due.iter().map(|due| renewable(caller, due))).await;
    settled.into_iter().zip(afterwards).filter_map(|(at_first, afterwards)| at_first.or(afterwards)).collect()
}

/// Renews it. A refusal that passes is asked again. Gives what is wrong with it.
async fn renewable(caller: &Caller, due: &Due) -> Option<String> {
    for _ in 0..10 {
        let reply = refresh(caller, due).await.reply;
        let shown: Value = serde_json::from_str(&reply.text).unwrap_or_default();
        match reply.status {
            200 if shown["valid"] == true && shown["name"] == due.name.as_str() => return None,
            500.. if reply.header("retry-after").is_some() => tokio::time::sleep(Duration::from_secs(1)).await,
            _ => return Some(format!("{} afterwards: {}", due.name, words(&reply))),
        }
    }
    Some(format!("{} is refused again and again", due.name))
}

/// What a reply says of an instance, or why it says nothing.
pub fn words(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&reply.text).unwrap_or_default();
    let after = reply.header("retry-after").unwrap_or("never");
    match reply.status {
        200 => format!("valid {}, {}, expires {}", body["valid"], body["invalidReason"], body["expiresAt"]),
        status => format!("{status} {} (again: {after}): {}", body["code"], body["message"]),
    }
}

/// Looks, and after a while asks, until the instance has a token that is not over. Gives what is wrong with it.
async fn settled(caller: &Caller, due: &Due, deadline: Instant) -> Option<String> {
    // What was spent is stored without anybody who asks.
    let asks = Instant::now() + deadline.saturating_duration_since(Instant::now()) / 4;
    loop {
        let mut reply = caller.get(&due.path).await;
        if reply.status == 200 && renewed(&reply.json()) {
            return None;
        }
        if reply.status == 200 && reply.json()["valid"] == true && Instant::now() > asks {
            reply = refresh(caller, due).await.reply;
        }
        let invalid = reply.status == 200 && reply.json()["valid"] == false;
        if invalid || Instant::now() > deadline {
            return Some(format!("{}: {}", due.name, words(&reply)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// `Fleet::db_expire` makes both times the same.
pub fn renewed(shown: &Value) -> bool {
    shown["valid"] == true && shown["invalidReason"].is_null() && shown["expiresAt"] != shown["lastRefreshAt"]
}

/// Which of these answers to creations name no instance that comes to be, within `limit`, and that can be renewed.
pub async fn lost_codes(fleet: &Fleet, caller: &Caller, answers: &[Answer], limit: Duration) -> Vec<String> {
    let deadline = Instant::now() + limit;
    let found = join_all(answers.iter().map(|answer| found(caller, answer, deadline))).await;
    fleet.db_expire();
    let mut lost = Vec::new();
    for (answer, found) in answers.iter().zip(found) {
        let Ok(path) = found.inspect_err(|why| lost.push(why.clone())) else { continue };
        lost.extend(renewable(caller, &Due { name: answer.name.clone(), path }).await);
    }
    lost
}

/// Sends those creations again that were refused before anything was spent: they name no instance, and their codes are good.
pub async fn unspent_again(caller: &Caller, orders: &[Order], answers: Vec<Answer>) -> (Vec<Answer>, usize) {
    let mut unspent = 0;
    let mut all = Vec::new();
    for (order, answer) in orders.iter().zip(answers) {
        let again = answer.instance().is_none();
        unspent += usize::from(again);
        all.push(if again { spend(caller, order).await } else { answer });
    }
    (all, unspent)
}

/// The path of the instance that an answer names, once it is there.
async fn found(caller: &Caller, answer: &Answer, deadline: Instant) -> Result<String, String> {
    let Some(id) = answer.instance() else {
        return Err(format!("{} names no instance: {}", answer.name, words(&answer.reply)));
    };
    let path = format!("/instances/{id}");
    loop {
        let reply = caller.get(&path).await;
        if reply.status == 200 {
            return Ok(path);
        }
        if Instant::now() > deadline || reply.header("retry-after").is_none() {
            return Err(format!("{}: {}", answer.name, words(&reply)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until so many token calls were made, and none is under way.
pub async fn all_spent(fleet: &Fleet, calls: usize, limit: Duration) {
    let deadline = Instant::now() + limit;
    while (fleet.token_calls() < many(calls) || fleet.running_token_calls() > 0) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn count(of: &[String]) -> u64 {
    many(of.len())
}

pub fn many(number: usize) -> u64 {
    u64::try_from(number).expect("a small number")
}
