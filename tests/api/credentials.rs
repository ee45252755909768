//! The Authorization header (docs/api.md, Authentication), and how a revocation reaches other processes.

use std::sync::Arc;

use chrono::TimeDelta;
use ligand::catalog::Catalog;
use ligand::cli::serve::Build;
use ligand::kernel::clock::Clock;
use ligand::kernel::entropy::SystemEntropy;
use ligand::kernel::secret::Secret;
use ligand::outbound::Guard;
use ligand::service::Services;
use ligand::service::actor::Actor;
use ligand::service::actor::proof::Proof;
use ligand::service::people::authenticate::Presented;
use ligand::service::people::sessions::OtherSessions;
use ligand::service::process::memory::TRUSTED_FOR;
use ligand::store::users::By;
use ligand::vault::KeyRing;
use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use crate::support::caller::read;
use crate::support::database::open;
use crate::support::server::{PASSWORD, Setup};
use crate::support::{Caller, Reply, TestServer, on_both, on_sqlite};

const REFUSED: &str = "Invalid Organization or User secret, or invalid Element token provided.";

/// The three parts as they stand in a header.
struct Parts {
    user: String,
    organization: String,
    element: String,
}

impl Parts {
    async fn of(server: &TestServer) -> Self {
        let instance = server.caller().create_with_key("One").await;
        Self {
            user: format!("User {}", server.admin.user_secret.expose()),
            organization: format!("Organization {}", server.admin.organization_secret.expose()),
            element: format!("Element {}", instance["token"].as_str().unwrap()),
        }
    }
}

async fn platform(caller: &Caller) -> Reply {
    caller.get("/instances/count").await
}

/// A call that takes its instance from the Element part.
async fn token_scoped(caller: &Caller) -> Reply {
    caller.get("/instances/configuration").await
}

async fn bearer_of(server: &TestServer) -> String {
    let body = json!({ "username": "admin@example.com", "password": PASSWORD });
    let token = server.anonymous().post("/authentication", &body).await.ok()["token"].take();
    format!("Bearer {}", token.as_str().unwrap())
}

on_both!(the_parts_come_in_any_order_and_case, |server| async move {
    let Parts { user, organization, element } = &Parts::of(&server).await;
    let with = |header: String| server.anonymous().with(&header);
    let pairs = [format!("{user}, {organization}"), format!("{organization}, {user}")];
    for header in &pairs {
        platform(&with(header.clone())).await.ok();
        token_scoped(&with(header.clone())).await.fails(401, "missing_credentials");
    }
    let triples = [
        format!("{user}, {organization}, {element}"),
        format!("{element}, {user}, {organization}"),
        format!("{organization}, {user}, {element}"),
        format!("{user}, {element}, {organization}"),
    ];
    for header in &triples {
        platform(&with(header.clone())).await.ok();
        token_scoped(&with(header.clone())).await.ok();
    }
    let header = &triples[0];
    let label = |label: fn(&str) -> String| {
        let spelled = ["User", "Organization", "Element"].into_iter();
        spelled.fold(header.clone(), |header, name| header.replace(&format!("{name} "), &format!("{} ", label(name))))
    };
    let spellings = [
        label(str::to_lowercase),
        label(str::to_uppercase),
        header.replace(", ", ","),
        header.replace(", ", " ,\t "),
        header.replace("User ", "User   ").replace("Element ", "Element\t"),
        format!("{header},"),
        format!(" , {header}"),
    ];
    for spelling in spellings {
        token_scoped(&with(spelling)).await.ok();
    }
});

on_both!(of_two_authorization_headers_none_counts, |server| async move {
    let Parts { user, organization, element } = &Parts::of(&server).await;
    let (pair, triple) = (format!("{user}, {organization}"), format!("{user}, {organization}, {element}"));
    let bearer = bearer_of(&server).await;
    let twice = [
        (user.as_str(), format!("{organization},{element}")),
        (triple.as_str(), triple.clone()),
        (&bearer, bearer.clone()),
        (&triple, "Bearer nonsense".to_owned()),
        ("Bearer nonsense", triple.clone()),
        (&pair, element.clone()),
    ];
    for (first, second) in &twice {
        for path in ["/instances/configuration", "/instances/count", "/elements", "/hubs/crm/contacts"] {
            let request = server.anonymous().request("GET", path).header("authorization", *first);
            let message = read(request.header("Authorization", second)).await.fails(401, "bad_credentials");
            assert!(message.contains("twice"), "{message}");
        }
    }
    // The passthrough takes tokens where vendors do, and there as well.
    let token = element.split_once(' ').unwrap().1;
    for (first, second) in [(element.clone(), element.clone()), (format!("Bearer {token}"), "Bearer other".to_owned())]
    {
        let request = server.anonymous().request_at_root("GET", "/vendor/crm/v3/objects/contacts");
        let reply = read(request.header("authorization", first).header("authorization", second)).await;
        reply.fails(401, "bad_credentials");
    }
});

on_both!(what_is_presented_beside_a_session_must_be_right_too, |server| async move {
    let Parts { user, organization, element } = &Parts::of(&server).await;
    let bearer = bearer_of(&server).await;
    let stranger = server.stranger().await.authorization.unwrap();
    let (foreign_user, foreign_organization) = stranger.split_once(", ").unwrap();
    let colleague = server.colleague().await.authorization.unwrap();
    let (colleague, _) = colleague.split_once(", ").unwrap();
    for right in [organization.clone(), user.clone(), format!("{user}, {organization}")] {
        let caller = server.anonymous().with(&format!("{bearer}, {right}"));
        platform(&caller).await.ok();
        token_scoped(&caller.with_element(element.split_once(' ').unwrap().1)).await.ok();
    }
    for wrong in [
        "Organization wrong".to_owned(),
        foreign_organization.to_owned(),
        "User wrong".to_owned(),
        foreign_user.to_owned(),
        colleague.to_owned(),
        format!("{user}, {foreign_organization}"),
        format!("{foreign_user}, {organization}"),
        format!("{colleague}, {organization}"),
        stranger.clone(),
    ] {
        for header in [format!("{bearer}, {wrong}"), format!("{wrong}, {bearer}")] {
            let caller = server.anonymous().with(&header);
            assert_eq!(platform(&caller).await.fails(401, "bad_credentials"), REFUSED, "{header}");
            caller.get("/elements").await.fails(401, "bad_credentials");
            token_scoped(&caller.with_element("x")).await.fails(401, "bad_credentials");
            let hub = caller.with_element(element.split_once(' ').unwrap().1).get("/hubs/crm/contacts").await;
            hub.fails(401, "bad_credentials");
        }
    }
    // The session's own user, but nobody's session.
    let header = format!("Bearer nonsense, {user}, {organization}");
    platform(&server.anonymous().with(&header)).await.fails(401, "bad_credentials");
});

on_both!(what_is_missing_is_named, |server| async move {
    let Parts { user, organization, element } = &Parts::of(&server).await;
    let cases = [
        (user.clone(), "Organization"),
        (organization.clone(), "User"),
        (format!("{user}, {element}"), "Organization"),
        (format!("{element}, {user}"), "Organization"),
        (format!("{element}, {organization}"), "User"),
        (element.clone(), "User"),
        (String::new(), "User and Organization"),
        (" , ".to_owned(), "User and Organization"),
    ];
    for (header, part) in cases {
        for reply in
            [platform(&server.anonymous().with(&header)).await, token_scoped(&server.anonymous().with(&header)).await]
        {
            let message = reply.fails(401, "missing_credentials");
            assert!(message.starts_with(&format!("The Authorization header lacks {part}: ")), "{header}: {message}");
        }
    }
    platform(&server.anonymous()).await.fails(401, "missing_credentials");
    let message = token_scoped(&server.caller()).await.fails(401, "missing_credentials");
    assert!(message.contains("lacks Element"), "{message}");
});

on_both!(a_session_stands_for_user_and_organization, |server| async move {
    let Parts { element, .. } = &Parts::of(&server).await;
    let bearer = bearer_of(&server).await;
    platform(&server.anonymous().with(&bearer)).await.ok();
    platform(&server.anonymous().with(&bearer.replacen("Bearer", "bearer", 1))).await.ok();
    token_scoped(&server.anonymous().with(&bearer)).await.fails(401, "missing_credentials");
    for header in [format!("{bearer}, {element}"), format!("{element}, {bearer}")] {
        let caller = server.anonymous().with(&header);
        platform(&caller).await.ok();
        let entries = token_scoped(&caller).await.ok();
        assert_eq!(entries.as_array().unwrap().len(), 20);
        let renamed = caller.patch("/instances", &json!({ "name": "Renamed" })).await.ok();
        assert_eq!(renamed["name"], "Renamed");
    }
    for path in ["/elements", "/elements/hubspotcrm/oauth/url?apiKey=K&callbackUrl=https://a.example/"] {
        server.anonymous().with(&bearer).get(path).await.ok();
    }
});

on_both!(every_wrong_part_is_refused, |server| async move {
    let Parts { user, organization, element } = &Parts::of(&server).await;
    let stranger = server.stranger().await;
    let secrets = stranger.authorization.clone().unwrap();
    let (foreign_user, foreign_organization) = secrets.split_once(", ").unwrap();
    let swapped = format!(
        "User {}, Organization {}",
        server.admin.organization_secret.expose(),
        server.admin.user_secret.expose()
    );
    let headers = [
        format!("{user}x, {organization}"),
        format!("{user}, {organization}x"),
        format!("{}, {organization}", user.to_uppercase()),
        format!("{user}, {}", organization.to_uppercase()),
        format!("{user}, {foreign_organization}"),
        format!("{foreign_user}, {organization}"),
        format!("User {}, {organization}", element.split_once(' ').unwrap().1),
        format!("User '--, {organization}"),
        "User a, Organization b".to_owned(),
        "Bearer nonsense".to_owned(),
        format!("Bearer {}", server.admin.user_secret.expose()),
        swapped,
    ];
    for header in headers {
        let caller = server.anonymous().with(&header);
        assert_eq!(platform(&caller).await.fails(401, "bad_credentials"), REFUSED, "{header}");
        assert_eq!(token_scoped(&caller.with_element("x")).await.fails(401, "bad_credentials"), REFUSED, "{header}");
    }
    for token in ["x", "nonsense+/==", server.admin.user_secret.expose()] {
        let reply = token_scoped(&server.caller().with_element(token)).await;
        assert_eq!(reply.fails(401, "bad_credentials"), REFUSED, "{token}");
    }
    // A foreign token is as good as none; it says nothing about the instance.
    let token = element.split_once(' ').unwrap().1;
    let reply = token_scoped(&stranger.with_element(token)).await;
    assert_eq!(reply.fails(401, "bad_credentials"), REFUSED);
    // Platform calls ignore the Element part (2.4).
    platform(&server.caller().with_element("x")).await.ok();
});

on_sqlite!(headers_that_cannot_be_read_are_refused, |server| async move {
    let pair = server.caller().authorization.unwrap();
    let (user, organization) = pair.split_once(", ").unwrap();
    let headers = [
        "User".to_owned(),
        "Basic dXNlcjpwYXNz".to_owned(),
        "nonsense".to_owned(),
        format!("User, {organization}"),
        format!("User , {organization}"),
        format!("{user}, {organization}, Element"),
        format!("{user}, {organization}, Something else"),
        format!("{user}, {organization}, {user}"),
        format!("{user}, {organization}, User other"),
        "Bearer a, Bearer b".to_owned(),
        format!("{user}; {organization}"),
    ];
    for header in headers {
        for path in ["/instances/count", "/elements"] {
            let message = server.anonymous().with(&header).get(path).await.fails(401, "bad_credentials");
            assert!(!message.is_empty() && !message.contains(server.admin.user_secret.expose()), "{message}");
        }
    }
    for bytes in [&b"User \xe9, Organization x"[..], b"\xff", b"User a\x80"] {
        let value = HeaderValue::from_bytes(bytes).unwrap();
        for path in ["/instances/count", "/elements"] {
            let reply = read(server.anonymous().request("GET", path).header("authorization", value.clone())).await;
            reply.fails(401, "bad_credentials");
        }
    }
});

/// Another process on the same database.
async fn replica(server: &TestServer) -> Services {
    let store = open(&server.database.url, 2);
    let build = Build {
        catalog: Catalog::load(None).expect("the elements load"),
        store,
        ring: KeyRing::parse(&Secret::new(Setup::default().master_key)).expect("a key ring"),
        guard: Guard::new(Vec::new(), None),
        proxy: None,
        clock: Arc::clone(&server.clock) as Arc<dyn Clock>,
        entropy: Arc::new(SystemEntropy),
        public_url: "https://ligand.example".parse().expect("an address"),
        anonymous_catalog: true,
        audit_kept_for: TimeDelta::days(365),
    };
    build.services().await.expect("the services build")
}

fn presented(server: &TestServer) -> Presented {
    Presented {
        user: Some(server.admin.user_secret.clone()),
        organization: Some(server.admin.organization_secret.clone()),
        ..Presented::default()
    }
}

on_both!(a_revocation_elsewhere_arrives_with_the_change_feed, |server| async move {
    let replica = replica(&server).await;
    let mut position = Default::default();
    server.services.follow_changes(&mut position).await;
    let (caller, session) = (server.caller(), server.anonymous().with(&bearer_of(&server).await));
    platform(&caller).await.ok();
    platform(&session).await.ok();

    let principal = replica.authenticate(&presented(&server)).await.unwrap();
    let operator = Actor::operator(principal.owner, replica.request_id());
    let password = Secret::new("another horse");
    let fresh = replica.reset_user(&operator, By::Id(principal.user), password).await.unwrap();
    // Warm: the feed has not been read since, and is less than five seconds old.
    platform(&caller).await.ok();
    platform(&session).await.ok();
    server.services.follow_changes(&mut position).await;
    platform(&caller).await.fails(401, "bad_credentials");
    platform(&session).await.fails(401, "bad_credentials");

    let renewed = |organization: &str| caller.with(&format!("User {}, Organization {organization}", fresh.expose()));
    let caller = renewed(server.admin.organization_secret.expose());
    platform(&caller).await.ok();
    let anew = Presented { user: Some(fresh.clone()), ..presented(&server) };
    let principal = replica.authenticate(&anew).await.unwrap();
    let actor = Actor::user(principal, Proof::Secrets, replica.request_id(), None);
    let organization = replica.reset_organization_secret(&actor, OtherSessions::End).await.unwrap().secret;
    platform(&caller).await.ok();
    server.services.follow_changes(&mut position).await;
    platform(&caller).await.fails(401, "bad_credentials");
    platform(&renewed(&organization)).await.ok();
});

on_both!(a_feed_that_is_not_read_is_not_trusted, |server| async move {
    let replica = replica(&server).await;
    server.services.follow_changes(&mut Default::default()).await;
    let (caller, session) = (server.caller(), server.anonymous().with(&bearer_of(&server).await));
    platform(&caller).await.ok();
    platform(&session).await.ok();
    let principal = replica.authenticate(&presented(&server)).await.unwrap();
    let operator = Actor::operator(principal.owner, replica.request_id());
    replica.reset_user(&operator, By::Id(principal.user), Secret::new("another horse")).await.unwrap();
    server.advance(TimeDelta::seconds(TRUSTED_FOR));
    platform(&caller).await.ok();
    server.advance(TimeDelta::seconds(1));
    platform(&caller).await.fails(401, "bad_credentials");
    platform(&session).await.fails(401, "bad_credentials");
    let body = Value::Null;
    caller.post("/authentication/user-secret-reset", &body).await.fails(401, "bad_credentials");
});

on_both!(after_a_gap_in_reading_the_feed_nothing_remembered_counts, |server| async move {
    let mut position = Default::default();
    let start = std::time::Instant::now();
    let at = |seconds: i64| start + std::time::Duration::from_secs(seconds.unsigned_abs());
    server.services.follow_changes_at(&mut position, start).await;
    let caller = server.caller();
    platform(&caller).await.ok();
    // As if its change had been purged before anybody here read it.
    server.database.execute("UPDATE app_user SET active = FALSE");
    server.services.follow_changes_at(&mut position, at(TRUSTED_FOR)).await;
    platform(&caller).await.ok();
    server.services.follow_changes_at(&mut position, at(2 * TRUSTED_FOR + 1)).await;
    platform(&caller).await.fails(401, "bad_credentials");
});
