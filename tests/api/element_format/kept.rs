//! What a vendor tells beside the token, and tells once.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Own, creation, fresh_code, key, setup_of};
use crate::api::console::person::Person;
use crate::api::users::{draft, made};
use crate::support::on_both;
use crate::support::receiver::Receiver;
use crate::support::server::run_with;
use crate::support::vendor::Vendor;

const MASK: &str = "********";

/// Slack's (NangoHQ/nango #1026 and #3561; Slack API, "Installing with OAuth", section "Exchanging a temporary authorization code").
const SLACK: &str = "[variables.webhookUrl]\nreply = \"/incoming_webhook/url\"\nkept = \"secret\"\n\
                     [variables.userToken]\nreply = \"/authed_user/access_token\"\nkept = \"secret\"\n\
                     [variables.botUserId]\nreply = \"/bot_user_id\"\nkept = \"plain\"";
/// Notion's (Notion API, "Authorization", step 4).
const NOTION: &str = "[variables.workspaceId]\nreply = \"/workspace_id\"\nkept = \"plain\"\n\
                      [variables.templateId]\nreply = \"/duplicated_template_id\"\nkept = \"plain\"";
/// Stripe's (Stripe API reference, "OAuth token": `livemode` is a boolean); and what the redirect and another call tell.
const STRIPE: &str = "[variables.stripeUserId]\nreply = \"/stripe_user_id\"\nkept = \"plain\"\n\
                      [variables.livemode]\nreply = \"/livemode\"\nkept = \"plain\"\n\
                      [variables.region]\ncallback = \"location\"\nkept = \"plain\"\n\
                      [variables.email]\nreply = \"/id_token/email\"\nkept = \"plain\"\n\
                      [variables.plan]\nverification = \"/plan\"\nkept = \"plain\"\n\
                      [verification]\npath = \"/account\"";

fn own(tables: &'static str) -> Own {
    Own { tables, ..Own::default() }
}

fn issues(vendor: &Vendor, more: &Value) {
    let mut reply = json!({ "access_token": "at", "refresh_token": "rt", "expires_in": 600 });
    reply.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    vendor.answers("/token", 200, reply);
}

fn of_slack(user_token: &str) -> Value {
    json!({
        "incoming_webhook": { "url": "https://hooks.slack.example/T/B/x", "channel": "#general" },
        "authed_user": { "id": "U1", "access_token": user_token }, "bot_user_id": "U0KRQLJ9H",
    })
}

on_both!(named_members_of_the_reply_are_kept, in |database| {
    let claims = "eyJlbWFpbCI6ImFAYi5leGFtcGxlIn0";
    let cases = [
        (own(SLACK), of_slack("xoxp-1"), json!([
            { "name": "botUserId", "value": "U0KRQLJ9H", "secret": false },
            { "name": "userToken", "value": "xoxp-1", "secret": true },
            { "name": "webhookUrl", "value": "https://hooks.slack.example/T/B/x", "secret": true },
        ])),
        (own(NOTION), json!({ "workspace_id": "w-1", "duplicated_template_id": null }), json!([
            { "name": "workspaceId", "value": "w-1", "secret": false },
        ])),
        (own(STRIPE), json!({ "stripe_user_id": "acct_1", "livemode": false, "id_token": format!("e30.{claims}.s") }), json!([
            { "name": "email", "value": "a@b.example", "secret": false },
            { "name": "livemode", "value": "false", "secret": false },
            { "name": "plan", "value": "3", "secret": false },
            { "name": "region", "value": "eu", "secret": false },
            { "name": "stripeUserId", "value": "acct_1", "secret": false },
        ])),
    ];
    let vendors: Vec<Vendor> = cases.iter().map(|_| Vendor::start()).collect();
    let (_directory, setup) = setup_of(&cases.iter().map(|case| &case.0).zip(&vendors).collect::<Vec<_>>());
    run_with(database, setup, |server| async move {
        let caller = server.caller();
        let mut person = Person::admin(&server).await;
        let receiver = Receiver::start().await;
        caller.put("/notifications/webhook", &json!({ "url": receiver.url() })).await.ok();
        for (number, ((_, reply, values), vendor)) in cases.into_iter().zip(&vendors).enumerate() {
            issues(vendor, &reply);
            vendor.answers("/account", 200, json!({ "plan": 3 }));
            let mut body = creation(&json!({ "code": fresh_code(), "location": "eu" }));
            body["element"]["key"] = json!(key(number));
            let created = caller.post("/instances", &body).await;
            let path = format!("/instances/{}", created.ok()["id"]);
            assert_eq!(caller.get(&format!("{path}/vendor-values")).await.ok(), values);
            let page = person.shown(&format!("/console/{}", path.trim_start_matches('/'))).await;
            for value in values.as_array().expect("a list") {
                let told = value["value"].as_str().expect("a text");
                assert_eq!(page.contains(told), value["secret"] == false, "{told}: {page}");
            }
            // By a call of its own alone.
            for text in [&created.text, &caller.get(&path).await.text] {
                assert!(!text.contains("xoxp-1") && !text.contains("hooks.slack"), "{text}");
            }
            // A refresh does not repeat it.
            issues(vendor, &json!({}));
            server.advance(TimeDelta::hours(1));
            caller.get(&format!("{path}?refresh=true")).await.ok();
            assert_eq!(caller.get(&format!("{path}/vendor-values")).await.ok(), values);
            server.services.send_due_notices().await.expect("the job runs");
            let told = receiver.told().pop().expect("a notice").notice;
            assert_eq!((&told["type"], &told["data"]["instanceId"]), (&json!("instance.created"), &created.ok()["id"]));
            let plain = values.as_array().expect("a list").iter().filter(|value| value["secret"] == false);
            let plain: serde_json::Map<String, Value> =
                plain.map(|value| (value["name"].as_str().expect("a name").to_owned(), value["value"].clone())).collect();
            assert_eq!(told["data"]["vendorValues"], Value::Object(plain), "no secret among them");
        }
        // A new code brings new ones.
        issues(&vendors[0], &of_slack("xoxp-2"));
        let slack = caller.get("/instances").await.ok()[0]["id"].clone();
        caller.patch(&format!("/instances/{slack}"), &json!({ "providerData": { "code": fresh_code() } })).await.ok();
        let values = caller.get(&format!("/instances/{slack}/vendor-values")).await.ok();
        assert_eq!(values[1]["value"], "xoxp-2");
        server.stranger().await.get(&format!("/instances/{slack}/vendor-values")).await.fails(404, "instance_not_found");
    });
});

// Whoever may not see an instance's token sees none of the vendor's.
on_both!(kept_secrets_are_masked_as_tokens_are, in |database| {
    let vendor = Vendor::start();
    let (_directory, setup) = own(SLACK).setup(&vendor);
    run_with(database, setup, |server| async move {
        let admin = server.caller();
        let (_, sam) = made(&server, &draft("sam@example.com")).await;
        issues(&vendor, &of_slack("xoxp-1"));
        let of = async |maker: &crate::support::Caller| {
            let id = maker.post("/instances", &creation(&json!({ "code": fresh_code() }))).await.ok()["id"].clone();
            format!("/instances/{id}/vendor-values")
        };
        let (of_admin, of_sam) = (of(&admin).await, of(&sam).await);
        for hidden in [false, true] {
            admin.patch("/organizations/me", &json!({ "usersSeeTokens": !hidden })).await.ok();
            for (caller, path, masked) in [(&sam, &of_admin, hidden), (&sam, &of_sam, false), (&admin, &of_sam, false)] {
                let values = caller.get(path).await.ok();
                assert_eq!(values[0]["value"], "U0KRQLJ9H");
                assert_eq!(values[1]["value"], if masked { MASK } else { "xoxp-1" }, "{path}");
                assert_eq!(values[2]["value"] == MASK, masked, "{path}");
            }
        }
    });
});
