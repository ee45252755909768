//! A refresh token that a caller brings is spent by its first use where the vendor rotates. When the vendor is away before all is known
//! that an instance needs, what it gave for that token is kept for a day: whoever brings the token again goes on with the newer one.

use serde::{Deserialize, Serialize};

use super::provision::{Provisioned, Provisioning};
use crate::kernel::error::ApiError;
use crate::kernel::secret::{self, Secret};
use crate::protocol::Credential;
use crate::service::Services;
use crate::service::ground::{PATIENCE, waits_for_database};
use crate::service::process::flight::Lateness;
use crate::store::limits::Limit;
use crate::store::newer_tokens::{self, Newer};
use crate::store::sealed::NEWER_TOKEN;
use crate::vault::Document;
use crate::vault::lookup::Purpose;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewerToken {
    #[serde(serialize_with = "secret::sealed")]
    refresh_token: Secret,
}

impl Document for NewerToken {
    const KIND: &'static str = "newerToken";
}

impl Services {
    /// The token that is good by now for one that a caller brings.
    pub(super) async fn newest(&self, input: &Provisioning, brought: &Secret) -> Result<Secret, ApiError> {
        let (owner, named) = (input.owner, named(input, brought));
        let hashes = self.lookup.hashes(Purpose::Code, &named);
        let kept = self.store.read_for(owner, move |conn| newer_tokens::find(conn, owner, &hashes)).await?;
        let Some(Newer { id, sealed }) = kept else { return Ok(brought.clone()) };
        let NewerToken { refresh_token } =
            self.vault.open_document(NEWER_TOKEN.place(owner.organization, id), &sealed)?;
        Ok(refresh_token)
    }

    /// Keeps what the vendor gave for a token that a caller brought, since no instance does.
    pub(super) async fn keep_newer(&self, input: &Provisioning, provisioned: &Provisioned, lateness: &Lateness) {
        let brought = input.brought.as_ref().and_then(|brought| brought.refresh_token.as_ref());
        let Credential::OAuth2 { refresh_token: Some(newer), .. } = &provisioned.credential else { return };
        let Some(brought) = brought.filter(|brought| *brought != newer) else { return };
        let keeping = async {
            // A day of such tokens is as much as an organization may have of keys and codes.
            let _room = self.claim(input.owner.organization, Limit::IdempotencyKeys, 1).await?;
            let (owner, id, now) = (input.owner, self.store.next_id().await?, self.now());
            let document = NewerToken { refresh_token: newer.clone() };
            let sealed = self.vault.seal_document(NEWER_TOKEN.place(owner.organization, id), &document)?;
            let (hash, newer) = (self.lookup.hash(Purpose::Code, &named(input, brought)), Newer { id, sealed });
            let write = move |conn: &mut _| newer_tokens::keep(conn, owner, &hash, &newer, now);
            Ok::<_, ApiError>(self.commit_until_decided(owner, "a newer refresh token", write).await?)
        };
        let kept = lateness.within(PATIENCE, || waits_for_database(None), keeping).await;
        if let Err(error) = kept {
            tracing::error!(
                element = input.element.key,
                ?error,
                "a refresh token that replaced a caller's is not kept"
            );
        }
    }
}

fn named(input: &Provisioning, brought: &Secret) -> Secret {
    Secret::new(format!("{}\0refresh token\0{}", input.element.id, brought.expose()))
}
