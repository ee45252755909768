//! Hub resources without a network: the shipped elements' calls, requests and replies.

mod clauses;
mod ends;
mod lists;
mod requests;
mod shapes;
mod vendors;

use std::sync::{Arc, LazyLock};

use serde_json::Value;
use url::Url;

use super::bookmark::Position;
use super::families::Form;
use super::plan::{Call, Plan};
use super::walk::Walk;
use crate::catalog::Catalog;
use crate::catalog::element::Element;
use crate::kernel::error::ApiError;
use crate::protocol::VendorRequest;
use crate::protocol::variables::{Replied, Values};

fn element(key: &str) -> Arc<Element> {
    static SHIPPED: LazyLock<Catalog> =
        LazyLock::new(|| Catalog::load(None).unwrap_or_else(|faults| panic!("{faults:#?}")));
    Arc::clone(SHIPPED.get(key).unwrap())
}

/// A plan for a call with these query parameters.
fn plan<'a>(
    element: &'a Element,
    call: &str,
    query: &[(&str, &str)],
    body: Option<Value>,
) -> Result<Plan<'a>, ApiError> {
    let (method, path) = call.split_once(' ').unwrap();
    let path: Vec<String> = path.split('/').map(str::to_owned).collect();
    let found = |name: &str| query.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let none = |_: &str| None;
    Plan::of(
        element,
        Call {
            form: Form::InHub,
            method,
            path: &path,
            query: &found,
            header: &none,
            configuration: &none,
            body,
            instance: 7,
        },
    )
}

fn request(plan: &Plan<'_>, from: &Position, size: usize) -> VendorRequest {
    let configuration = |_: &str| Some("acme".to_owned());
    let given = Replied::by_vendor([("instance_url".to_owned(), "https://acme.my.salesforce.com".to_owned())].into());
    let values =
        Values { element: plan.element, parameters: &|_| None, configuration: &configuration, replied: Some(&given) };
    plan.request(values, from, size).unwrap()
}

/// The first request that a call causes.
fn first(
    element: &Element,
    call: &str,
    query: &[(&str, &str)],
    body: Option<Value>,
) -> (String, String, Option<Value>) {
    let plan = plan(element, call, query, body).unwrap_or_else(|error| panic!("{error:?}"));
    let sent = match plan.wanted.clone() {
        Some(wanted) => {
            let operation = plan.route.operation;
            let id = &plan.route.collection.id;
            let mut walk = Walk::new(wanted, operation, id, plan.fingerprint.clone()).unwrap();
            let (from, size) = walk.ask();
            request(&plan, from, size)
        }
        None => request(&plan, &Position::Start, 0),
    };
    let body = sent.body.as_ref().map(|body| serde_json::from_str(body.expose()).unwrap());
    let url: Url = sent.url;
    (sent.method, url[url::Position::BeforePath..].to_owned(), body)
}

/// Why a call is refused.
fn refused(element: &Element, call: &str, query: &[(&str, &str)]) -> String {
    match plan(element, call, query, None) {
        Ok(plan) => panic!("{call} leads to {}", plan.route.operation.name),
        Err(error) => format!("{}: {}", error.code.name(), error.message),
    }
}
