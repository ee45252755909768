// npm @hubspot/api-client: HubSpot's own client, with nothing changed but base URL and token.
import assert from 'node:assert/strict';
import { Client } from '@hubspot/api-client';
import { assertBody, base, caught, failing, refusals, token } from './sandbox.mjs';

const { deals, contacts, products, owners, pipelines, properties } = new Client({
  basePath: base,
  accessToken: token,
}).crm;

// Create, read, update.
const created = await deals.basicApi.create({ properties: { dealname: 'First & last ü', amount: '350' } });
assert.equal(created.properties.dealname, 'First & last ü');
assert.ok(created.createdAt instanceof Date);
const contact = await contacts.basicApi.create({
  properties: { email: 'ada+1@example.com' },
  associations: [{ to: { id: created.id }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 4 }] }],
});
const read = await deals.basicApi.getById(created.id, ['dealname', 'amount'], ['amount'], ['contacts']);
assert.equal(read.properties.amount, '350');
assert.equal(read.propertiesWithHistory.amount[0].value, '350');
assert.equal(read.associations.contacts.results[0].id, contact.id);
const found = await contacts.basicApi.getById('ada+1@example.com', undefined, undefined, undefined, false, 'email');
assert.equal(found.id, contact.id);
const updated = await deals.basicApi.update(created.id, { properties: { dealstage: 'closedwon' } });
assert.equal(updated.properties.dealstage, 'closedwon');

// Batches.
const batch = await deals.batchApi.create({
  inputs: Array.from({ length: 24 }, (_, number) => ({ properties: { dealname: `Deal ${number}` } })),
});
const ids = batch.results.map((deal) => deal.id);
assert.equal(new Set(ids).size, 24);
const changed = await deals.batchApi.update({ inputs: ids.map((id) => ({ id, properties: { amount: '7' } })) });
assert.equal(changed.status, 'COMPLETE');
const asked = { inputs: [{ id: ids[0] }, { id: '1' }], properties: ['amount'], propertiesWithHistory: [] };
const partly = await deals.batchApi.read(asked);
assert.equal(partly.results[0].properties.amount, '7');
assert.equal(partly.errors[0].category, 'OBJECT_NOT_FOUND');
const upserted = await contacts.batchApi.upsert({
  inputs: ['ada+1@example.com', 'new@example.com'].map((id) => ({ id, idProperty: 'email', properties: {} })),
});
assert.deepEqual(upserted.results.map((result) => result._new), [false, true]);

// Pages, one by one and all of them.
const page = await deals.basicApi.getPage(10, undefined, ['dealname', 'amount']);
assert.equal(page.results.length, 10);
const next = await deals.basicApi.getPage(10, page.paging.next.after, ['dealname', 'amount']);
assert.equal(next.results[0].id, page.paging.next.after);
assert.equal((await deals.getAll(10)).length, 25);

// Search.
const search = await deals.searchApi.doSearch({
  filterGroups: [{ filters: [{ propertyName: 'amount', operator: 'GT', value: '7' }] }],
  sorts: ['-amount'], properties: ['amount'], limit: 5, after: '0', query: 'first',
});
assert.deepEqual([search.total, search.results[0].id], [1, created.id]);

// The rest of the CRM.
assert.equal((await owners.ownersApi.getPage('ada@sandbox.hubspot.test')).results[0].lastName, 'Lovelace');
assert.equal((await pipelines.pipelinesApi.getAll('deals')).results[0].stages.length, 7);
assert.ok((await properties.coreApi.getAll('deals')).results.some((property) => property.name === 'amount'));

// Archive.
await deals.basicApi.archive(created.id);
await deals.batchApi.archive({ inputs: ids.map((id) => ({ id })) });
assert.equal((await deals.basicApi.getPage()).results.length, 0);

// Errors of the vendor arrive as the client's own, with code, body and headers.
const assertError = (status, error) => {
  assert.equal(error.constructor.name, 'ApiException', error.stack);
  assert.equal(error.code, status);
  assertBody(status, error.body);
  assert.equal(error.headers['x-hubspot-correlation-id'], error.body.correlationId);
};
assertError(404, await caught(() => deals.basicApi.getById(created.id)));
assertError(409, await caught(() => contacts.basicApi.create({ properties: { email: 'ada+1@example.com' } })));
assertError(403, await caught(() => products.basicApi.getPage()));
for await (const [status, error] of refusals(() => deals.basicApi.getPage())) assertError(status, error);

// Its own retry of a 5xx.
const patient = new Client({ basePath: base, accessToken: token, numberOfApiCallRetries: 2 });
assert.equal((await failing(503, () => patient.crm.deals.basicApi.getPage(), 1)).results.length, 0);
