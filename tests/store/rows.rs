//! Rows to work with, written straight to the database.

use chrono::{DateTime, Utc};
use ligand::kernel::owner::Owner;
use ligand::store::audit::Trail;
use ligand::store::instances::{self, CredentialRow, InstanceRow};
use ligand::store::principals::{self, KeptPassword, KeptSecret, NewOrganization, NewUser};
use ligand::store::time::UtcTime;
use ligand::store::{Store, StoreFault};

use crate::support::server::start_of_time;

/// Of rows that no use case writes.
pub const UNTOLD: Trail = Trail::Not("a test's own row");

pub fn now() -> DateTime<Utc> {
    start_of_time()
}

/// An organization with its administrator, who creates the instances.
pub struct Organization {
    pub owner: Owner,
    pub user: i64,
}

pub async fn db_organization(store: &Store) -> Organization {
    let id = store.next_id().await.expect("an id");
    let account = store.next_id().await.expect("an id");
    let user = store.next_id().await.expect("an id");
    let owner = Owner { organization: id, account };
    let kept = |what: &str| KeptSecret { hash: format!("{what} of {id}").into_bytes(), sealed: vec![1] };
    let (of_organization, of_user) = (kept("organization"), kept("user"));
    let written = store.write(move |conn| {
        let new = NewOrganization { id, account_id: account, name: "Acme".to_owned(), secret: of_organization };
        principals::insert_organization(conn, &new, now(), &UNTOLD)?;
        let new = NewUser {
            id: user,
            owner,
            email: format!("admin@{id}.example"),
            first_name: "Jo".to_owned(),
            last_name: "Doe".to_owned(),
            password: KeptPassword { clear: "x".to_owned(), sealed: None },
            secret: of_user,
            organization_admin: true,
        };
        principals::insert_user(conn, &new, now(), &UNTOLD)
    });
    written.await.expect("the organization is written");
    Organization { owner, user }
}

impl Organization {
    /// Everybody whose row it is not: another account, another organization, both.
    pub fn strangers(&self) -> [Owner; 3] {
        let Owner { organization, account } = self.owner;
        [
            Owner { organization, account: account + 1 },
            Owner { organization: organization + 1, account },
            Owner { organization: organization + 1, account: account + 1 },
        ]
    }

    pub fn instance(&self, id: i64, name: &str) -> InstanceRow {
        InstanceRow {
            id,
            organization_id: self.owner.organization,
            account_id: self.owner.account,
            element_id: 168,
            element_key: "hubspotcrm".to_owned(),
            name: name.to_owned(),
            tags: "[]".to_owned(),
            external_id: None,
            token_hash: token_hash(id),
            token_sealed: vec![2],
            authentication_type: "apiKey".to_owned(),
            external_authentication: "none".to_owned(),
            configuration_sealed: vec![3],
            enabled: true,
            invalid_reason: None,
            created_by: self.user,
            version: 1,
            created_at: UtcTime(now()),
            updated_at: UtcTime(now()),
            connected: None,
        }
    }

    pub fn credential(&self, instance_id: i64) -> CredentialRow {
        CredentialRow {
            instance_id,
            organization_id: self.owner.organization,
            account_id: self.owner.account,
            version: 1,
            sealed: vec![4],
            grant_hash: Some(format!("grant of {instance_id}").into_bytes()),
            refreshable: false,
            lifetime: None,
            expires_at: None,
            refreshed_at: None,
            due_at: None,
            refused_at: None,
            ends_at: None,
            tell_end_at: None,
            standing: None,
        }
    }

    /// An instance with its credential; gives its id.
    pub async fn db_instance(&self, store: &Store, name: &str, tags: &[&str]) -> i64 {
        let id = store.next_id().await.expect("an id");
        self.db_insert(store, self.instance(id, name), tags).await.expect("the instance is written");
        id
    }

    pub async fn db_insert(&self, store: &Store, row: InstanceRow, tags: &[&str]) -> Result<(), StoreFault> {
        let (owner, credential) = (self.owner, self.credential(row.id));
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        store.write(move |conn| instances::insert(conn, owner, (&row, &credential), &tags, &UNTOLD)).await
    }

    pub async fn db_exists(&self, store: &Store, id: i64) -> bool {
        let owner = self.owner;
        match store.read(move |conn| instances::find(conn, owner, id)).await {
            Ok(_) => true,
            Err(StoreFault::NotFound) => false,
            Err(fault) => panic!("{fault}"),
        }
    }
}

pub fn token_hash(id: i64) -> Vec<u8> {
    format!("token of {id}").into_bytes()
}
