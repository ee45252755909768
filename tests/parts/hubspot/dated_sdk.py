"""PyPI hubspot-sdk: HubSpot's newer client, which calls the dated versions of the API; base URL from the environment."""

from datetime import datetime

import hubspot_sdk
from sandbox import REFUSED, TOKEN, assert_body, caught, failing

client = hubspot_sdk.HubSpot(access_token=TOKEN)
deals, contacts = client.crm.objects.deals, client.crm.objects.contacts

# Create, read, update.
created = deals.create(properties={"dealname": "First & last ü", "amount": "350"}, associations=[])
assert created.properties["dealname"] == "First & last ü"
assert isinstance(created.created_at, datetime)
label = {"association_category": "HUBSPOT_DEFINED", "association_type_id": 4}
contact = contacts.create(
    properties={"email": "ada+1@example.com"}, associations=[{"to": {"id": created.id}, "types": [label]}]
)
read = deals.get(created.id, properties=["dealname", "amount"], associations=["contacts"])
assert read.properties["amount"] == "350"
assert read.associations["contacts"].results[0].id == contact.id
assert contacts.get("ada+1@example.com", id_property="email").id == contact.id
assert deals.update(created.id, properties={"dealstage": "closedwon"}).properties["dealstage"] == "closedwon"

# Batches.
batch = deals.batch.create(inputs=[{"properties": {"dealname": f"Deal {n}"}, "associations": []} for n in range(24)])
ids = [result.id for result in batch.results]
assert len(set(ids)) == 24
changed = deals.batch.update(inputs=[{"id": id, "properties": {"amount": "7"}} for id in ids])
assert changed.status == "COMPLETE"
partly = deals.batch.get(inputs=[{"id": ids[0]}, {"id": "1"}], properties=["amount"], properties_with_history=[])
assert partly.results[0].properties["amount"] == "7"
upserted = contacts.batch.upsert(
    inputs=[{"id": id, "id_property": "email", "properties": {}} for id in ("ada+1@example.com", "new@example.com")]
)
assert [result.new for result in upserted.results] == [False, True]

# Pages: its iterator follows them.
page = deals.list(limit=10, properties=["dealname", "amount"])
assert len(page.results) == 10 and page.has_next_page()
assert len(set(deal.id for deal in page)) == 25

# Search.
filters = [{"filters": [{"property_name": "amount", "operator": "GT", "value": "7"}]}]
search = deals.search(filter_groups=filters, sorts=["-amount"], properties=["amount"], limit=5, after="", query="first")
assert (search.total, search.results[0].id) == (1, created.id)

# Archive.
deals.delete(created.id)
deals.batch.delete(inputs=[{"id": id} for id in ids])
assert deals.list().results == []


# Errors of the vendor arrive as the client's own, with status, body and headers.
def assert_error(status, kind, raised):
    assert type(raised) is kind and raised.status_code == status, repr(raised)
    assert_body(status, raised.body)
    assert raised.response.headers["x-hubspot-correlation-id"] == raised.body["correlationId"]


KINDS = {
    401: hubspot_sdk.AuthenticationError,
    403: hubspot_sdk.PermissionDeniedError,
    429: hubspot_sdk.RateLimitError,
    477: hubspot_sdk.APIStatusError,
}
hasty = client.with_options(max_retries=0).crm.objects
assert_error(404, hubspot_sdk.NotFoundError, caught(lambda: deals.get(created.id), hubspot_sdk.APIError))
again = lambda: hasty.contacts.create(properties={"email": "ada+1@example.com"}, associations=[])
assert_error(409, hubspot_sdk.ConflictError, caught(again, hubspot_sdk.APIError))
assert_error(403, hubspot_sdk.PermissionDeniedError, caught(hasty.products.list, hubspot_sdk.APIError))
for status in REFUSED:
    with failing(status):
        raised = caught(hasty.deals.list, hubspot_sdk.APIError)
    assert_error(status, KINDS.get(status, hubspot_sdk.InternalServerError), raised)

# Its own retry.
with failing(429, times=1):
    assert deals.list().results == []
