//! Somebody cancels whatever the program does at the database, again and again, while tokens are renewed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::{Connection as _, PgConnection, RunQueryDsl as _};
use futures_util::future::join_all;

use super::Extent;
use super::spent::{Due, count, due, lost_grants, many, names, refresh};
use crate::support::database::runtime;
use crate::support::fleet::Fleet;
use crate::support::{Caller, Database};

const CANCEL: &str = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";

#[test]
fn cancelled_statements_cost_no_grant() {
    let Some(database) = Database::postgres() else { return };
    runtime().block_on(async {
        let extent = Extent::of_this_run();
        let fleet = Fleet::start(database, 1).await;
        let caller = &fleet.callers[0];
        let due = due(&fleet, &names("token", extent.of(40, 120))).await;
        let (stop, cancelled) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let loops = thread::spawn({
            let (stop, cancelled, url) = (Arc::clone(&stop), Arc::clone(&cancelled), fleet.database.url.clone());
            move || {
                let mut conn = PgConnection::establish(&url).expect("PostgreSQL answers");
                while !stop.load(Ordering::SeqCst) {
                    let hit = diesel::sql_query(CANCEL).execute(&mut conn).expect("it may cancel");
                    cancelled.fetch_add(many(hit), Ordering::SeqCst);
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let until = Instant::now() + extent.of(Duration::from_secs(4), Duration::from_secs(30));
        let asked = join_all(due.iter().map(|due| ask_until(caller, due, until))).await;
        let (internal, wrong): (Vec<String>, Vec<String>) =
            asked.into_iter().flatten().partition(|complaint| complaint.contains(": 500 \"internal\""));
        stop.store(true, Ordering::SeqCst);
        loops.join().expect("no panic");
        let limit = extent.of(Duration::from_secs(20), Duration::from_secs(60));
        let lost = lost_grants(&fleet, caller, &due, limit).await;
        extent.report(
            "cancelled",
            &[
                ("grants", many(due.len())),
                ("cancelled_statements", cancelled.load(Ordering::SeqCst)),
                // Of what was cancelled before anything was spent: the words say too little for a 503.
                ("internal", count(&internal)),
                ("wrong_answers", count(&wrong)),
                ("lost_grants", count(&lost)),
            ],
        );
        assert!(lost.is_empty(), "{lost:#?}");
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(cancelled.load(Ordering::SeqCst) > 0, "nothing was cancelled");
        assert_eq!(fleet.sandbox().live_grants(), due.len());
    });
}

/// Asks until it is served, or the time is over. Gives answers that nobody should get.
async fn ask_until(caller: &Caller, due: &Due, end: Instant) -> Vec<String> {
    let mut wrong = Vec::new();
    while Instant::now() < end {
        let answer = refresh(caller, due).await;
        wrong.extend(answer.complaint(503, "database_unavailable"));
        if answer.reply.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    wrong
}
