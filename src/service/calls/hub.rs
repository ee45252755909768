//! Hub resources (docs/api.md, Hubs and resources): a caller's call becomes one or several calls to the vendor, and one answer.

use serde_json::Value;

use super::vendor::{Answered, VendorAccess};
use crate::catalog::element::{Element, Placement};
use crate::catalog::resource::ReplyShape;
use crate::hub::bookmark::Position;
use crate::hub::families::Form;
use crate::hub::objects::{self, Described, ObjectMetadata, ObjectName};
use crate::hub::page::Places;
use crate::hub::paging::Reply;
use crate::hub::plan::{self, Call, Plan};
use crate::hub::refusal::{failure_of, malformed, refusal};
use crate::hub::walk::Walk;
use crate::hub::{route, shape};
use crate::kernel::clock::api_date;
use crate::kernel::code::Code;
use crate::kernel::error::ApiError;
use crate::kernel::owner::Owner;
use crate::kernel::plain_text::shortened;
use crate::outbound::{Line, wait_asked};
use crate::protocol::VendorReply;
use crate::protocol::verification::{self, Meaning};
use crate::service::Services;
use crate::service::instance::list::nothing_found;
use crate::service::people::authenticate::Presented;
use crate::service::refresh::warm_instances::LiveInstance;

/// A call as it came in.
pub struct HubCall {
    pub form: Form,
    pub method: String,
    /// Behind the hub, decoded.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
}

/// What goes out: JSON text, or nothing.
#[derive(Debug, Default)]
pub struct HubAnswer {
    pub text: Option<String>,
    /// Of a list.
    pub returned: Option<usize>,
    pub total: Option<String>,
    pub next: Option<String>,
}

impl Services {
    /// Whether some element has a resource of its own at this bare path. `owner`: none while nobody has looked who calls.
    pub fn is_resource(&self, owner: Option<Owner>, path: &[String]) -> bool {
        self.elements_of(owner).iter().any(|element| route::has_own(element, path))
    }

    /// The owner's instance whose token was presented, as callers of hubs are known.
    pub async fn instance_presented(&self, presented: &Presented) -> Result<(Owner, i64), ApiError> {
        let principal = self.authenticate_for_hub(presented).await?;
        let token = presented.element.as_ref().ok_or(Code::MissingCredentials)?;
        Ok((principal.owner, self.instance_of_token(principal.owner, token).await?))
    }

    /// Whether this instance's element has a resource of its own at this bare path.
    pub async fn has_own_resource(&self, (owner, instance): (Owner, i64), path: &[String]) -> Result<bool, ApiError> {
        let live = self.live_instance(owner, instance).await?;
        Ok(route::has_own(&live.element, path))
    }

    /// Whether a call leads to a resource, asked before its body is read.
    pub async fn check_hub_route<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        form: Form,
        method: &str,
        path: &[String],
    ) -> Result<(), ApiError> {
        let live = self.live_instance(access.owner, access.instance).await?;
        live.usable()?;
        route::find(&live.element, form, method, path, false).map(drop)
    }

    pub async fn call_hub<L: Line>(&self, access: &VendorAccess<'_, L>, call: HubCall) -> Result<HubAnswer, ApiError> {
        let outcome = self.answer_hub_call(access, call).await;
        let status = outcome.as_ref().map_or_else(|error| error.code.status(), |_| 200);
        self.usage.note_call(access.instance, self.now(), status);
        outcome
    }

    async fn answer_hub_call<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        call: HubCall,
    ) -> Result<HubAnswer, ApiError> {
        let live = self.live_instance(access.owner, access.instance).await?;
        live.usable()?;
        let element = live.element.clone();
        let first = |list: &[(String, String)], name: &str| {
            list.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        let HubCall { form, method, path, query, headers, body } = call;
        let query = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let plan = Plan::of(
            &element,
            Call {
                form,
                method: &method,
                path: &path,
                query: &query,
                header: &|name| first(&headers, name),
                configuration: &|key| live.configuration(key).map(str::to_owned),
                body,
                instance: live.id,
            },
        )?;
        match plan.route.operation.reply {
            ReplyShape::List => self.list(access, &live, &plan).await,
            _ => self.one(access, &live, &plan).await,
        }
    }

    async fn list<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        live: &LiveInstance,
        plan: &Plan<'_>,
    ) -> Result<HubAnswer, ApiError> {
        let wanted = plan.wanted.clone().ok_or_else(|| ApiError::internal("a list was planned without its page"))?;
        let id = &plan.route.collection.id;
        let mut walk = Walk::new(wanted, plan.route.operation, id, plan.fingerprint.clone())?;
        let shape = plan.shape(live.keeps_nulls(), &|name| live.variable(name));
        loop {
            let (from, size) = walk.ask();
            let Answered { request, mut reply, live } = self.ask(access, plan, from, size).await?;
            let headers = std::mem::take(&mut reply.headers);
            let (body, base) = (reply.into_text(), live.with_values(plan::base_url)?);
            let parameter = query_parameter(&live);
            let places = Places { asked: &request.url, base: &base, secrets: &request.secrets, parameter };
            let reply = Reply { body: &body, headers: &headers, places };
            if !walk.take(&reply, &shape).map_err(|why| malformed(plan.element, why))? {
                break;
            }
        }
        let listed = walk.finish()?;
        Ok(HubAnswer {
            text: Some(listed.text),
            returned: Some(listed.returned),
            total: listed.total,
            next: listed.next,
        })
    }

    async fn one<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        live: &LiveInstance,
        plan: &Plan<'_>,
    ) -> Result<HubAnswer, ApiError> {
        let body = self.ask(access, plan, &Position::Start, 0).await?.reply.into_text();
        let shape = plan.shape(live.keeps_nulls(), &|name| live.variable(name));
        let operation = plan.route.operation;
        let text = match operation.reply {
            ReplyShape::Empty => None,
            // Some vendors say so with a success.
            ReplyShape::Object if operation.method == "GET" && shape::is_nothing(&body, &operation.root) => {
                if shape::is_failure(&body) {
                    return Err(malformed(plan.element, "has no object where the element says"));
                }
                let message = format!("{} has no such object.", plan.element.name);
                return Err(ApiError::new(Code::VendorNotFound, message));
            }
            _ if body.trim().is_empty() => None,
            ReplyShape::Batch => Some(shape::batch(&body, &operation.root, &shape)),
            _ => Some(shape::object(&body, &operation.root, &shape)),
        };
        let text = text
            .map(|text| text.ok_or_else(|| malformed(plan.element, "has no object where the element says")))
            .transpose()?;
        Ok(HubAnswer { text, ..HubAnswer::default() })
    }

    async fn ask<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        plan: &Plan<'_>,
        from: &Position,
        size: usize,
    ) -> Result<Answered, ApiError> {
        let build = |live: &LiveInstance| live.with_values(|values| plan.request(values, from, size));
        let mut answered = self.call_vendor(access, &build).await?;
        if plan.route.operation.nothing.contains(&answered.reply.status) {
            answered.reply = VendorReply { status: 204, ..VendorReply::default() };
        }
        self.succeeded(answered)
    }

    /// A success; everything else is a failure, and so is what the element says of a success.
    fn succeeded(&self, mut answered: Answered) -> Result<Answered, ApiError> {
        let element = &answered.live.element;
        if answered.reply.is_success() {
            match failure_of(element, &answered.reply) {
                None => return Ok(answered),
                Some(status) => answered.reply.status = status,
            }
        }
        let reply = &mut answered.reply;
        if reply.is_transient() && reply.retry_after.is_none() {
            reply.retry_after = wait_asked(&element.waits, &reply.headers, self.now()).map(|pause| pause.as_secs());
        }
        Err(refusal(element, &answered.request, reply))
    }

    /// The objects of the instance's element. A disabled instance tells them too.
    pub async fn object_names(&self, owner: Owner, instance: i64) -> Result<Vec<ObjectName>, ApiError> {
        let live = self.live_instance(owner, instance).await?;
        let names = objects::names(&live.element);
        if names.is_empty() {
            return Err(nothing_found("objects"));
        }
        Ok(names)
    }

    pub async fn object_metadata<L: Line>(
        &self,
        access: &VendorAccess<'_, L>,
        name: &str,
    ) -> Result<ObjectMetadata, ApiError> {
        let live = self.live_instance(access.owner, access.instance).await?;
        let element: &Element = &live.element;
        let described = objects::describe(element, name).ok_or_else(|| {
            let message = format!("{} has no object {}: see /objects.", element.name, shortened(name));
            ApiError::new(Code::ResourceNotFound, message)
        })?;
        match described {
            Described::ByElement(fields) => Ok(fields),
            Described::ByVendor(route, metadata) => {
                let build = |live: &LiveInstance| live.with_values(|values| objects::request(&route, metadata, values));
                let body = self.succeeded(self.call_vendor(access, &build).await?)?.reply.into_text();
                objects::read(&body, &route, metadata).ok_or_else(|| malformed(element, "has no list of fields"))
            }
        }
    }

    /// Proves that the vendor takes the instance's credential, where the element knows a cheap call.
    pub async fn ping<L: Line>(&self, access: &VendorAccess<'_, L>) -> Result<Value, ApiError> {
        let live = self.fresh_token(access.owner, access.instance).await?;
        if let Some(rules) = &live.element.verification {
            let build = |live: &LiveInstance| {
                let request = live.with_values(|values| crate::protocol::api_key::verification_call(rules, values));
                request.map_err(|fault| fault.into_error(&live.element.name, "the call"))
            };
            let answered = self.call_vendor(access, &build).await?;
            let (element, reply) = (&answered.live.element, &answered.reply);
            // What the vendor means, and not what its status says.
            let status = match verification::meaning(rules, reply, reply.json().as_ref()) {
                Meaning::Accepted => None,
                Meaning::Refused | Meaning::Page if !(400..500).contains(&reply.status) => Some(401),
                Meaning::Busy if reply.status == 403 => Some(429),
                _ => Some(reply.status),
            };
            if let Some(status) = status {
                return Err(refusal(element, &answered.request, &VendorReply { status, ..reply.clone() }));
            }
        }
        Ok(serde_json::json!({ "dateTime": api_date(self.now()), "endpoint": live.element.key }))
    }
}

/// The parameter that carries the instance's credential. Vendors repeat it in the address of the next page.
fn query_parameter(live: &LiveInstance) -> Option<&str> {
    match live.placed() {
        Some((Placement::Query { name }, _)) => Some(name),
        _ => None,
    }
}
