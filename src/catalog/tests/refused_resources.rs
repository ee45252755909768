//! Complaints about collections and resources.

use super::{JIRA, SFDC, refused, refused_at};

#[test]
fn a_resource_is_checked() {
    let path = |path: &str| format!("`{path}` is no path like `contacts` or `{{objectName}}/properties`");
    for wrong in ["/incidents", "incidents/", "a//b", ""] {
        refused(JIRA, "path = \"incidents\"", &format!("path = \"{wrong}\""), &path(wrong));
    }
    refused(JIRA, "path = \"incidents\"", "path = \"instances\"", "`instances` is a path of the API");
    refused(JIRA, "description = \"Issues\"", "description = \" \"", "`description` is empty");
    let declared = "the collection `things` is not declared";
    refused(JIRA, "collection = \"issues\"", "collection = \"things\"", declared);
    let name = "vendorName = \"issue\"";
    refused(JIRA, name, "vendorName = \"{x}\"", "the variable `x` is not one of `path`");
    for (added, reason) in [
        ("only = [\"fly\"]", "the collection has no operation `fly`"),
        (
            "members = [{ name = \"a\", from = \"/id\", value = 1 }]",
            "exactly one of `from`, `value` and `variable` must be given",
        ),
        ("members = [{ name = \"a\" }]", "exactly one of `from`, `value` and `variable` must be given"),
        ("members = [{ name = \"a\", from = \"id\" }]", "the JSON pointer `id` does not begin with `/`"),
        ("members = [{ name = \"a\", variable = \"x\" }]", "the variable `x` is not declared"),
    ] {
        refused_at(JIRA, name, &format!("{name}\n{added}"), added, reason);
    }
}

#[test]
fn a_collection_is_checked() {
    let plain = |path: &str| format!("`{path}` is no path that begins with `/`");
    for wrong in ["rest", "/a b", "/a/../b", "/a?b"] {
        let to = format!("vendorPath = \"{wrong}\"");
        refused(JIRA, "vendorPath = \"/rest/api/3\"", &to, &plain(wrong));
    }
    refused(JIRA, "id = \"/id\"", "id = \"id\"", "the JSON pointer `id` does not begin with `/`");
    refused(JIRA, "root = \"/issues\"", "root = \"issues\"", "the JSON pointer `issues` does not begin with `/`");
    let twice = "there is another operation with the same method and path";
    let get = "[[collections.issues.operations]]\nname = \"get\"\nsummary = \"Get one of {name}\"\nmethod = \"GET\"\npath = \"/{id}\"\nvendorPath = \"/issue/{id}\"";
    let to =
        "[[collections.issues.operations]] # again\nname = \"get\"\nsummary = \"Get one of {name}\"\nmethod = \"GET\"";
    refused_at(JIRA, get, to, "# again", twice);
    let reply = "reply = \"list\"";
    let to = format!("{reply}\nvendorMethod = \"post\"");
    refused_at(JIRA, reply, &to, "vendorMethod", "`post` is no method, in capitals");
    refused(JIRA, "largest = 100", "largest = 0", "`largest` is zero");
    refused(
        JIRA,
        "from = \"value\", value = \"*navigable\"",
        "from = \"value\"",
        "`from = \"value\"` and `value` need each other",
    );
    refused(
        JIRA,
        "description = \"The fields that Jira shows in lists\"",
        "description = \"\"",
        "the parameter has no description",
    );
    let metadata = "[collections.issues.metadata]\nvendorPath = \"/a\"\nname = \"/n\"\ntype = \"/t\"\nlabel = \"/l\"";
    for (member, line_of, reason) in [
        ("collection = \"things\"", "things", "the collection `things` is not declared"),
        (
            "collection = \"issues\"\n[collections.other]\nvendorPath = \"/b\"\nid = \"/id\"\noperations = []",
            "operations = []",
            "there are no operations",
        ),
    ] {
        let to = format!("{metadata}\n{member}\n\n[[resources]]");
        refused_at(JIRA, "[[resources]]", &to, line_of, reason);
    }
}

/// What is accepted is done: the engine has no way for these.
#[test]
fn what_has_no_effect_is_refused() {
    let style = "style = { cursor = { next = \"/nextPageToken\", to = { in = \"query\", name = \"nextPageToken\" } } }";
    let with = |more: &str| format!("{style}\n{more}");
    for (more, reason) in [
        ("smallest = 0", "`smallest` is zero, or more than `largest`"),
        ("smallest = 101", "`smallest` is zero, or more than `largest`"),
        ("deepest = 0", "`deepest` is zero"),
        ("more = \"isLast\"", "the JSON pointer `isLast` does not begin with `/`"),
        ("more = \"/issues/0/more\"", "`/issues/0/more` lies in the list itself, and is read around it"),
        ("total = { header = \"X Total\" }", "`X Total` is no header name"),
        ("more = \"/more\"\nlast = \"/isLast\"", "`more` and `last` say the same: one is enough"),
    ] {
        refused_at(JIRA, style, &with(more), more.lines().last().unwrap(), reason);
    }
    let cursor = "to = { in = \"query\", name = \"nextPageToken\" }";
    let numbers = "only numbers go into a statement";
    let in_statement = "to = { in = \"statement\", name = \"where\" }";
    refused_at(JIRA, cursor, in_statement, "[collections.issues.operations.paging]", numbers);
    for (from, to, line_of, reason) in [
        (
            "{where}{orderBy}",
            "{where}",
            "[collections.issues.operations.filter.statement]",
            "the statement has no `{orderBy}`",
        ),
        (
            "{where}{orderBy}",
            "{where}{orderBy}{x}",
            "[collections.issues.operations.filter.statement]",
            "nothing fills `{x}` of the statement",
        ),
        (
            "vendorPath = \"/issue/{id}\"",
            "vendorPath = \"/issue/{key}\"",
            "collection = \"issues\"",
            "`get` of the collection has `{key}` in its path, which nothing fills",
        ),
        (
            "[[collections.issues.operations]]\nname = \"get\"",
            "[[collections.issues.operations]] # get\nname = \"get\"\nreply = \"batch\"",
            "# get",
            "`root` is where a `batch` has its list; an `empty` reply has nothing there",
        ),
        (
            "vendorPath = \"/issue/{id}\"",
            "vendorPath = \"/issue/{id}\"\nitem = \"/a\"",
            "item =",
            "only a `list` has items",
        ),
        (
            "path = \"/{id}\"\nvendorPath = \"/issue/{id}\"",
            "path = \"/{id}.json\"\nvendorPath = \"/issue\"",
            "path = \"/{id}.json\"",
            "a variable is a whole segment of what callers write",
        ),
        (
            "vendorPath = \"/issue/{id}\"",
            "vendorPath = \"/issue/{id}\"\nfiltered = true",
            "filtered = true",
            "a `filtered` operation needs a `filter`, and a twin for calls without a condition",
        ),
    ] {
        refused_at(JIRA, from, to, line_of, reason);
    }
    let to = "to = { in = \"header\", name = \"Sforce-Query-Options\" }";
    for (slot, reason) in [
        ("to = { in = \"statement\", name = \"where\" }", "`where` is no name of a statement"),
        ("to = { in = \"header\", name = \"Host\" }", "`host` is no name of a header"),
        ("to = { in = \"path\", name = \"x\" }", "`{x}` does not stand in the vendor's path"),
    ] {
        refused_at(SFDC, to, slot, "[[collections.records.operations]]", reason);
    }
}

#[test]
fn what_answers_mean_is_checked() {
    let base = "messages = [\"/errorMessages/0\", \"/message\"]";
    for (more, reason) in [
        ("failures = [{ at = \"ok\", status = 400 }]", "the JSON pointer `ok` does not begin with `/`"),
        ("failures = [{ at = \"/ok\", status = 200 }]", "`status` is none of a failure, from 400 to 599"),
        ("waits = [{ header = \"X Reset\", as = \"seconds\" }]", "`X Reset` is no header name"),
        ("waits = [{ header = \"retry-after\", as = \"seconds\" }]", "`Retry-After` is read without a word"),
    ] {
        refused_at(JIRA, base, &format!("{base}\n{more}"), more, reason);
    }
    let reply = "reply = \"list\"";
    for (more, reason) in [
        ("timeout = 0", "`timeout` is outside 1–300 seconds"),
        ("timeout = 301", "`timeout` is outside 1–300 seconds"),
        ("encoding = \"form\"", "`encoding` is about a body, and there is none"),
        ("nothing = [200]", "`nothing` are statuses from 400 to 499 that mean an empty `list`"),
    ] {
        refused_at(JIRA, reply, &format!("{reply}\n{more}"), more, reason);
    }
}
