//! The audit log: what is written of a change, and what is noticed of who alters it.

mod chain;
mod complete;
mod list;

use ligand::store::audit::{self, Filter};
use ligand::store::principals;

use crate::support::TestServer;

/// What the rows of one request say was done, in alphabetical order.
pub async fn actions_of(server: &TestServer, request: &str) -> Vec<String> {
    server.services.chain_audit_log().await.expect("they are chained");
    let admin = server.admin.email.clone();
    let found = server.services.store.read(move |conn| principals::find_by_email(conn, &admin)).await;
    let organization = found.expect("the database answers").expect("the administrator").0.owner.organization;
    let filter = Filter { request_id: Some(request.to_owned()), ..Filter::default() };
    let page = ligand::kernel::paging::Page { after: 0, size: 200 };
    let rows = server.services.store.read(move |conn| audit::list(conn, organization, &filter, page)).await;
    let mut actions: Vec<_> = rows.expect("rows").into_iter().map(|row| row.record.action).collect();
    actions.sort_unstable();
    actions
}
