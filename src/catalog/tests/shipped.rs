//! The elements that come with the program.

use serde_json::json;
use url::Url;

use crate::catalog::address::ADDRESS_KEYS;
use crate::catalog::element::AuthenticationType;
use crate::catalog::load::{Catalog, check};

#[test]
fn all_built_in_elements_load() {
    let catalog = Catalog::load(None).unwrap_or_else(|complaints| panic!("{complaints:#?}"));
    let identities: Vec<_> =
        catalog.iter().map(|it| (it.id, it.key.as_str(), it.hook_name.as_str(), it.hub.as_str())).collect();
    assert_eq!(
        identities,
        [
            (23, "sfdc", "SFDC", "crm"),
            (43, "hubspot", "HubSpot", "marketing"),
            (146, "closeio", "CloseIO", "crm"),
            (168, "hubspotcrm", "HubSpotCRM", "crm"),
            (9001, "pipedrive", "Pipedrive", "crm"),
            (9002, "freshdesk", "Freshdesk", "helpdesk"),
            (9003, "jira", "Jira", "helpdesk"),
            (9004, "privateapi", "PrivateApi", "general"),
            (9005, "privateoauth", "PrivateOAuth", "general"),
        ]
    );
    assert_eq!(check(None), Ok(9));
}

#[test]
fn elements_are_found_by_key_and_by_id() {
    let catalog = Catalog::load(None).unwrap();
    assert_eq!(catalog.get("hubspotcrm").unwrap().name, "Hubspot CRM");
    assert_eq!(catalog.get("43").unwrap().name, "Hubspot Marketing");
    assert_eq!(catalog.by_id(168).unwrap().key, "hubspotcrm");
    for absent in ["", "44", "-43", "99999999999999999999", "HubSpotCRM", "hubspotcrm/"] {
        assert!(catalog.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn hubspot_declares_the_twenty_keys_in_order() {
    let twenty = [
        "authentication.type",
        "oauth.callback.url",
        "oauth.api.key",
        "oauth.api.secret",
        "oauth.scope",
        "oauth.user.token",
        "oauth.user.refresh_token",
        "oauth.user.refresh_interval",
        "oauth.user.refresh_time",
        "hubspot.authorization.apikey",
        "create.bulk.properties",
        "filter.response.nulls",
        "event.vendor.type",
        "event.notification.enabled",
        "event.notification.callback.url",
        "event.notification.signature.key",
        "event.notification.subscription.id",
        "event.poller.refresh_interval",
        "event.poller.urls",
        "hubspot.webhook.workflow.id",
    ];
    let catalog = Catalog::load(None).unwrap();
    for key in ["hubspotcrm", "hubspot"] {
        let element = catalog.get(key).unwrap();
        let keys: Vec<_> = element.configuration.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(keys, twenty, "{key}");
        let defaults: Vec<_> = element.configuration.iter().filter_map(|entry| entry.default.as_deref()).collect();
        assert_eq!(defaults, ["oauth2", "false", "true", "polling", "false", "15", "contacts\naccounts"]);
        let missing = |kind| {
            let own = element.configuration.iter().filter(move |entry| entry.required && entry.applies_to(kind));
            own.map(|entry| entry.key.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(missing(AuthenticationType::OAuth2), ["oauth.callback.url", "oauth.api.key", "oauth.api.secret"]);
        assert_eq!(missing(AuthenticationType::ApiKey), ["hubspot.authorization.apikey"]);
    }
}

#[test]
fn hubspot_scopes_are_the_documented_ones() {
    let catalog = Catalog::load(None).unwrap();
    let scopes = |key: &str| catalog.get(key).unwrap().authentication.oauth2.as_ref().unwrap().scopes.clone();
    let long = "contacts timeline files content reports social automation forms";
    assert_eq!(scopes("hubspotcrm").default.join(" "), "contacts timeline files");
    assert_eq!(scopes("hubspotcrm").when_empty.unwrap().join(" "), long);
    assert_eq!(scopes("hubspot").default.join(" "), long);
    assert_eq!(scopes("hubspot").when_empty, None);
}

#[test]
fn polling_has_the_shape_of_the_poller_configuration() {
    let catalog = Catalog::load(None).unwrap();
    let polling = serde_json::to_value(&catalog.get("hubspotcrm").unwrap().events.polling).unwrap();
    assert_eq!(
        polling["contacts"],
        json!({"url": "/hubs/crm/contacts?where=lastmodifieddate='${date}'", "idField": "vid",
            "filterByUpdatedDate": true, "createdCheckTolerance": 10,
            "datesConfiguration": {"updatedDateField": "properties.lastmodifieddate", "updatedDateFormat": "milliseconds",
                "createdDateField": "properties.createdate", "createdDateFormat": "milliseconds"}})
    );
    assert!(polling.as_object().unwrap().keys().eq(["accounts", "contacts", "opportunities"]));
}

#[test]
fn address_entries_repeat_the_urls() {
    let catalog = Catalog::load(None).unwrap();
    let entries = catalog.get("hubspotcrm").unwrap().address_entries();
    let entries: Vec<_> = entries.iter().map(|entry| (entry.key.as_str(), entry.default.as_deref().unwrap())).collect();
    let urls = [
        "https://api.hubapi.com",
        "https://app.hubspot.com/oauth/authorize",
        "https://api.hubapi.com/oauth/2026-03/token",
    ];
    assert!(entries.into_iter().eq(ADDRESS_KEYS.into_iter().zip(urls)));
    assert_eq!(catalog.get("freshdesk").unwrap().address_entries().len(), 1);
}

#[test]
fn an_element_moves_to_another_origin() {
    let mut catalog = Catalog::load(None).unwrap();
    let untouched = catalog.clone();
    catalog.point_at(&["hubspotcrm", "sfdc", "unknown"], &Url::parse("http://127.0.0.1:8081/ignored").unwrap());
    let urls = |catalog: &Catalog, key: &str| {
        let templates = catalog.get(key).unwrap().templates();
        templates.into_iter().map(|(_, template)| template.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        urls(&catalog, "hubspotcrm"),
        [
            "http://127.0.0.1:8081",
            "http://127.0.0.1:8081/oauth/authorize",
            "http://127.0.0.1:8081/oauth/2026-03/token",
            "http://127.0.0.1:8081/oauth/2026-03/token/revoke",
            "http://127.0.0.1:8081/oauth/2026-03/token/introspect",
        ]
    );
    assert_eq!(
        urls(&catalog, "sfdc")[..2],
        ["http://127.0.0.1:8081", "http://127.0.0.1:8081/services/oauth2/authorize"]
    );
    for key in ["hubspot", "closeio", "pipedrive", "freshdesk"] {
        assert_eq!(urls(&catalog, key), urls(&untouched, key));
    }
    assert_eq!(urls(&untouched, "hubspotcrm")[0], "https://api.hubapi.com");
}
