//! The story of the README, verbatim but for host and secrets.

use crate::support::on_both;

on_both!(a_key_makes_an_instance, |server| async move {
    let instance = server.caller().create_with_key("API Instance").await;
    assert_eq!(instance["elementId"], 168);
});

on_both!(a_code_makes_an_instance, |server| async move {
    let instance = server.caller().create_with_code(server.sandbox(), "API Instance").await;
    assert_eq!(instance["configuration"]["oauth.user.token"], "********");
});
