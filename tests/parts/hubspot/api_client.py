"""PyPI hubspot-api-client: HubSpot's own client, with nothing changed but host and token."""

import json
from datetime import datetime

from hubspot import HubSpot
from hubspot.crm import contacts, deals, products
from hubspot.crm.deals.exceptions import (
    ApiException, ForbiddenException, NotFoundException, ServiceException, UnauthorizedException,
)
from sandbox import BASE, REFUSED, TOKEN, assert_body, caught, failing

crm = HubSpot(access_token=TOKEN, host=BASE).crm


def deal(**properties):
    return deals.SimplePublicObjectInputForCreate(properties=properties)


# Create, read, update.
created = crm.deals.basic_api.create(deal(dealname="First & last ü", amount="350"))
assert created.properties["dealname"] == "First & last ü"
assert isinstance(created.created_at, datetime)
label = contacts.AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=4)
end = contacts.PublicAssociationsForObject(to=contacts.PublicObjectId(id=created.id), types=[label])
contact = crm.contacts.basic_api.create(
    contacts.SimplePublicObjectInputForCreate(properties={"email": "ada+1@example.com"}, associations=[end])
)
read = crm.deals.basic_api.get_by_id(created.id, properties=["dealname", "amount"], associations=["contacts"])
assert read.properties["amount"] == "350"
assert read.associations["contacts"].results[0].id == contact.id
assert crm.contacts.basic_api.get_by_id("ada+1@example.com", id_property="email").id == contact.id
change = deals.SimplePublicObjectInput(properties={"dealstage": "closedwon"})
assert crm.deals.basic_api.update(created.id, change).properties["dealstage"] == "closedwon"

# Batches.
many = deals.BatchInputSimplePublicObjectBatchInputForCreate(
    inputs=[deals.SimplePublicObjectBatchInputForCreate(properties={"dealname": f"Deal {n}"}) for n in range(24)]
)
ids = [result.id for result in crm.deals.batch_api.create(many).results]
assert len(set(ids)) == 24
changes = [deals.SimplePublicObjectBatchInput(id=id, properties={"amount": "7"}) for id in ids]
changed = crm.deals.batch_api.update(deals.BatchInputSimplePublicObjectBatchInput(inputs=changes))
assert changed.status == "COMPLETE"
asked = [deals.SimplePublicObjectId(id=id) for id in (ids[0], "1")]
partly = crm.deals.batch_api.read(
    deals.BatchReadInputSimplePublicObjectId(inputs=asked, properties=["amount"], properties_with_history=[])
)
assert partly.results[0].properties["amount"] == "7"
assert partly.errors[0].category == "OBJECT_NOT_FOUND"

# Pages, one by one and all of them.
page = crm.deals.basic_api.get_page(limit=10, properties=["dealname", "amount"])
assert len(page.results) == 10
following = crm.deals.basic_api.get_page(limit=10, after=page.paging.next.after)
assert following.results[0].id == page.paging.next.after
assert len(crm.deals.get_all()) == 25

# Search.
filters = deals.FilterGroup(filters=[deals.Filter(property_name="amount", operator="GT", value="7")])
search = crm.deals.search_api.do_search(
    deals.PublicObjectSearchRequest(
        filter_groups=[filters], sorts=["-amount"], properties=["amount"], limit=5, after="0", query="first"
    )
)
assert (search.total, search.results[0].id) == (1, created.id)

# The owners have a trailing slash here.
assert crm.owners.owners_api.get_page(email="ada@sandbox.hubspot.test").results[0].last_name == "Lovelace"

# Archive.
crm.deals.basic_api.archive(created.id)
gone = deals.BatchInputSimplePublicObjectId(inputs=[deals.SimplePublicObjectId(id=id) for id in ids])
crm.deals.batch_api.archive(gone)
assert crm.deals.basic_api.get_page().results == []


# Errors of the vendor arrive as the client's own, with status, body and headers.
def assert_error(status, kind, raised):
    assert type(raised).__name__ == kind.__name__, raised
    body = json.loads(raised.body)
    assert raised.status == status, raised
    assert_body(status, body)
    assert raised.headers["x-hubspot-correlation-id"] == body["correlationId"]


KINDS = {401: UnauthorizedException, 403: ForbiddenException, 500: ServiceException, 502: ServiceException, 503: ServiceException}
assert_error(404, NotFoundException, caught(lambda: crm.deals.basic_api.get_by_id(created.id), ApiException))
twice = contacts.SimplePublicObjectInputForCreate(properties={"email": "ada+1@example.com"})
assert_error(409, ApiException, caught(lambda: crm.contacts.basic_api.create(twice), contacts.ApiException))
assert_error(403, ForbiddenException, caught(crm.products.basic_api.get_page, products.ApiException))
for status in REFUSED:
    with failing(status):
        raised = caught(crm.deals.basic_api.get_page, ApiException)
    assert_error(status, KINDS.get(status, ApiException), raised)
