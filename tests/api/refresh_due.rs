//! The background job: what is used is renewed before anybody waits for it, and what nobody uses costs nothing.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use ligand::store::instances;
use serde_json::json;

use crate::support::copies::{FIRST, copy, owner};
use crate::support::server::{Setup, run_with};
use crate::support::vendor::elements;
use crate::support::{TestServer, on_both};

const TOKEN: &str = "POST /oauth/2026-03/token";

/// Instances with a code, used just now or not. The sandbox's calls are forgotten.
async fn instance(server: &TestServer, used: bool) -> i64 {
    let created = server.caller().create_with_code(server.sandbox(), "Due").await;
    let id = created["id"].as_i64().expect("an id");
    if used {
        server.services.fresh_token(owner(&server.services).await, id).await.expect("a token");
        server.services.write_all_usage().await.expect("the usage is written");
    }
    server.sandbox().forget_calls();
    id
}

/// Looks again and again until nothing is due or under way.
async fn run(server: &TestServer) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while server.services.refresh_due().await.expect("a look") > 0 {
        assert!(Instant::now() < deadline, "it does not come to an end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

on_both!(what_was_used_is_renewed_ahead_and_what_was_not_is_left_alone, |server| async move {
    server.sandbox().set(|switches| switches.rotation = true);
    let (used, idle) = (instance(&server, true).await, instance(&server, false).await);
    server.advance(TimeDelta::minutes(20));
    run(&server).await;
    assert_eq!(server.sandbox().counts(TOKEN).total, 0, "not yet");
    server.advance(TimeDelta::minutes(7));
    run(&server).await;
    let caller = server.caller();
    let shown = async |id: i64| caller.get(&format!("/instances/{id}")).await.ok();
    let (now, before) = (server.services.now(), server.services.now() - TimeDelta::minutes(27));
    let date = ligand::kernel::clock::api_date;
    assert_eq!(shown(used).await["lastRefreshAt"], json!(date(now)));
    assert_eq!(shown(idle).await["lastRefreshAt"], json!(date(before)));
    assert_eq!(server.sandbox().counts(TOKEN).total, 1);
    // Used yesterday: idle from now on, until somebody uses it again.
    server.advance(TimeDelta::hours(25));
    run(&server).await;
    assert_eq!(server.sandbox().counts(TOKEN).total, 1);
    let owner = owner(&server.services).await;
    let stored = server.services.store.read(move |conn| instances::find(conn, owner, used)).await.expect("the row");
    assert_eq!(stored.credential.due_at, None, "an idle one is not even looked at");
    server.services.fresh_token(owner, used).await.expect("a token");
    server.services.write_all_usage().await.expect("the usage is written");
    server.advance(TimeDelta::minutes(27));
    run(&server).await;
    assert_eq!(server.sandbox().counts(TOKEN).total, 3, "once for the use, once by the job");
});

on_both!(a_refresh_token_that_would_die_unused_is_renewed, in |database| {
    let quirk = ("rotates = false", "rotates = true\nidleLimit = 864000");
    let copies = elements(&[("hubspotcrm", &[quirk])]);
    run_with(database, Setup { elements: Some(copies.path().to_owned()), ..Setup::default() }, |server| async move {
        server.sandbox().set(|switches| switches.rotation = true);
        instance(&server, false).await;
            for (days, calls) in [(7, 0), (1, 1), (7, 1), (1, 2)] {
            server.advance(TimeDelta::days(days));
            run(&server).await;
            assert_eq!(server.sandbox().counts(TOKEN).total, calls);
        }
        assert_eq!(server.sandbox().live_grants(), 1);
    });
});

on_both!(a_failure_is_tried_again_in_a_minute_and_a_dead_grant_never, |server| async move {
    let (one, two) = (instance(&server, true).await, instance(&server, true).await);
    server.sandbox().set(|switches| switches.failure = Some(ligand::sandbox::Failure::of("/oauth/*/token", 503, 2)));
    server.advance(TimeDelta::minutes(27));
    run(&server).await;
    run(&server).await;
    assert_eq!(server.sandbox().counts(TOKEN).total, 2, "{one} and {two}, once each");
    server.sandbox().revoke(ligand::sandbox::EndOfGrant::Uninstalled);
    for _ in 0..3 {
        server.advance(TimeDelta::seconds(61));
        run(&server).await;
    }
    assert_eq!(server.sandbox().counts(TOKEN).total, 4);
    assert_eq!(server.caller().get(&format!("/instances/{one}")).await.ok()["valid"], false);
    let owner = owner(&server.services).await;
    let stored = server.services.store.read(move |conn| instances::find(conn, owner, one)).await.expect("the row");
    assert_eq!(stored.credential.due_at, None, "nobody comes back to it");
});

on_both!(of_many_that_expire_together_none_is_lost_or_taken_twice, |server| async move {
    // `make bench` takes ten times as many.
    let count = 1000;
    let pattern = instance(&server, true).await;
    let owner = copy(&server.services, pattern, count).await;
    server.database.execute(
        "INSERT INTO instance_usage (instance_id, last_used_at) \
         SELECT i.id, u.last_used_at FROM instance i, instance_usage u WHERE i.id >= 10000000",
    );
    server.advance(TimeDelta::minutes(27));
    run(&server).await;
    let counts = server.sandbox().counts(TOKEN);
    assert_eq!(counts.total, u64::try_from(count + 1).expect("a number"));
    assert!((2..=16).contains(&counts.peak), "{} at once", counts.peak);
    for id in (FIRST..FIRST + count).step_by(97) {
        let stored = server.services.store.read(move |conn| instances::find(conn, owner, id)).await.expect("the row");
        assert_eq!(stored.credential.version, 2, "{id}");
        assert_eq!(stored.instance.invalid_reason, None);
    }
});
