//! Instances: owner first, compare and set, what a list finds.

use ligand::kernel::paging::Page;
use ligand::store::StoreFault;
use ligand::store::instances::{self, CredentialRow, Filter, InstanceRow, NamedByToken};

use super::on_both_databases;
use super::rows::{UNTOLD, db_organization, token_hash};
use crate::support::server::start_of_time;

const ALL: Page = Page { after: 0, size: 200 };

on_both_databases!(a_foreign_row_is_not_there, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let id = organization.db_instance(&store, "Mine", &["Docs"]).await;
    for stranger in organization.strangers() {
        let found = store.read(move |conn| instances::find(conn, stranger, id)).await;
        assert!(matches!(found, Err(StoreFault::NotFound)), "find: {found:?}");
        let tagged = Filter { tags: vec!["Docs".to_owned()], ..Filter::default() };
        for filter in [Filter::default(), tagged] {
            let listed = store.read(move |conn| Ok(instances::list(conn, stranger, &filter, ALL)?.0)).await;
            assert!(listed.unwrap().is_empty(), "list");
        }
        let counts = store.read(move |conn| instances::count_by_element(conn, stranger)).await;
        assert!(counts.unwrap().is_empty(), "count_by_element");
        let changed = InstanceRow { name: "Taken".to_owned(), ..organization.instance(id, "Mine") };
        let written = store.write(move |conn| instances::update(conn, stranger, &changed, &[], &UNTOLD)).await;
        assert!(matches!(written, Err(StoreFault::Conflict(_))), "update: {written:?}");
        let changed = CredentialRow { sealed: b"theirs".to_vec(), ..organization.credential(id) };
        let written =
            store.write(move |conn| instances::update_credential(conn, stranger, &changed, start_of_time())).await;
        assert!(matches!(written, Err(StoreFault::Conflict(_))), "update_credential: {written:?}");
        let deleted =
            store.write(move |conn| instances::delete(conn, stranger, (id, 1), start_of_time(), &UNTOLD)).await;
        assert!(matches!(deleted, Err(StoreFault::NotFound)), "delete: {deleted:?}");
    }
    let owner = organization.owner;
    // Whoever read another credential would revoke the wrong one.
    let deleted = store.write(move |conn| instances::delete(conn, owner, (id, 2), start_of_time(), &UNTOLD)).await;
    assert!(matches!(deleted, Err(StoreFault::Conflict(_))), "delete: {deleted:?}");
    let stored = store.read(move |conn| instances::find(conn, owner, id)).await.unwrap();
    assert_eq!((stored.instance.name.as_str(), stored.credential.sealed.as_slice()), ("Mine", [4].as_slice()));
    let found = |hashes: Vec<Vec<u8>>| store.read(move |conn| instances::find_by_token(conn, &hashes));
    let named = NamedByToken { id, owner, token_hash: token_hash(id) };
    let expected = (named, vec![2]);
    assert_eq!(found(vec![token_hash(id)]).await.unwrap(), expected);
    assert_eq!(found(vec![b"of another generation".to_vec(), token_hash(id)]).await.unwrap(), expected);
    let counts = store.read(move |conn| instances::count_by_element(conn, owner)).await.unwrap();
    assert_eq!(counts, [(168, 1)]);
    let tagged = Filter { tags: vec!["Docs".to_owned()], ..Filter::default() };
    let listed = store.read(move |conn| Ok(instances::list(conn, owner, &tagged, ALL)?.0)).await.unwrap();
    assert_eq!(listed.len(), 1);
});

on_both_databases!(the_second_of_two_changes_of_one_version_is_a_conflict, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let id = organization.db_instance(&store, "First", &["old"]).await;
    let rename = |name: &str, version: i64| InstanceRow { version, ..organization.instance(id, name) };
    for (name, version, wins) in [("Second", 1, true), ("Late", 1, false), ("Third", 2, true), ("Early", 9, false)] {
        let (changed, tags) = (rename(name, version), vec![name.to_owned()]);
        let written = store.write(move |conn| instances::update(conn, owner, &changed, &tags, &UNTOLD)).await;
        assert_eq!(written.is_ok(), wins, "{name}: {written:?}");
        assert!(wins || matches!(written, Err(StoreFault::Conflict(_))), "{name}");
    }
    let stored = store.read(move |conn| instances::find(conn, owner, id)).await.unwrap();
    assert_eq!((stored.instance.name.as_str(), stored.instance.version), ("Third", 3));
    for (tag, count) in [("old", 0), ("Second", 0), ("Late", 0), ("Third", 1)] {
        let filter = Filter { tags: vec![tag.to_owned()], ..Filter::default() };
        let listed = store.read(move |conn| Ok(instances::list(conn, owner, &filter, ALL)?.0)).await.unwrap();
        assert_eq!(listed.len(), count, "{tag}");
    }
});

on_both_databases!(of_many_concurrent_refreshes_of_one_version_exactly_one_wins, |database| async move {
    let store = open(&database.url, 8);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let id = organization.db_instance(&store, "Refreshed", &[]).await;
    let refreshes =
        (0..16).map(|number| {
            let changed = CredentialRow { sealed: vec![number], ..organization.credential(id) };
            let store = store.clone();
            async move {
                store.write(move |conn| instances::update_credential(conn, owner, &changed, start_of_time())).await
            }
        });
    let results = futures_util::future::join_all(refreshes).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(StoreFault::Conflict(_)))), "{results:?}");
    let winner = results.iter().position(Result::is_ok).unwrap();
    let stored = store.read(move |conn| instances::find(conn, owner, id)).await.unwrap();
    assert_eq!((usize::from(stored.credential.sealed[0]), stored.credential.version), (winner, 2));
});

on_both_databases!(a_search_takes_its_text_literally_and_ignores_case, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    for name in ["100% sure", "100 sure", "snake_case", "snakeXcase", r"back\slash", "backslash", "Big NAME", "it's"] {
        organization.db_instance(&store, name, &[]).await;
    }
    for (text, expected) in [
        ("0%", vec!["100% sure"]),
        ("%", vec!["100% sure"]),
        ("_", vec!["snake_case"]),
        ("snake_case", vec!["snake_case"]),
        ("\\", vec![r"back\slash"]),
        (r"\%", vec![]),
        ("big name", vec!["Big NAME"]),
        ("SURE", vec!["100% sure", "100 sure"]),
        ("'", vec!["it's"]),
    ] {
        let filter = Filter { search_text: Some(text.to_owned()), ..Filter::default() };
        let listed = store.read(move |conn| Ok(instances::list(conn, owner, &filter, ALL)?.0)).await.unwrap();
        let names: Vec<_> = listed.iter().map(|stored| stored.instance.name.as_str()).collect();
        assert_eq!(names, expected, "{text}");
    }
});

on_both_databases!(a_list_comes_in_pages_of_ascending_ids_and_needs_every_tag, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let mut ids = Vec::new();
    for tags in [["a", "b"], ["a", "a"], ["b", "a"]] {
        ids.push(organization.db_instance(&store, "One of three", &tags).await);
    }
    let page = Page { after: 0, size: 1 };
    let listed = store.read(move |conn| Ok(instances::list(conn, owner, &Filter::default(), page)?.0)).await.unwrap();
    let found: Vec<i64> = listed.iter().map(|stored| stored.instance.id).collect();
    assert_eq!(found, ids[..2], "one more than the page, to know whether there is a next one");
    let page = Page { after: ids[1], size: 1 };
    let listed = store.read(move |conn| Ok(instances::list(conn, owner, &Filter::default(), page)?.0)).await.unwrap();
    assert_eq!(listed.len(), 1);
    let filter = Filter { tags: vec!["a".to_owned(), "b".to_owned()], ..Filter::default() };
    let listed = store.read(move |conn| Ok(instances::list(conn, owner, &filter, ALL)?.0)).await.unwrap();
    let found: Vec<i64> = listed.iter().map(|stored| stored.instance.id).collect();
    assert_eq!(found, [ids[0], ids[2]]);
});

on_both_databases!(a_deleted_instance_takes_credential_and_tags_along, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let id = organization.db_instance(&store, "Short-lived", &["Docs"]).await;
    let grant = organization.credential(id).grant_hash.unwrap();
    let held = |grant: Vec<u8>| {
        let hashes = [b"another".to_vec(), grant];
        store.read(move |conn| instances::any_with_grant(conn, &hashes))
    };
    assert!(held(grant.clone()).await.unwrap());
    store.write(move |conn| instances::delete(conn, owner, (id, 1), start_of_time(), &UNTOLD)).await.unwrap();
    assert!(!organization.db_exists(&store, id).await);
    assert!(!held(grant).await.unwrap(), "the credential went with it");
    // The same id with the same tag: a tag row that stayed behind would be in the way.
    organization.db_insert(&store, organization.instance(id, "Again"), &["Docs"]).await.unwrap();
});

on_both_databases!(times_keep_their_microseconds, |database| async move {
    use chrono::{DateTime, TimeDelta, Utc};
    use ligand::store::time::UtcTime;

    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let owner = organization.owner;
    let micros = |micros: i64| DateTime::<Utc>::from_timestamp_micros(micros).unwrap();
    for time in [
        micros(0),
        micros(1),
        micros(1_772_366_400_000_000),
        micros(1_772_366_400_123_456),
        micros(1_772_366_400_999_999),
        micros(4_102_444_799_999_999),
    ] {
        let id = store.next_id().await.unwrap();
        let row = InstanceRow { created_at: UtcTime(time), ..organization.instance(id, "Timed") };
        organization.db_insert(&store, row, &[]).await.unwrap();
        let expires_at = Some(UtcTime(time + TimeDelta::microseconds(1)));
        let changed = CredentialRow { expires_at, ..organization.credential(id) };
        store.write(move |conn| instances::update_credential(conn, owner, &changed, start_of_time())).await.unwrap();
        let stored = store.read(move |conn| instances::find(conn, owner, id)).await.unwrap();
        assert_eq!(stored.instance.created_at, UtcTime(time));
        assert_eq!(stored.credential.expires_at, expires_at);
    }
});

on_both_databases!(a_token_belongs_to_one_instance, |database| async move {
    let store = open(&database.url, 4);
    let organization = db_organization(&store).await;
    let first = organization.db_instance(&store, "First", &[]).await;
    let id = store.next_id().await.unwrap();
    let row = InstanceRow { token_hash: token_hash(first), ..organization.instance(id, "Second") };
    let written = organization.db_insert(&store, row, &[]).await;
    assert!(matches!(&written, Err(StoreFault::Conflict(what)) if what.contains("token_hash")), "{written:?}");
    assert!(!organization.db_exists(&store, id).await);
});
