//! The sentences of the console, in one place. Names of columns and fields stand where they are shown.

use crate::kernel::code::Code;

pub const SIGN_IN: &str = "Sign in";
pub const SIGN_OUT: &str = "Sign out";
pub const PROVE: &str = "Enter your password to go on";
pub const PROVE_WHY: &str = "You gave it more than 15 minutes ago, and this changes who has access or removes something. What you entered is kept.";
pub const GO_ON: &str = "Go on";
pub const NOT_NOW: &str = "Not now";
pub const COPY: &str = "Copy";
pub const NEVER: &str = "never";
pub const REMOVED: &str = "removed";
pub const FIRST_PAGE: &str = "First page";
pub const NEXT_PAGE: &str = "Next page";
pub const TO_THE_START: &str = "Back to the instances";
pub const NO_COOKIES: &str =
    "Your browser did not send back the cookie of this page: allow cookies here and try again.";
pub const STALE_FORM: &str =
    "This form was made before you signed in, or somewhere else: open its page again and send it from there.";
pub const NOTHING_HERE: &str = "The console has no such page.";
pub const UNKNOWN_ACTION: &str = "This form is of another version of the page: open it again.";

pub const NO_INSTANCES: &str =
    "No instance fits. Connect an account from the elements, or send a customer a connect link.";
pub const NO_ELEMENTS: &str = "No element fits.";
pub const NO_LINKS: &str = "No connect link fits.";
pub const NO_DELIVERIES: &str = "Nothing fits.";
pub const NO_CHANGES: &str = "No change fits.";
pub const AUDIT: &str = "Each change to people, apps, instances, links, webhooks and settings, and each sign-in to the console. A change appears a second \
                         or two after it was made. Entries cannot be altered or removed here; each stays until its time is over.";

pub const INSTANCE_TOKEN: &str =
    "The instance’s token is not shown here: GET /instances/{id} of the API gives it to callers.";
pub const TOLD_BY_VENDOR: &str = "Told by the vendor";
pub const DELIVERIES_OF_IT: &str = "What was told of it";
pub const REFRESH_NOT_NEEDED: &str = "This connection has no token that is refreshed.";
pub const SECRET_KEPT: &str = "One is stored. Leave this empty to keep it.";
pub const SECRET_MISSING: &str = "None is stored.";
pub const TOKEN_ENDS: &str = "Then the customer must authorise again.";
pub const ACCOUNT_UNTOLD: &str = "The vendor does not tell.";
pub const SECRET_UNSAVED: &str = "a new one";
pub const UNSAVED: &str = "Where your form said something else:";
pub const TAGS_HINT: &str = "One on each line.";
pub const DELETE_WARNING: &str =
    "Its token stops working at once, and the grant is given back to the vendor. This cannot be undone.";

pub const APP_FIRST: &str =
    "Before accounts can be connected, an administrator stores the organization’s OAuth app below.";
pub const CONNECT_HINT: &str = "Connects an account of your own, the way your customers do.";
pub const OPTIONAL_SCOPES_NONE: &str = "Ask for no optional scopes";
pub const SCOPES_HINT: &str =
    "Separated by spaces. Without one of these there is no connection. Empty: those of the preset or the element.";
pub const OPTIONAL_SCOPES_HINT: &str =
    "Separated by spaces. The vendor may leave these out. Empty: those of the preset or the element.";
pub const REGISTER_THIS: &str = "Redirect URL, to be registered at the vendor exactly so";
pub const CONNECT_THERE: &str = "Make a link to connect there";
pub const CONNECT_THERE_HINT: &str = "What is stored was given for the old host. Enter the secrets anew and make a link: whoever opens it agrees at the new host, \
     and the connection moves there.";
pub const APP_HOSTS_HINT: &str = "One on each line, such as acme.acmedesk.example: id and secret are sent to these alone, because every \
     customer of this vendor has a host. For a further one enter the secret again.";
pub const DELETE_APP: &str = "Remove the app";

pub const LINK_HINT: &str = "Send it to one customer only: whoever has it can connect an account.";
pub const EVERY_ELEMENT: &str = "Elements to choose from. None means all.";
pub const NAME_HINT: &str = "Of the instance. Empty: the element’s name.";
pub const CUSTOMER_HINT: &str = "Your own name for the customer: it is kept on the instance.";
pub const REDIRECT_HINT: &str = "Where the customer goes in the end, on one of the organization’s allowed origins: your server then confirms \
     that it was the customer. Empty: our own page says how it went, and whoever has the link can connect an account.";

pub const ADMINISTRATOR: &str = "Administrator";
pub const USER: &str = "User";
pub const SIGNS_IN_WITH: &str =
    "What the person signs in with. A password is made for them, and no mail is sent: pass it on yourself.";
pub const IS_ADMINISTRATOR: &str = "An administrator, who sees and changes people, apps and the organization";
pub const PASSWORD_ONCE: &str = "Copy the password now and tell the person: it is not shown again.";
pub const THIS_IS_YOU: &str = "This is you.";
pub const TO_ME: &str = "Your password, sessions and secrets";
pub const DISABLE_PERSON: &str = "Refuses the person’s sessions, bearers and user secret at once. Nothing is lost, and you can enable the person again.";
pub const ENABLE_PERSON: &str = "The person can sign in again, and the user secret works again.";
pub const PROMOTE: &str = "Lets the person see and change people, apps and the organization.";
pub const DEMOTE: &str = "The person can still work with instances and connect links.";
pub const RESET_PASSWORD: &str = "Refuses the old password and ends the person’s sessions. The user secret stays.";
pub const REMOVE_PERSON: &str = "Refuses the person’s sessions, bearers and user secret at once. What the person made (instances, connect links, \
     webhooks) is the organization’s and stays. This cannot be undone.";

pub const YOU: &str = "You";
pub const UNTOLD: &str = "unknown";
pub const PASSWORD_HINT: &str =
    "At least 12 characters, not one of those that are tried first, and more than your own name or address.";
pub const SESSIONS_HINT: &str = "Where you are signed in, here and with the API.";
pub const SECRETS_HINT: &str = "What programs send in the Authorization header. A new one is shown once.";
pub const USER_SECRET: &str = "User secret";
pub const USER_SECRET_ENDS: &str = "From then on programs that send your old secret are refused.";
pub const ORGANIZATION_SECRET: &str = "Organization secret";
pub const ORGANIZATION_SECRET_ENDS: &str =
    "From then on programs of everybody in the organization are refused, until they have the new secret.";
pub const END_EVERYBODYS: &str = "Also end the sessions of everybody in the organization, except this one";

pub fn end_others(count: usize) -> String {
    if count == 1 { "End the other session".to_owned() } else { format!("End the {count} other sessions") }
}

/// What a box beside a reset says.
pub fn end_other_sessions(count: usize) -> String {
    match count {
        0 => "Also end all other sessions (there are none at the moment)".to_owned(),
        1 => "Also end your other session".to_owned(),
        _ => format!("Also end your {count} other sessions"),
    }
}

pub const ORIGINS_HINT: &str =
    "One on each line, such as https://app.example.com. http only for localhost; http://localhost:* allows every port.";
pub const BRAND_HINT: &str = "What customers see. Empty: the organization’s name.";
pub const LOGO_HINT: &str = "An address that begins with https://.";
pub const APPLICATION_HINT: &str =
    "Where people go on who began at a vendor instead of with a link: your page from which accounts are connected.";
pub const COLOUR_HINT: &str = "Written as #rrggbb. It is made darker or lighter where it could not be read.";
pub const VENDOR_BEARER: &str =
    "Calls to /vendor may carry an instance’s token where the vendor’s credential would travel";

pub const USERS_SEE_TOKENS: &str = "Users who are not administrators see the tokens of instances that others made";

pub const WEBHOOK_HINT: &str = "Where the organization is told what happens to its instances and connect links, signed as the Standard \
     Webhooks specification says.";
pub const WEBHOOK_ADDRESS_HINT: &str = "An address that begins with https://.";
pub const SECRET_ONCE: &str = "Copy the secret now: it is not shown again.";

/// The title of a page that cannot be shown.
pub fn problem(code: Code) -> &'static str {
    match code.status() {
        403 => "This is not allowed",
        404 => "There is nothing here",
        405 => "That does not work here",
        409 => "It is over already",
        429 => "Too many attempts",
        500..=599 => "Something went wrong",
        _ => "That cannot be done",
    }
}

pub fn wrong_method(method: &str, allowed: &str) -> String {
    let method: String = method.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    format!("This address does not take {method}: it takes {allowed}.")
}

pub fn other_origin(own: &str) -> String {
    format!("The form came from another address than {own}: open the console there.")
}

/// What was done, by the word in the address: no text of an address is shown.
pub fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "saved" => "Saved.",
        "saved-partly" => "Saved. Some of it has no effect in this version.",
        "enabled" => "Enabled.",
        "disabled" => "Disabled: calls through it are refused.",
        "person-disabled" => "Disabled: the person is refused everywhere.",
        "person-removed" => "Removed.",
        "promoted" => "An administrator from now on.",
        "demoted" => "A plain user from now on.",
        "password-set" => "The password is set.",
        "session-ended" => "The session is over.",
        "sessions-ended" => "All other sessions are over.",
        "refreshed" => "The token was refreshed.",
        "fresh" => "The token is fresh: it was not refreshed again.",
        "connected" => "The account is connected.",
        "deleted" => "Deleted.",
        "revoked" => "Withdrawn.",
        "made" => "The link is made.",
        "app-removed" => "The app was removed.",
        "webhook-removed" => "From now on nothing is told.",
        "secret-removed" => "The secret no longer signs.",
        "retried" => "It is sent once more.",
        _ => return None,
    })
}
