//! Complaints about authentication and configuration entries.

use super::{CLOSEIO, FRESHDESK, HUBSPOTCRM, complaints, refused, refused_at};

#[test]
fn authentication_is_checked() {
    refused(
        FRESHDESK,
        "type = \"apiKey\"",
        "type = \"oauth2\"",
        "the default type `oauth2` is not offered: `authentication.oauth2` is missing",
    );
    let holder = "exactly one of `username` and `password` must hold `{credential}`";
    refused(FRESHDESK, "password = \"X\"", "password = \"{credential}\"", holder);
    refused(FRESHDESK, "username = \"{credential}\"", "username = \"key\"", holder);
    refused(
        FRESHDESK,
        "{ in = \"basic\", username = \"{credential}\", password = \"X\" }",
        "{ in = \"header\", name = \"\" }",
        "`` is no header name",
    );
    refused(FRESHDESK, "path = \"/api", "path = \"api", "`api/v2/agents/me` does not begin with `/`");
    refused_at(
        FRESHDESK,
        "[verification]",
        "[verification]\nmethod = \"get\"",
        "method =",
        "`get` is no method, in capitals",
    );
}

#[test]
fn the_key_of_an_api_key_is_checked() {
    let undeclared = "the configuration key `x` is not declared";
    refused(FRESHDESK, "configuration = \"freshdesk.api.key\"", "configuration = \"x\"", undeclared);
    let prefix =
        "the last form, and no other, must do without a prefix and `when`: it takes the keys that fit no other";
    refused_at(FRESHDESK, "placement =", "prefix = \"a\"\nplacement =", "[[authentication.apiKey.forms]]", prefix);
    let secret = "the configuration key `freshdesk.api.key` must be required, secret, not internal, and for apiKey";
    refused_at(FRESHDESK, "secret = true\n", "", "configuration = \"freshdesk.api.key\"", secret);
}

#[test]
fn sets_of_scopes_are_checked() {
    let before = "[authentication.oauth2.refresh]";
    let preset = |members: &str| format!("[authentication.oauth2.presets.x]\n{members}\n{before}");
    for (members, line_of, reason) in [
        ("description = \"\"\nscopes = [\"a\"]", "presets.x", "the preset `x` has no description"),
        ("description = \"d\"\nscopes = []", "presets.x", "the preset `x` has no scopes"),
        ("description = \"d\"\nscopes = [\"a b\"]", "scopes = [\"a b", "`a b` is not one scope"),
        (
            "description = \"d\"\nscopes = [\"a\"]\noptionalScopes = [\"b\"]",
            "presets.x",
            "the preset `x` has optional scopes, and no parameter for them",
        ),
    ] {
        refused_at(CLOSEIO, before, &preset(members), line_of, reason);
    }
    let words = "words = { \"all.full_access\" = \"Read and change everything that you can in Close\"";
    refused(CLOSEIO, words, "words = { \"a.*.*\" = \"x\"", "`a.*.*` has no words, or more than one `*`");
    let mixture = "[[authentication.oauth2.scopes.mixtures]]\nany = []\nwith = [\"a\"]\nwarning = \"w\"";
    let to = format!("{mixture}\n{before}");
    refused_at(CLOSEIO, before, &to, "mixtures]]", "`any`, `with` and `warning` must not be empty");
    let to = format!("[authentication.oauth2.introspection]\nurl = \"https://a.example\"\naccount = [\"x\"]\n{before}");
    refused_at(CLOSEIO, before, &to, "account = [", "the JSON pointer `x` does not begin with `/`");
}

#[test]
fn how_granted_scopes_are_compared_is_checked() {
    let scope = "default = [\"all.full_access\"]";
    for (line, reason) in [
        ("warnings = { extra = \"w\" }", "`warnings` names the class `extra`, which `classes` lacks"),
        ("warnings = { x = \"\" }\nclasses = { x = [\"a\"] }", "the warning of the class `x` is empty"),
        ("classes = { x = [\"a b\"] }", "`a b` is not one scope"),
        ("prefixes = [\"\"]", "`` is no beginning of a scope"),
        ("aliases = { a = [] }", "`a` has no other name"),
        ("aliases = { a = [\"b c\"] }", "`b c` is not one scope"),
        ("aliases = { a = [\"x\"], b = [\"x\"] }", "`x` is another name of both `a` and `b`"),
        ("aliases = { a = [\"b\"], b = [\"x\"] }", "`b` is another name of `a`, and has others itself"),
        ("implies = { a = [] }", "`a` includes nothing"),
        ("implies = { \"*:*\" = [\"a\"] }", "`*:*` has more than one `*`"),
        ("implies = { a = [\"b c\"] }", "`b c` is not one scope"),
        ("untold = [\"*a*\"]", "`*a*` has more than one `*`"),
        (
            "untold = [\"*\"]\ncomplete = true",
            "`complete` says that the vendor names every scope, and `untold` that it names none",
        ),
    ] {
        let line_of = line.lines().next().unwrap();
        refused_at(CLOSEIO, scope, &format!("{line}\n{scope}"), line_of, reason);
    }
}

#[test]
fn a_fault_of_an_included_preset_is_told_with_its_own_file() {
    let own = HUBSPOTCRM.replace("hubspot/resources.toml", "shared.toml");
    let shared = "[oauth2.presets.x]\ndescription = \"d\"\nscopes = [\"a b\"]\n";
    let found = complaints(&[("a.toml", &own), ("shared.toml", shared)]).join("\n");
    assert!(found.contains("shared.toml:3: `a b` is not one scope"), "{found}");
}

#[test]
fn oauth2_is_checked() {
    let own = "`state` is not the element's to set";
    let url = "url = \"https://app.close.com/oauth2/authorize/\"";
    refused_at(CLOSEIO, url, &format!("{url}\nparameters = {{ state = \"x\" }}"), "parameters", own);
    for (name, reason) in [
        ("state", "is not a caller's to set"),
        ("redirect_uri", "is not a caller's to set"),
        ("request_uri", "is not a caller's to set"),
        ("response_mode", "is not a caller's to set"),
        ("apiKey", "is not a caller's to set"),
        ("", "is no name of a parameter"),
        ("a b", "is no name of a parameter"),
        ("prompt\", \"prompt", "is allowed twice"),
    ] {
        let shown = name.split('"').next().unwrap_or_default();
        let (to, said) = (format!("{url}\nallow = [\"{name}\"]"), format!("`{shown}` {reason}"));
        refused_at(CLOSEIO, url, &to, "allow", &said);
    }
    let scope = "default = [\"all.full_access\"]";
    refused(CLOSEIO, scope, "default = [\"a b\"]", "`a b` is not one scope");
    refused_at(CLOSEIO, scope, "separator = \",\"\ndefault = [\"a,b\"]", "default = [\"a,b", "`a,b` is not one scope");
    refused_at(CLOSEIO, scope, "separator = \"\"", "separator", "`separator` is empty");
    refused(CLOSEIO, "defaultLifetime = 3600", "defaultLifetime = 0", "`defaultLifetime` is zero");
    let reply = "[authentication.oauth2.refresh]";
    let pointer = "the JSON pointer `a` does not begin with `/`";
    let to = format!("[authentication.oauth2.reply]\nexpiresIn = [\"a\"]\n{reply}");
    refused_at(CLOSEIO, reply, &to, "expiresIn", pointer);
    let to = format!("[authentication.oauth2.errors]\ncode = [\"a\"]\n{reply}");
    refused_at(CLOSEIO, reply, &to, "code = [\"a", pointer);
    let to = format!("[authentication.oauth2.errors]\nterminal = [\"invalid_client\"]\n{reply}");
    refused_at(CLOSEIO, reply, &to, "terminal", "`invalid_client` is both terminal and a fault of configuration");
}

#[test]
fn the_verification_is_checked() {
    let path = "path = \"/api/v1/me/\"";
    let with = |more: &str| format!("{path}\n{more}");
    for (more, reason) in [
        ("refused = []", "`refused` is empty"),
        ("refused = [401, 200]", "`refused` must list statuses from 300 to 499, and signs"),
        ("refused = [{ status = 200, at = \"/ok\" }]", "`at` and `is` belong together"),
        ("refused = [{ status = 7 }]", "`status` is no HTTP status"),
        ("accepted = [{ at = \"ok\" }]", "the JSON pointer `ok` does not begin with `/`"),
        ("accepted = [{ at = \"/ok\" }] # x\nmethod = \"HEAD\"", "no reply to HEAD has a body"),
    ] {
        refused_at(CLOSEIO, path, &with(more), more.lines().next().unwrap(), reason);
    }
    for (more, reason) in [
        ("refused = [{ status = 200, at = \"/ok\", equals = [\"x\"] }]", "unknown field `equals`"),
        ("refused = [\"401\"]", "a status, or a sign with `status`, `at` and `is`"),
        ("refused = [-1]", "no HTTP status"),
        ("accepted = [{ at = \"/ok\", si = [] }]", "unknown field `si`"),
    ] {
        let found = complaints(&[("a.toml", &CLOSEIO.replacen(path, &with(more), 1))]);
        let line = CLOSEIO.lines().position(|line| line == path).unwrap() + 2;
        assert!(
            found.len() == 1 && found[0].starts_with(&format!("a.toml:{line}: ")) && found[0].contains(reason),
            "{found:?}"
        );
    }
}

#[test]
fn the_keys_of_oauth2_are_checked() {
    for key in
        ["oauth.api.key", "oauth.api.secret", "oauth.callback.url", "oauth.user.token", "oauth.user.refresh_token"]
    {
        let reason = format!("OAuth2 needs the configuration key `{key}`");
        let (from, to) = (format!("key = \"{key}\""), format!("key = \"x.{key}\""));
        refused_at(CLOSEIO, &from, &to, "[authentication.oauth2]", &reason);
    }
    let text = CLOSEIO.replacen("internal = true\n", "", 1);
    let at = text.lines().position(|line| line.contains("\"oauth.user.token\"")).unwrap();
    assert_eq!(
        complaints(&[("a.toml", &text)]),
        [format!("a.toml:{at}: `oauth.user.token` must be internal and secret, and for oauth2")]
    );
}

#[test]
fn configuration_entries_are_checked() {
    let twice = "the configuration key `create.bulk.properties` is declared twice";
    refused_at(
        HUBSPOTCRM,
        "key = \"filter.response.nulls\"",
        "key = \"create.bulk.properties\" # again",
        "# again",
        twice,
    );
    let flag = "key = \"filter.response.nulls\"\nname = \"Filter Nulls from Responses\"";
    refused_at(HUBSPOTCRM, flag, "key = \"a b\"\nname = \"x\"", "key = \"a b\"", "`a b` is no configuration key");
    refused_at(HUBSPOTCRM, flag, "key = \"a\"\nname = \"\"", "name = \"\"", "`name` of `a` is empty");
    for key in ["base.url", "oauth.authorization.url", "oauth.token.url"] {
        let to = format!("key = \"{key}\"\nname = \"x\"");
        let reason = format!("`{key}` is derived from the element's URLs and not declared");
        refused(HUBSPOTCRM, flag, &to, &reason);
    }
    let no_oauth2 = "the element does not offer `oauth2`";
    refused(FRESHDESK, "key = \"subdomain\"", "authentication = \"oauth2\"\nkey = \"subdomain\"", no_oauth2);
    let internal = "`subdomain` is internal: no caller can give what is required";
    refused_at(
        FRESHDESK,
        "type = \"TEXTFIELD_64\"\nrequired = true",
        "type = \"TEXTFIELD_64\"\ninternal = true\nrequired = true # x",
        "# x",
        internal,
    );
}

#[test]
fn values_of_configuration_entries_are_checked() {
    let flag = "type = \"BOOLEAN\"\ndefault = \"true\"";
    let reason = "`filter.response.nulls`: the default `yes` is not one of its values";
    refused_at(HUBSPOTCRM, flag, "type = \"BOOLEAN\"\ndefault = \"yes\"", "default = \"yes\"", reason);
    let reason = "`create.bulk.properties`: `yes` is not one of its values";
    refused(HUBSPOTCRM, "withoutEffect = [\"true\"]", "withoutEffect = [\"yes\"]", reason);
    let long = format!("default = \"{}\"", "1".repeat(33));
    let reason = "`event.poller.refresh_interval`: the default is longer than 32 characters";
    refused(HUBSPOTCRM, "default = \"15\"", &long, reason);
    let secret = "`oauth.api.secret` is secret: a default would be everybody's";
    let name = "name = \"OAuth API Secret\"";
    refused_at(HUBSPOTCRM, name, &format!("{name}\ndefault = \"hush\""), "hush", secret);
    let group = "`create.bulk.properties`: only a COMBO controls a group";
    let name = "name = \"Create Bulk Properties for Migration\"";
    refused_at(HUBSPOTCRM, name, &format!("groupControl = true # x\n{name}"), "# x", group);
    let reason = "`event.vendor.type`: a COMBO has options, nothing else has";
    let vendor = "key = \"event.vendor.type\"";
    let options = format!("options = [{{ value = \"x\", description = \"x\" }}]\n{vendor}");
    refused(HUBSPOTCRM, vendor, &options, reason);
}

#[test]
fn the_choice_of_authentication_is_checked() {
    let key = "key = \"authentication.type\"";
    let reason = "with several authentication types `authentication.type` must be declared";
    refused_at(CLOSEIO, key, "key = \"auth.type\"", "[[configuration]]", reason);
    let option = "    { value = \"apiKey\", description = \"API key\" },\n";
    let reason = "`authentication.type` must offer exactly: apiKey, oauth2";
    refused_at(CLOSEIO, option, "", "options = [", reason);
    let reason = "`authentication.type` must have `groupControl`";
    let text = CLOSEIO.replace("groupControl = true\n", "");
    let found = complaints(&[("a.toml", &text)]);
    assert!(found.len() == 1 && found[0].ends_with(reason), "{found:?}");
    let reason = "`authentication.type` must default to `oauth2`, as `authentication.type` of the element does";
    refused(CLOSEIO, "default = \"oauth2\"", "default = \"apiKey\"", reason);
}
