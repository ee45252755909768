//! Due work under `kill -9`: processes share a backlog of notices, one of them dies again and again, and each notice arrives, in
//! its subject's order. What arrives twice was under way at a kill.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Extent;
use super::spent::many;
use crate::support::database::runtime;
use crate::support::fleet::Fleet;
use crate::support::part::Signal;
use crate::support::receiver::{Answer, Receiver, TAKE};
use crate::support::{Database, on_both};

/// Notices of one subject.
const OF_EACH: usize = 10;
/// Longer than the death of a process is unknown, and a request under way.
const AROUND: Duration = Duration::from_secs(15);
/// What refuses for ever, and holds up its own subject alone.
const STUCK: u64 = 1_000_000;

/// An arrival: when, of which subject, its number there.
type Arrivals = Arc<Mutex<Vec<(Instant, u64, u64)>>>;

on_both!(work_is_done_whoever_dies, in |database| {
    let processes = if database.url.starts_with("sqlite:") { 1 } else { 3 };
    runtime().block_on(done(database, processes));
});

/// As many subjects, as a version writes them that knows no rows of work.
fn queue(database: &Database, subjects: usize) {
    let (numbers, now) = match database.url.starts_with("sqlite:") {
        true => (
            format!(
                "(WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < {}) SELECT i FROM c) AS numbers",
                subjects * OF_EACH - 1
            ),
            "strftime('%Y-%m-%dT%H:%M:%S.000000Z', 'now')",
        ),
        false => (format!("generate_series(0, {}) AS numbers(i)", subjects * OF_EACH - 1), "now()"),
    };
    let insert = |subject: &str, number: &str, from: &str| {
        format!(
            "INSERT INTO notice (organization_id, account_id, subject, kind, message, payload, status, parked, attempts, due_at, \
             created_at) SELECT w.organization_id, a.id, 'instance:' || ({subject}), 'instance.created', \
             'msg_' || ({subject}) || '_' || ({number}), \
             '{{\"data\":{{\"instanceId\":' || ({subject}) || ',\"number\":' || ({number}) || '}}}}', 'waiting', FALSE, 0, {now}, {now} \
             FROM webhook w JOIN account a ON a.organization_id = w.organization_id CROSS JOIN {from} ORDER BY i"
        )
    };
    let stuck = STUCK.to_string();
    database.execute(&insert(&stuck, "i", "(SELECT 0 AS i UNION ALL SELECT 1) AS two"));
    database.execute(&insert(&format!("i % {subjects}"), &format!("i / {subjects}"), &numbers));
}

async fn done(database: Database, processes: usize) {
    let extent = Extent::of_this_run();
    let (subjects, kills) = (extent.of(if processes == 1 { 100 } else { 300 }, 10_000), extent.of(3, 10));
    let mut fleet = Fleet::start(database, processes).await;
    let (receiver, arrivals) = (Receiver::start().await, Arrivals::default());
    let noted = Arc::clone(&arrivals);
    receiver.behaves(move |notice| {
        let number = |name: &str| notice["data"][name].as_u64().expect("a number");
        let (subject, number) = (number("instanceId"), number("number"));
        if subject == STUCK {
            return Answer::Status(500);
        }
        noted.lock().expect("nobody panicked").push((Instant::now(), subject, number));
        TAKE
    });
    let caller = fleet.callers[0].clone();
    caller.put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
    queue(&fleet.database, subjects);

    let total = subjects * OF_EACH;
    let distinct = || {
        let arrivals = arrivals.lock().expect("nobody panicked");
        arrivals.iter().map(|(_, subject, number)| (*subject, *number)).collect::<std::collections::HashSet<_>>().len()
    };
    let (mut killed, mut sent, mut draw) = (Vec::new(), Vec::new(), extent.seed);
    let deadline = Instant::now() + extent.of(Duration::from_secs(180), Duration::from_secs(3600));
    while distinct() < total {
        assert!(Instant::now() < deadline, "{} of {total} arrived", distinct());
        if killed.len() < kills && distinct() * (kills + 1) > total * (killed.len() + 1) {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let which = usize::try_from(draw >> 33).expect("a number") % fleet.servers.len();
            fleet.callers.remove(which);
            let (_, log) = fleet.servers.remove(which).stop(Signal::Kill);
            killed.push(Instant::now());
            sent.push(delivered(&log));
            fleet.join().await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sent.extend(fleet.servers.iter().map(|server| delivered(&server.log())));

    let arrivals = arrivals.lock().expect("nobody panicked").clone();
    let mut last = HashMap::<u64, (u64, Instant)>::new();
    let (mut overtaken, mut twice, mut apart) = (0, 0, 0);
    for (at, subject, number) in &arrivals {
        match last.get(subject) {
            Some((before, first)) if before == number => {
                twice += 1;
                apart += u64::from(!killed.iter().any(|kill| *first <= *kill && at.duration_since(*kill) < AROUND));
            }
            Some((before, _)) if before + 1 == *number => {}
            None if *number == 0 => {}
            _ => overtaken += 1,
        }
        last.insert(*subject, (*number, *at));
    }
    let stuck = receiver.told().iter().filter(|told| told.answer == Answer::Status(500)).count();
    let name = if processes == 1 { "work sqlite" } else { "work postgres" };
    extent.report(
        name,
        &[
            ("notices", many(total)),
            ("arrivals", many(arrivals.len())),
            ("kills", many(killed.len())),
            ("twice", twice),
            ("twice_apart_from_kills", apart),
            ("out_of_order", overtaken),
            ("least_of_a_process", sent.iter().copied().min().unwrap_or_default()),
            ("most_of_a_process", sent.iter().copied().max().unwrap_or_default()),
        ],
    );
    assert_eq!(killed.len(), kills, "it was over too soon");
    assert_eq!((overtaken, apart), (0, 0));
    assert!(
        stuck > 0
            && receiver.told().iter().all(|told| told.notice["data"]["number"] != 1 || told.instance() != 1_000_000)
    );
    assert!(sent.iter().all(|sent| *sent > 0), "each process had a part in it: {sent:?}");
}

fn delivered(log: &str) -> u64 {
    many(log.matches("notice delivered").count())
}
