//! What was told, to whom, and what became of it.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Payload, subject_of_instance};
use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::paging::Page;
use crate::service::actor::Actor;
use crate::service::{Services, not_found};
use crate::store::StoreFault;
use crate::store::notices::{self, Delivery, Filter};

/// A notice on its way to one receiver.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
pub struct DeliveryView {
    pub id: i64,
    /// The `webhook-id` that the receiver sees, the same at every attempt.
    #[schema(example = "msg_2f6c1f7b9c0d4e5fa0b1c2d3e4f50617")]
    pub message: String,
    #[serde(rename = "type")]
    #[schema(example = "instance.invalid")]
    pub kind: String,
    /// What it is about. Notices of one subject reach a receiver in their order.
    #[schema(example = "instance:4711")]
    pub subject: String,
    /// The link whose `notifyUrl` it goes to; null: to the organization's webhook.
    #[schema(required)]
    pub notify_link_id: Option<i64>,
    /// `waiting`: for its turn or its next attempt; `parked`: tried for an hour in vain, so that it no longer holds up
    /// those behind it, and still tried; `delivered`; `failed`: given up after a day, or because the receiver is gone.
    #[schema(example = "waiting")]
    pub status: &'static str,
    pub attempts: i64,
    /// What the receiver answered last.
    #[schema(required, minimum = 100, maximum = 999)]
    pub last_status: Option<i64>,
    #[schema(required, example = "The receiver answered 500.")]
    pub last_error: Option<String>,
    #[schema(required, example = "2026-03-01T12:00:05Z")]
    pub next_attempt_at: Option<String>,
    #[schema(required, example = "2026-03-01T12:00:00Z")]
    pub delivered_at: Option<String>,
    #[schema(example = "2026-03-01T12:00:00Z")]
    pub created_at: String,
    /// What is sent.
    pub notice: Payload,
}

/// Which deliveries a list wants.
#[derive(Debug, Default)]
pub struct DeliveryQuery {
    pub status: Option<String>,
    pub instance_id: Option<i64>,
    pub link_id: Option<i64>,
}

const PARKED: &str = "parked";

impl DeliveryView {
    fn of(row: Delivery) -> Result<Self, ApiError> {
        let notice = serde_json::from_str(&row.payload).map_err(|error| ApiError::internal(error))?;
        let status = match row.status.as_str() {
            notices::DELIVERED => notices::DELIVERED,
            notices::FAILED => notices::FAILED,
            _ if row.parked => PARKED,
            _ => notices::WAITING,
        };
        Ok(Self {
            id: row.id,
            status,
            next_attempt_at: row.waits().then(|| api_date(row.due_at.into())),
            message: row.message,
            kind: row.kind,
            subject: row.subject,
            notify_link_id: row.link_id,
            attempts: row.attempts,
            last_status: row.last_status,
            last_error: row.last_error,
            delivered_at: row.delivered_at.map(|at| api_date(at.into())),
            created_at: api_date(row.created_at.into()),
            notice,
        })
    }
}

fn filter(query: DeliveryQuery) -> Result<Filter, ApiError> {
    let (status, parked) = match query.status.as_deref() {
        None => (None, None),
        Some(notices::WAITING) => (Some(notices::WAITING), Some(false)),
        Some(PARKED) => (Some(notices::WAITING), Some(true)),
        Some(notices::DELIVERED) => (Some(notices::DELIVERED), None),
        Some(notices::FAILED) => (Some(notices::FAILED), None),
        Some(_) => {
            let message = "status must be waiting, parked, delivered or failed.";
            return Err(ApiError::new(Code::BadParameter, message));
        }
    };
    Ok(Filter { status, parked, subject: query.instance_id.map(subject_of_instance), link_id: query.link_id })
}

#[track_caller]
fn of_delivery(id: i64) -> impl FnOnce(StoreFault) -> ApiError {
    not_found(Code::DeliveryNotFound, move || format!("No delivery found with ID {id}."))
}

impl Services {
    /// The newest first, and the token of the next page.
    pub async fn deliveries(
        &self,
        owner: Owner,
        query: DeliveryQuery,
        page: Page,
    ) -> Result<(Vec<DeliveryView>, Option<String>), ApiError> {
        let filter = filter(query)?;
        let (rows, page) = self.store.read_for(owner, move |conn| notices::list(conn, owner, &filter, page)).await?;
        let (rows, next) = page.cut(rows, |row| row.id);
        Ok((rows.into_iter().map(DeliveryView::of).collect::<Result<_, _>>()?, next))
    }

    pub async fn delivery(&self, owner: Owner, id: i64) -> Result<DeliveryView, ApiError> {
        let row =
            self.store.read_for(owner, move |conn| notices::find(conn, owner, id)).await.map_err(of_delivery(id))?;
        DeliveryView::of(row)
    }

    /// Sends it once more, whatever became of it before.
    pub async fn retry_delivery(&self, actor: &Actor, id: i64) -> Result<DeliveryView, ApiError> {
        let (owner, now) = (actor.owner(), self.now());
        let row = self
            .store
            .write_for(owner, move |conn| notices::retry(conn, owner, id, now))
            .await
            .map_err(of_delivery(id))?;
        DeliveryView::of(row)
    }
}
