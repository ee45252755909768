// npm hubspot: the old client of the community, which calls version 1 of the API; with an access token and with an API key.
import assert from 'node:assert/strict';
import Hubspot from 'hubspot';
import { assertBody, base, caught, refusals, token } from './sandbox.mjs';

const limiter = { minTime: 0 };
for (const credential of [{ accessToken: token }, { apiKey: token }]) {
  const { contacts } = new Hubspot({ ...credential, baseUrl: base, limiter });
  const pairs = (properties) => Object.entries(properties).map(([property, value]) => ({ property, value }));

  const created = await contacts.create({ properties: pairs({ email: 'ada+1@example.com', firstname: 'Ada' }) });
  const { vid } = created;
  assert.equal((await contacts.getById(vid)).properties.firstname.value, 'Ada');
  await contacts.update(vid, { properties: pairs({ firstname: 'Augusta' }) });
  const batch = Array.from({ length: 24 }, (_, number) => ({
    email: `contact-${number}@example.com`,
    properties: pairs({ lastname: 'Batch' }),
  }));
  await contacts.createOrUpdateBatch(batch);

  const seen = [];
  let page = { 'has-more': true, 'vid-offset': undefined };
  while (page['has-more']) {
    page = await contacts.get({ count: 10, vidOffset: page['vid-offset'], property: ['firstname', 'lastname'] });
    seen.push(...page.contacts.map((contact) => contact.vid));
  }
  assert.equal(new Set(seen).size, 25);
  const search = await contacts.search('augusta');
  assert.deepEqual([search.total, search.contacts[0].vid], [1, vid]);

  const assertError = (status, error) => {
    assert.equal(error.name, 'StatusCodeError', error.stack);
    assert.equal(error.statusCode, status);
    assertBody(status, error.error);
  };
  assertError(409, await caught(() => contacts.create({ properties: pairs({ email: 'ada+1@example.com' }) })));
  for (const vid of seen) assert.equal((await contacts.delete(vid)).deleted, true);
  assertError(404, await caught(() => contacts.getById(vid)));
  for await (const [status, error] of refusals(() => contacts.get())) assertError(status, error);
}
