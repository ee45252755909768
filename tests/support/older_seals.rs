//! A database as the version before seals were bound to owners leaves it.

use std::sync::Arc;

use ligand::kernel::entropy::SystemEntropy;
use ligand::kernel::secret::Secret;
use ligand::store::Store;
use ligand::store::sealed::{self, Column, SEALED, Swap, USER_PASSWORD, Value};
use ligand::vault::{Form, KeyRing, Vault};

use super::database::{Database, open};

/// Without the mark, which that version does not know.
pub fn unmarked(ring: &str) -> String {
    ring.replace(":bound", "")
}

pub fn vault(ring: &str) -> Vault {
    Vault::new(KeyRing::parse(&Secret::new(ring)).expect("a ring"), Arc::new(SystemEntropy))
}

/// All values of a column, where they are fewer than a page.
pub async fn values(store: &Store, column: Column) -> Vec<Value> {
    let read = store.read(move |conn| sealed::without_prefix(conn, column, b"none", i64::MIN));
    read.await.expect("they are read")
}

/// In which forms there are values of a column.
pub async fn forms(store: &Store, column: Column) -> Vec<Form> {
    let found = values(store, column).await;
    let of = |form: Form| found.iter().any(|value| Form::of(&value.bytes) == Some(form));
    Form::ALL.into_iter().filter(|form| of(*form)).collect()
}

/// Seals everything in the older form, and puts hashes of passwords into the clear. Nobody may run on the database.
pub async fn unbind(database: &Database, ring: &str) {
    let (store, vault) = (open(&database.url, 2), vault(ring));
    for column in SEALED {
        let mut swaps = Vec::new();
        for Value { id, owner, bytes: old } in values(&store, column).await {
            let place = column.place(owner, id);
            let plain = vault.open(place, &old).expect("it opens");
            if column == USER_PASSWORD {
                let hash = std::str::from_utf8(&plain).expect("a text");
                database.execute(&format!(
                    "UPDATE app_user SET password_hash = '{hash}', password_sealed = NULL WHERE id = {id}"
                ));
            } else {
                swaps.push(Swap { id, old, new: vault.seal_as(Form::Unbound, place, &plain).expect("it is sealed") });
            }
        }
        let set = store.write(move |conn| sealed::swap(conn, column, &swaps));
        set.await.expect("they are set");
    }
    store.close().await.expect("it closes");
    database.execute("UPDATE compatibility SET oldest = '00000000000008'");
}
