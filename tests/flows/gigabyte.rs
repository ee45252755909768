//! A gigabyte through the program, up and down: it is passed on, not held.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::task::JoinHandle;

use crate::support::Database;
use crate::support::caller::read;
use crate::support::fleet::Fleet;

const GIGABYTE: u64 = 1 << 30;
/// More memory than before.
const MOST: u64 = 10 << 20;
const CHUNK: usize = 64 * 1024;

/// The most memory that the first process held while `work` ran.
async fn most_memory(fleet: &Fleet, work: JoinHandle<()>) -> u64 {
    let mut most = 0;
    while !work.is_finished() {
        most = most.max(fleet.servers[0].resident());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    work.await.expect("it ends well");
    most
}

#[test]
fn a_gigabyte_each_way_takes_less_than_ten_megabytes() {
    let runtime = crate::support::database::runtime();
    runtime.block_on(async {
        let fleet = Fleet::start(Database::sqlite(), 1).await;
        let created = fleet.callers[0].create_with_code(fleet.sandbox(), "Large").await;
        let caller = fleet.callers[0].with(&format!("Element {}", created["token"].as_str().expect("a token")));
        // What the first calls of all need is not what a body needs.
        for _ in 0..8 {
            read(caller.request_at_root("POST", "/vendor/test/sink").body(vec![b'x'; CHUNK * 4])).await.ok();
            assert_eq!(read(caller.request_at_root("GET", "/vendor/test/bytes?size=1000000")).await.status, 200);
        }
        let before = fleet.servers[0].resident();

        let download = caller.request_at_root("GET", &format!("/vendor/test/bytes?size={GIGABYTE}"));
        let work = tokio::spawn(async move {
            let mut body = download.send().await.expect("a head").bytes_stream();
            let mut length = 0;
            while let Some(piece) = body.next().await {
                length += piece.expect("bytes").len();
            }
            assert_eq!(u64::try_from(length), Ok(GIGABYTE));
        });
        let down = most_memory(&fleet, work).await;

        let piece = Bytes::from(vec![b'x'; CHUNK]);
        let pieces = usize::try_from(GIGABYTE).expect("it fits") / CHUNK;
        let body = stream::iter((0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
        let upload = caller.request_at_root("POST", "/vendor/test/sink").body(reqwest::Body::wrap_stream(body));
        let work = tokio::spawn(async move {
            assert_eq!(read(upload).await.ok()["length"].as_u64(), Some(GIGABYTE));
        });
        let up = most_memory(&fleet, work).await;

        for (way, most) in [("down", down), ("up", up)] {
            let more = most.saturating_sub(before);
            assert!(more < MOST, "{way}: {more} bytes more than {before}");
        }
    });
    runtime.shutdown_background();
}
