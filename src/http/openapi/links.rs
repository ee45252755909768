//! What can be called next with what a reply brought.

use utoipa::openapi::RefOr;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::Operation;

/// Parameters to send, and where they are.
type Parameters = &'static [(&'static str, &'static str)];

const INSTANCE: Parameters = &[("id", "$response.body#/id")];
const ELEMENT_INSTANCE: Parameters = &[("keyOrId", "$response.body#/element/key"), ("id", "$response.body#/id")];
const ENTRY: Parameters = &[("id", "$request.path.id"), ("configId", "$response.body#/0/id")];

/// From an operation's success to another operation.
const LINKS: &[(&str, &str, Parameters)] = &[
    ("create_instance", "get_instance", INSTANCE),
    ("create_instance", "update_instance", INSTANCE),
    ("create_instance", "delete_instance", INSTANCE),
    ("create_instance", "list_instance_configuration", INSTANCE),
    ("create_element_instance", "get_element_instance", ELEMENT_INSTANCE),
    ("create_element_instance", "replace_element_instance", ELEMENT_INSTANCE),
    ("create_element_instance", "delete_element_instance", ELEMENT_INSTANCE),
    ("list_instance_configuration", "get_instance_configuration", ENTRY),
    ("list_instance_configuration", "update_instance_configuration", ENTRY),
];

pub fn add(operation: &mut Operation) {
    let Some(RefOr::T(success)) = operation.responses.responses.get_mut("200") else { return };
    let id = operation.operation_id.as_deref().unwrap_or_default();
    for (_, target, parameters) in LINKS.iter().filter(|(from, ..)| *from == id) {
        let link = parameters
            .iter()
            .fold(LinkBuilder::new().operation_id(*target), |link, (name, value)| link.parameter(*name, *value));
        success.links.insert((*target).to_owned(), link.build().into());
    }
}
