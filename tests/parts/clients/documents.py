"""Fetches the API documents that the server makes of the elements' resources, and has every one validated."""

import json
import os
import sys
from itertools import product
from urllib.parse import quote
from urllib.request import Request, urlopen

from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

URL = os.environ["LIGAND_URL"]
AUTHORIZATION = os.environ["LIGAND_INSTANCE_AUTHORIZATION"]
VERSIONS = {"2.0": ("swagger", "2.0"), "3.1": ("openapi", "3.1.0")}


def get(path):
    request = Request(f"{URL}/elements/api-v2{path}", headers={"Authorization": AUTHORIZATION})
    with urlopen(request, timeout=30) as reply:
        return json.load(reply)


def paths():
    """With and without what makes a document another one."""
    elements = get("/elements")
    instance = get("/instances")[0]["id"]
    yield from (f"/elements/{element['key']}/docs?" for element in elements)
    yield from (f"/docs/{hub}?" for hub in sorted({element["hub"] for element in elements}))
    yield from (f"{path}/docs?baseUrl={quote('http://[::1]:8080')}" for path in (f"/instances/{instance}", "/instances"))
    for name in get("/objects"):
        # Only objects of HubSpot that the sandbox knows can be discovered.
        discovery = ("false", "true") if name in ("contacts", "companies", "accounts", "deals") else ("false",)
        for discovered, inline in product(discovery, ("false", "true")):
            yield f"/hubs/crm/objects/{name}/docs?discovery={discovered}&resolveReferences={inline}"


def operation_ids(document):
    return [operation["operationId"] for item in document["paths"].values() for operation in item.values()]


def main():
    judged = operations = 0
    for path, (version, (member, value)) in product(list(paths()), VERSIONS.items()):
        address = f"{path}&version={version}"
        document = get(address)
        ids = operation_ids(document)
        if document.get(member) != value:
            sys.exit(f"{address}: not version {version}")
        if len(ids) != len(set(ids)):
            sys.exit(f"{address}: an operationId is there twice")
        first = [f"{address}&operationId={quote(ids[0])}"] if ids else []
        for each, found in [(address, document)] + [(one, get(one)) for one in first]:
            try:
                validate(found)
            except OpenAPIValidationError as error:
                sys.exit(f"{each}: {error}")
            judged += 1
        operations += len(ids)
    print(f"{judged} documents of {operations} operations")
    if not operations:
        sys.exit("no document has an operation")


main()
