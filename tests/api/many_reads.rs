//! Reads of instances by many callers at once, which share queries (`src/store/instances/versions.rs`).

use futures_util::future::join_all;
use serde_json::json;

use crate::support::on_both;

on_both!(many_callers_at_once_are_each_shown_their_instance_as_it_is, |server| async move {
    let caller = server.caller();
    let mut paths = Vec::new();
    for number in 0..8 {
        let created = caller.create_with_code(server.sandbox(), &format!("Read {number}")).await;
        paths.push(format!("/instances/{}", created["id"]));
    }
    // From now on they are remembered.
    join_all(paths.iter().map(|path| caller.get(path))).await;
    let gone = paths.pop().expect("a path");
    caller.delete(&gone).await.ok_empty();
    for round in 0..10 {
        let (changed, name) = (&paths[round % paths.len()], format!("Round {round}"));
        let body = json!({ "name": name });
        let (_, patched) =
            tokio::join!(join_all(paths.iter().map(|path| caller.get(path))), caller.patch(changed, &body));
        patched.ok();
        for (path, reply) in paths.iter().zip(join_all(paths.iter().map(|path| caller.get(path))).await) {
            let shown = reply.ok();
            assert_eq!(path, &format!("/instances/{}", shown["id"]));
            assert!(path != changed || shown["name"] == name, "{shown}");
        }
        caller.get(&gone).await.fails(404, "instance_not_found");
    }
});
