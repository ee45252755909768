//! Due work that panics, hangs, keeps its thread busy or cannot be read: each is parked alone, and everything else goes on.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use ligand::service::work::dispatcher::Dispatcher;
use ligand::service::work::schedule::{GivenUp, Schedule};
use ligand::service::work::{Ended, Kind, Limits, Refusal};
use ligand::store::work::{self, GIVEN_UP, NewWork, PARKED, Row, WAITING};

use crate::support::caller::read;
use crate::support::copies::owner;
use crate::support::{TestServer, on_both};

const POISON: [&str; 4] = ["panics", "hangs", "keeps its thread", "cannot be read"];
const FINE: &str = "fine";

/// Does as the body says.
static AS_THE_BODY_SAYS: Kind = Kind {
    name: "scripted",
    limits: |_, _| Limits::of(16, 16, 16),
    schedule: Schedule {
        first_pause: TimeDelta::seconds(10),
        longest_pause: TimeDelta::seconds(10),
        longest_asked: TimeDelta::zero(),
        parked_after: Some(TimeDelta::seconds(30)),
        given_up: GivenUp::AtAge(TimeDelta::minutes(2)),
        kept_for: Some(TimeDelta::days(1)),
    },
    within: Duration::from_millis(300),
    led_before_by: None,
    is_to_be_handed_over: |_, _, _| Ok(false),
    hand_over: |_, _, _| Ok(()),
    run: |_, row| {
        Box::pin(async move {
            match row.body.as_str() {
                "panics" => panic!("as the body says"),
                "hangs" => pending().await,
                // As work does that computes: the sleep stands for it, and nothing here waits for its end.
                "keeps its thread" => std::thread::sleep(Duration::from_secs(1)),
                "cannot be read" => return Ended::Failed(Refusal::of("It cannot be read.")),
                _ => {}
            }
            Ended::Done { status: None }
        })
    },
    record: |_, _, _, _| Ok(()),
};

async fn insert(server: &TestServer) {
    let owner = owner(&server.services).await;
    let now = server.services.now();
    let new = |about: i64, lane: &str, body: &str| NewWork {
        owner,
        kind: AS_THE_BODY_SAYS.name,
        about,
        party: 0,
        lane: Some(lane.to_owned()),
        parked: false,
        due_at: now,
        attempts: 0,
        created_at: now,
        body: body.to_owned(),
    };
    let poison = (0..).zip(POISON).flat_map(|(about, body)| [new(about, body, body), new(about + 10, body, FINE)]);
    let rows: Vec<_> = poison.chain((20..40).map(|about| new(about, "apart", FINE))).collect();
    server.services.store.write(move |conn| work::insert(conn, &rows)).await.expect("they are written");
}

async fn find(server: &TestServer, about: i64) -> Option<Row> {
    server.services.store.read(move |conn| work::find(conn, AS_THE_BODY_SAYS.name, about)).await.expect("a query")
}

on_both!(what_panics_hangs_or_cannot_be_read_is_parked_alone, |server| async move {
    insert(&server).await;
    let dispatcher = Arc::new(Dispatcher::of(&[&AS_THE_BODY_SAYS]));
    let work = async || server.services.do_due_work(&dispatcher).await.expect("the dispatcher goes on");
    assert_eq!(work().await, 24, "each is tried, and what waits for none of them is done");
    for about in 20..40 {
        assert!(find(&server, about).await.is_none(), "{about}");
    }
    for about in 0..4 {
        let (poison, behind) = (find(&server, about).await.expect("a row"), find(&server, about + 10).await);
        assert_eq!((poison.state.as_str(), poison.process, poison.attempts), (WAITING, None, 1));
        assert!(poison.refusal.expect("a reason").starts_with("It "));
        assert!(behind.is_some_and(|row| !row.is_head && row.attempts == 0), "what is behind it waits");
    }
    for _ in 0..3 {
        server.advance(TimeDelta::seconds(10));
        work().await;
    }
    for about in 0..4 {
        assert_eq!(find(&server, about).await.expect("a row").state, PARKED);
        assert!(find(&server, about + 10).await.is_none(), "what was behind it went on");
    }
    for _ in 0..10 {
        server.advance(TimeDelta::seconds(10));
        work().await;
    }
    for about in 0..4 {
        assert_eq!(find(&server, about).await.expect("a row").state, GIVEN_UP);
    }
    assert_eq!(work().await, 0);
    let now = server.services.now();
    server
        .services
        .store
        .write(move |conn| work::wake(conn, AS_THE_BODY_SAYS.name, &[0], now))
        .await
        .expect("it is written");
    assert_eq!(work().await, 1, "by hand it is tried once more");
    server.advance(TimeDelta::days(2));
    ligand::jobs::purge(&server.services).await.expect("it is purged");
    assert!(find(&server, 1).await.is_none(), "what was given up is kept for a while");
});

on_both!(metrics_tell_what_is_due_and_how_late_it_is, |server| async move {
    insert(&server).await;
    let dispatcher = Arc::new(Dispatcher::of(&[&AS_THE_BODY_SAYS]));
    server.services.do_due_work(&dispatcher).await.expect("the dispatcher goes on");
    server.advance(TimeDelta::seconds(100));
    let text = read(server.anonymous().request_at_root("GET", "/metrics")).await.text;
    for line in [
        r#"ligand_work{kind="scripted",state="waiting"} 8"#,
        r#"ligand_work_oldest_seconds{kind="scripted"} 100"#,
        r#"ligand_work_attempts_total{kind="scripted",outcome="done"} 20"#,
        r#"ligand_work_attempts_total{kind="scripted",outcome="failed"} 4"#,
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in {text}");
    }
});
