//! What an operator's monitoring reads: calls by route, by vendor, and how long the database let them wait.

use ligand::sandbox::{How, Spoil};

use crate::support::caller::read;
use crate::support::{TestServer, on_both};

async fn lines(server: &TestServer) -> Vec<String> {
    let text = read(server.anonymous().request_at_root("GET", "/metrics")).await.text;
    text.lines().map(str::to_owned).collect()
}

on_both!(calls_are_counted_by_route_and_by_vendor, |server| async move {
    let caller = server.caller();
    let created = caller.create_with_code(server.sandbox(), "Mine").await;
    let called = caller.with_element(created["token"].as_str().expect("a token"));
    called.get("/hubs/crm/contacts").await.ok();
    assert_eq!(read(called.request_at_root("GET", "/vendor/crm/v3/objects/contacts")).await.status, 200);
    assert_eq!(read(called.request_at_root("GET", "/vendor/nowhere")).await.status, 404);
    caller.get("/instances/999999999").await.fails(404, "instance_not_found");
    let lines = lines(&server).await;
    for line in [
        r#"ligand_requests_total{method="POST",route="/elements/api-v2/instances",status="200"} 1"#,
        r#"ligand_requests_total{method="GET",route="/elements/api-v2/instances/{id}",status="404"} 1"#,
        r#"ligand_requests_total{method="GET",route="/vendor/{path}",status="404"} 1"#,
        r#"ligand_vendor_calls_total{element="hubspotcrm",purpose="token",status="200"} 1"#,
        r#"ligand_vendor_calls_total{element="hubspotcrm",purpose="hub",status="200"} 1"#,
        r#"ligand_vendor_calls_total{element="hubspotcrm",purpose="passthrough",status="404"} 1"#,
        r#"ligand_vendor_call_seconds_count{element="hubspotcrm",purpose="passthrough"} 2"#,
        r#"ligand_remembered{memory="instances"} 1"#,
    ] {
        assert!(lines.iter().any(|known| known == line), "{line} is not in {lines:#?}");
    }
    for lane in ["read", "write"] {
        let count = format!("ligand_database_wait_seconds_count{{lane=\"{lane}\"}} ");
        let count = lines.iter().find_map(|line| line.strip_prefix(&count)).expect("a count");
        assert!(count.parse::<u64>().expect("a number") > 0);
    }
});

on_both!(an_answer_that_does_not_come_whole_has_no_status, |server| async move {
    let caller = server.caller();
    let created = caller.create_with_code(server.sandbox(), "Mine").await;
    let called = caller.with_element(created["token"].as_str().expect("a token"));
    let spoil = Spoil { route: "/crm/v3/objects/contacts".to_owned(), how: How::Cut, times: None };
    server.sandbox().set(|switches| switches.spoil = Some(spoil));
    called.get("/hubs/crm/contacts").await;
    let line = r#"ligand_vendor_calls_total{element="hubspotcrm",purpose="hub",status="none"} 1"#;
    let lines = lines(&server).await;
    assert!(lines.iter().any(|known| known == line), "{lines:#?}");
});

on_both!(what_strangers_invent_makes_no_labels, |server| async move {
    let stranger = server.anonymous();
    for number in 0..20 {
        read(stranger.request_at_root("GET", &format!("/elements/api-v2/nowhere{number}/x"))).await;
        read(stranger.request_at_root(&format!("M{number}"), &format!("/instances/{number}"))).await;
    }
    let lines = lines(&server).await;
    let of_requests = lines.iter().filter(|line| line.starts_with("ligand_requests_total")).count();
    assert!(of_requests < 10, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains(r#"method="other""#)), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("nowhere")), "{lines:#?}");
});
