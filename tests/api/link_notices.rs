//! What is told of connect links: to the organization's webhook, and to the link's own address.

use chrono::{DateTime, TimeDelta};
use ligand::jobs::{Jobs, LINKS_EVERY};
use ligand::sandbox::{Consent, EndOfGrant};
use ligand::service::change_feed::FeedPosition;
use serde_json::{Value, json};

use crate::support::browser::{Browser, link, set_up, shown};
use crate::support::fleet::until;
use crate::support::receiver::{Answer, Receiver, TAKE};
use crate::support::{Caller, TestServer, on_both};

async fn send(server: &TestServer) {
    server.services.send_due_notices().await.expect("the job runs");
}

async fn listens(caller: &Caller) -> Receiver {
    let receiver = Receiver::start().await;
    caller.put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
    receiver
}

fn kinds(receiver: &Receiver) -> Vec<String> {
    receiver.taken().iter().map(|told| told.kind().to_owned()).collect()
}

on_both!(a_link_is_told_to_both_addresses_in_order_as_one_message, |server| async move {
    let caller = set_up(&server).await;
    let (everything, of_link) = (listens(&caller).await, Receiver::start().await);
    let made = link(&caller, json!({ "externalId": "customer-42", "notifyUrl": of_link.url() })).await;
    let other = link(&caller, json!({})).await;
    of_link.answers(Answer::Status(503));
    let browser = Browser::new(&server);
    server.sandbox().set(|switches| switches.consent = Consent::Deny);
    browser.connect(&made).await;
    send(&server).await;
    server.sandbox().set(|switches| switches.consent = Consent::Grant);
    browser.connect(&made).await;
    send(&server).await;
    assert!(of_link.taken().is_empty(), "one receiver's trouble is not the other's");
    assert_eq!(kinds(&everything).len(), 5, "{:?}", kinds(&everything));
    caller.delete(&format!("/connect/links/{}", other["id"])).await;
    of_link.answers(TAKE);
    server.advance(TimeDelta::minutes(1));
    send(&server).await;

    let of_this = ["link.opened", "link.denied", "link.opened", "link.authorised"];
    let kinds_of_link = kinds(&of_link);
    assert_eq!(kinds_of_link.first().map(String::as_str), Some(of_this[0]), "{kinds_of_link:?}");
    assert_eq!(kinds_of_link.last().map(String::as_str), Some(of_this[3]), "{kinds_of_link:?}");
    let about = |id: &Value| {
        let told = everything.taken().into_iter();
        told.filter(|told| told.notice["data"]["linkId"] == *id && told.kind().starts_with("link.")).collect::<Vec<_>>()
    };
    let same: Vec<_> = about(&made["id"]).iter().map(|told| (told.id().to_owned(), told.notice.clone())).collect();
    let there: Vec<_> = of_link.taken().iter().map(|told| (told.id().to_owned(), told.notice.clone())).collect();
    assert_eq!(same, there, "the same messages in the same order");
    let revoked = about(&other["id"]);
    assert_eq!(revoked.last().expect("a notice").kind(), "link.revoked");

    let authorised = shown(&caller, &made).await;
    let last = of_link.taken().last().expect("a notice").notice["data"].clone();
    let expected = json!({
        "instanceId": authorised["instanceId"], "linkId": made["id"], "elementKey": "hubspotcrm",
        "externalId": "customer-42", "status": "authorised", "reason": null,
    });
    assert_eq!(last, expected);
    let created = everything.taken().into_iter().find(|told| told.kind() == "instance.created").expect("it is told");
    let data = &created.notice["data"];
    assert_eq!((&data["instanceId"], &data["linkId"]), (&authorised["instanceId"], &made["id"]));
    let token = made["url"].as_str().unwrap().rsplit('/').next().unwrap();
    for told in everything.told().iter().chain(&of_link.told()) {
        assert!(!String::from_utf8_lossy(&told.request.body).contains(token));
    }
    let path = format!("/notifications/deliveries?linkId={}&pageSize=200", made["id"]);
    let listed = caller.get(&path).await.ok();
    assert_eq!(listed.as_array().expect("a list").len(), 2 * there.len());
});

on_both!(the_end_of_a_links_time_is_told_within_a_minute, |server| async move {
    let caller = set_up(&server).await;
    let receiver = listens(&caller).await;
    let made = link(&caller, json!({ "expiresIn": 60 })).await;
    link(&caller, json!({ "expiresIn": 3600 })).await;
    // The worst moment: the last round was just before.
    server.advance(TimeDelta::microseconds(59_999_999));
    assert_eq!(server.services.expire_links().await.expect("the job runs"), 0);
    server.advance(TimeDelta::microseconds(1) + TimeDelta::from_std(LINKS_EVERY).unwrap());
    let jobs = Jobs::start(&server.services, FeedPosition::default());
    until("it is told", async || kinds(&receiver).contains(&"link.expired".to_owned())).await;
    jobs.stop().await;
    let told: Vec<_> = receiver.taken().into_iter().filter(|told| told.kind() == "link.expired").collect();
    assert_eq!(told.len(), 1, "of the one that is over");
    let data = &told[0].notice["data"];
    assert_eq!((&data["linkId"], &data["status"]), (&made["id"], &json!("expired")));
    let at = |text: &Value| DateTime::parse_from_rfc3339(text.as_str().expect("a time")).expect("a time");
    let late = at(&told[0].notice["timestamp"]) - at(&made["expiresAt"]);
    assert!(late <= TimeDelta::seconds(30), "{late}");
});

on_both!(an_instance_that_a_link_authorises_anew_recovers_once, |server| async move {
    let caller = set_up(&server).await;
    let receiver = listens(&caller).await;
    let made = link(&caller, json!({})).await;
    let browser = Browser::new(&server);
    browser.connect(&made).await;
    let id = shown(&caller, &made).await["instanceId"].as_i64().expect("an instance");
    server.advance(TimeDelta::seconds(11));
    server.sandbox().revoke(EndOfGrant::Uninstalled);
    caller.get(&format!("/instances/{id}?refresh=true")).await.ok();
    for _ in 0..2 {
        let again = link(&caller, json!({ "instanceId": id })).await;
        browser.connect(&again).await;
        assert_eq!(shown(&caller, &again).await["status"], "authorised");
    }
    send(&server).await;
    let told: Vec<_> = receiver.taken().into_iter().filter(|told| told.kind().starts_with("instance.")).collect();
    let kinds: Vec<_> = told.iter().map(|told| told.kind()).collect();
    assert_eq!(kinds, ["instance.created", "instance.invalid", "instance.recovered"]);
    assert!(told.iter().all(|told| told.instance() == id));
});
