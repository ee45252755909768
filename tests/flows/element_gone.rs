//! The file of an element is gone at the next start, and its instances are still there.

use serde_json::{Value, json};

use crate::support::caller::Caller;
use crate::support::database::runtime;
use crate::support::part::Signal;
use crate::support::program::{ADMIN, Serving, with_admin};
use crate::support::server::PASSWORD;
use crate::support::vendor::elements;

const PLAIN: [&str; 2] = ["https://app.example/callback", "a value of no element"];

/// The values of an instance's configuration: as a member of the instance, and entry by entry.
async fn values(caller: &Caller, id: &Value) -> [Vec<(String, Value)>; 2] {
    let instance = caller.get(&format!("/instances/{id}")).await.ok();
    let member = instance["configuration"].as_object().expect("an object").clone();
    let entries = caller.get(&format!("/instances/{id}/configuration")).await.ok();
    let entry = |entry: &Value| (entry["key"].as_str().expect("a key").to_owned(), entry["propertyValue"].clone());
    [member.into_iter().collect(), entries.as_array().expect("a list").iter().map(entry).collect()]
}

fn plain(values: &[(String, Value)]) -> Vec<&str> {
    let texts = values.iter().filter_map(|(_, value)| value.as_str());
    texts.filter(|text| *text != "********").collect()
}

#[test]
fn without_its_element_nothing_of_a_configuration_is_shown() {
    let copies = [("closeio", [("id = 146", "id = 10146"), ("key = \"closeio\"", "key = \"mine\"")].as_slice())];
    let directory = elements(&copies);
    let ligand = with_admin().set("LIGAND_ELEMENTS_DIR", directory.path().to_str().expect("a path"));
    runtime().block_on(async {
        let server = ligand.serve(&[]);
        let caller = server.sign_in(ADMIN, PASSWORD).await;
        let body = json!({
            "element": { "key": "mine" }, "name": "Orphan", "externalAuthentication": "initial",
            "configuration": {
                "oauth.api.key": "the client", "oauth.api.secret": "the secret", "oauth.callback.url": PLAIN[0],
                "my.own.note": PLAIN[1], "oauth.user.token": "the token", "oauth.user.refresh_interval": "1800",
            },
        });
        let id = caller.post("/instances", &body).await.ok()["id"].take();
        for known in values(&caller, &id).await {
            assert!(PLAIN.iter().all(|text| plain(&known).contains(text)), "{known:?}");
        }
        let again =
            |server: &Serving| Caller::anonymous(&server.url).with(caller.authorization.as_deref().expect("a header"));
        assert_eq!(server.stop(Signal::Terminate).0, 0);

        let ligand = ligand.set("LIGAND_ELEMENTS_DIR", "");
        let server = ligand.serve(&[]);
        for unknown in values(&again(&server), &id).await {
            let kept = |key: &str| unknown.iter().any(|(known, _)| known == key);
            assert!(kept("my.own.note") && kept("oauth.callback.url"), "the keys stay: {unknown:?}");
            // Told from the credential: when the token was got, and for how long.
            let told = ["oauth.user.refresh_interval", "oauth.user.refresh_time"];
            let others: Vec<_> = unknown.iter().filter(|(key, _)| !told.contains(&key.as_str())).cloned().collect();
            assert_eq!(plain(&others), Vec::<&str>::new());
        }
    });
}
