//! Complaints about collections and resources.

use super::{JIRA, refused, refused_at};

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
    let get = "[[collections.issues.operations]]\nname = \"get\"\nsummary = \"Get one of {name}\"\nmethod = \"GET\"\npath = \"/{id}\"";
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
