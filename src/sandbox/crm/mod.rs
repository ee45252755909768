//! HubSpot's CRM API, on records kept in memory. Every path comes in two families: `/crm/v3/objects/deals`, and the dated
//! `/crm/objects/2026-03/0-3`. They are told apart here and not by actix's router, whose many patterns would make every
//! start of the sandbox slow.

mod associations;
mod batch;
mod definitions;
mod fault;
mod kinds;
mod legacy;
mod objects;
mod owners;
mod paging;
mod pipelines;
mod place;
mod properties;
mod records;
mod search;
mod values;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::associations::Associations;
use self::definitions::Definitions;
use self::fault::Fault;
pub use self::kinds::Kind;
use self::pipelines::Pipelines;
pub use self::place::Place;
use self::records::Records;
use super::fields::Fields;
use super::{Sandbox, admission};

/// A batch of a hundred records with long texts.
const BODY_LIMIT: usize = 10 << 20;

#[derive(Debug, Default)]
pub struct Crm {
    records: Records,
    definitions: Definitions,
    pipelines: Pipelines,
    associations: Associations,
}

type Answer = Result<HttpResponse, Fault>;

/// A call.
struct Ask<'a> {
    method: &'a str,
    /// Where a link to the next page leads.
    address: String,
    query: Fields,
    body: &'a [u8],
    now: DateTime<Utc>,
}

impl Ask<'_> {
    fn wants_archived(&self) -> bool {
        self.query.get("archived").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// Everything below `/crm`, and below `/contacts` for old clients.
pub fn resource() -> impl HttpServiceFactory + use<> {
    web::resource("/{path:(crm|contacts)/.*}")
        .wrap(from_fn(admission::admit))
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .to(answer)
}

async fn answer(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let ask = Ask {
        method: request.method().as_str(),
        address: format!("{}{}", sandbox.settings.public_url, request.path()),
        query: Fields::parse(request.query_string().as_bytes()),
        body: &body,
        now: sandbox.clock.now(),
    };
    let answered = sandbox.locked(|inner| {
        let place = Place::read(&path);
        let answered = dispatch(&mut inner.crm, &ask, &place);
        if changes_something(&ask, &place) {
            // Refused ones, too: a batch may have done a part.
            inner.save_call(|| Call {
                method: ask.method.to_owned(),
                path: path.clone(),
                query: request.query_string().to_owned(),
                body: String::from_utf8_lossy(&body).into_owned(),
                at: ask.now,
            });
        }
        answered
    });
    answered.unwrap_or_else(|fault| sandbox.api_error(fault.status, &fault.message, fault.more))
}

/// A call that came, as a restart repeats it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    method: String,
    path: String,
    query: String,
    body: String,
    at: DateTime<Utc>,
}

impl Call {
    /// The same call on the same records does the same.
    pub fn repeat(&self, crm: &mut Crm) {
        let ask = Ask {
            method: &self.method,
            address: String::new(),
            query: Fields::parse(self.query.as_bytes()),
            body: self.body.as_bytes(),
            now: self.at,
        };
        let _ = dispatch(crm, &ask, &Place::read(&self.path));
    }
}

fn changes_something(ask: &Ask, place: &Place) -> bool {
    ask.method != "GET" && !matches!(place.rest.as_slice(), [.., "search" | "read"])
}

fn dispatch(crm: &mut Crm, ask: &Ask, place: &Place) -> Answer {
    let kind = |text| Kind::read(text);
    match (ask.method, place.area, place.rest.as_slice()) {
        (_, "contacts", rest) => legacy::dispatch(crm, ask, rest),
        ("GET", "objects", [of]) => objects::list(crm, ask, &kind(of)?),
        ("POST", "objects", [of]) => objects::create(crm, ask, &kind(of)?),
        ("POST", "objects", [of, "search"]) => search::run(crm, ask, &kind(of)?),
        ("POST", "objects", [of, "merge"]) => objects::merge(crm, ask, &kind(of)?),
        ("POST", "objects", [of, "gdpr-delete"]) => objects::forget(crm, ask, &kind(of)?),
        ("POST", "objects", [of, "batch", verb]) => batch::run(crm, ask, &kind(of)?, verb),
        ("GET", "objects", [of, id]) => objects::show(crm, ask, &kind(of)?, id),
        ("PATCH", "objects", [of, id]) => objects::update(crm, ask, &kind(of)?, id),
        ("DELETE", "objects", [of, id]) => objects::archive(crm, ask, &kind(of)?, id),
        (_, "objects", [from, id, "associations", rest @ ..]) => {
            associations::of_record(crm, ask, (&kind(from)?, id), rest)
        }
        ("POST", "associations", [from, to, "batch", verb]) => {
            associations::batch(crm, ask, &kind(from)?, &kind(to)?, verb)
        }
        (_, "properties", [of, "groups"]) => properties::groups(crm, ask, &kind(of)?, None),
        (_, "properties", [of, "groups", name]) => properties::groups(crm, ask, &kind(of)?, Some(name)),
        (_, "properties", [of]) => properties::all(crm, ask, &kind(of)?),
        (_, "properties", [of, name]) => properties::one(crm, ask, &kind(of)?, name),
        (_, "pipelines", [of]) => pipelines::all(crm, ask, &kind(of)?),
        (_, "pipelines", [of, id]) => pipelines::one(crm, ask, &kind(of)?, id),
        (_, "pipelines", [of, id, "stages"]) => pipelines::stages(crm, ask, &kind(of)?, id),
        ("GET", "owners", []) => owners::list(ask),
        ("GET", "owners", [id]) => owners::show(ask, id),
        _ => Err(Fault::not_found()),
    }
}
