"""The whole story through a client that openapi-python-client generated from the OpenAPI document."""

import os
import subprocess
import sys

from generated.ligand_client import AuthenticatedClient
from generated.ligand_client.api.elements import get_oauth_url
from generated.ligand_client.api.instances import (
    create_element_instance,
    create_instance,
    delete_instance,
    get_instance,
    list_instances,
    update_instance,
)
from generated.ligand_client.models import CreateInstance, Error, Instance, UpdateInstance

CALLBACK = "http://localhost:9090/callback"

ligand = AuthenticatedClient(
    base_url=os.environ["LIGAND_URL"] + "/elements/api-v2",
    token=os.environ["LIGAND_AUTHORIZATION"],
    prefix="",
)

url = get_oauth_url.sync(
    "hubspotcrm", client=ligand, api_key="sandbox-client", callback_url=CALLBACK, state="from-python"
)

# A user who agrees, played by the script that all stories share.
consent = [sys.executable, "consent.py", url.oauth_url]
code = subprocess.run(consent, check=True, capture_output=True, text=True).stdout.strip()

connected = create_instance.sync(
    client=ligand,
    body=CreateInstance.from_dict(
        {
            "name": "Python story",
            "element": {"key": "hubspotcrm"},
            "providerData": {"code": code},
            "configuration": {
                "authentication.type": "oauth2",
                "oauth.callback.url": CALLBACK,
                "oauth.api.key": "sandbox-client",
                "oauth.api.secret": "sandbox-secret",
            },
            "tags": ["story"],
        }
    ),
)
assert isinstance(connected, Instance), connected
assert connected.valid and connected.token

read = get_instance.sync(connected.id, client=ligand)
assert read.name == connected.name

listed = list_instances.sync(client=ligand, search_text=connected.name)
assert connected.id in [instance.id for instance in listed]

change = UpdateInstance(name="Python story, told twice")
changed = update_instance.sync(connected.id, client=ligand, body=change)
assert changed.name == change.name

with_key = create_element_instance.sync(
    "hubspotcrm",
    client=ligand,
    body=CreateInstance.from_dict(
        {
            "name": "Python story, with a key",
            "configuration": {
                "authentication.type": "apiKey",
                "hubspot.authorization.apikey": "3a9990ff-bf17-40b1-9ce1-e1702e36ab51",
            },
        }
    ),
)
assert isinstance(with_key, Instance), with_key
assert with_key.configuration["hubspot.authorization.apikey"] == "********"
delete_instance.sync_detailed(with_key.id, client=ligand)

assert delete_instance.sync_detailed(connected.id, client=ligand).status_code == 200

gone = get_instance.sync_detailed(connected.id, client=ligand)
assert gone.status_code == 404
assert isinstance(gone.parsed, Error), gone.parsed
assert gone.parsed.code == "instance_not_found"

# The one 404 that is no mistake: a list without members, unless it is asked for.
empty = list_instances.sync(client=ligand, search_text=change.name)
assert isinstance(empty, Error) and empty.message == "No instances found", empty
assert list_instances.sync(client=ligand, search_text=change.name, empty_list="200") == []
