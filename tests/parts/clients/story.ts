// The whole story through a client that openapi-fetch builds from the types that openapi-typescript generated.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import createClient from 'openapi-fetch';
import type { paths } from './generated/schema.js';

const callbackUrl = 'http://localhost:9090/callback';
const { LIGAND_URL, LIGAND_AUTHORIZATION } = process.env;

const ligand = createClient<paths>({
  baseUrl: `${LIGAND_URL}/elements/api-v2`,
  headers: { Authorization: LIGAND_AUTHORIZATION },
});

function present<T>({ data, error }: { data?: T; error?: unknown }): T {
  assert(data, JSON.stringify(error));
  return data;
}

const { oauthUrl } = present(
  await ligand.GET('/elements/{keyOrId}/oauth/url', {
    params: {
      path: { keyOrId: 'hubspotcrm' },
      query: { apiKey: 'sandbox-client', callbackUrl, state: 'from-typescript' },
    },
  }),
);

// A user who agrees, played by the script that all stories share.
const code = execFileSync('python3', ['consent.py', oauthUrl], { encoding: 'utf8' }).trim();

const connected = present(
  await ligand.POST('/instances', {
    body: {
      name: 'TypeScript story',
      element: { key: 'hubspotcrm' },
      providerData: { code },
      configuration: {
        'authentication.type': 'oauth2',
        'oauth.callback.url': callbackUrl,
        'oauth.api.key': 'sandbox-client',
        'oauth.api.secret': 'sandbox-secret',
      },
      tags: ['story'],
    },
  }),
);
assert(connected.valid && connected.token);

const path = { params: { path: { id: connected.id } } };
const read = present(await ligand.GET('/instances/{id}', path));
assert.equal(read.name, connected.name);

const listed = present(await ligand.GET('/instances', { params: { query: { searchText: connected.name } } }));
assert(listed.some(({ id }) => id === connected.id));

const body = { name: 'TypeScript story, told twice' };
const changed = present(await ligand.PATCH('/instances/{id}', { ...path, body }));
assert.equal(changed.name, body.name);

const withKey = present(
  await ligand.POST('/elements/{keyOrId}/instances', {
    params: { path: { keyOrId: 'hubspotcrm' } },
    body: {
      name: 'TypeScript story, with a key',
      configuration: {
        'authentication.type': 'apiKey',
        'hubspot.authorization.apikey': '3a9990ff-bf17-40b1-9ce1-e1702e36ab51',
      },
    },
  }),
);
assert.equal(withKey.configuration['hubspot.authorization.apikey'], '********');
await ligand.DELETE('/instances/{id}', { params: { path: { id: withKey.id } }, parseAs: 'text' });

const { response: deleted } = await ligand.DELETE('/instances/{id}', { ...path, parseAs: 'text' });
assert.equal(deleted.status, 200);

const { response: gone, error } = await ligand.GET('/instances/{id}', path);
assert.equal(gone.status, 404);
assert.equal(error?.code, 'instance_not_found');

// The one 404 that is no mistake: a list without members, unless it is asked for.
const query = { searchText: body.name };
const { error: empty } = await ligand.GET('/instances', { params: { query } });
assert.equal(empty?.message, 'No instances found');
const none = present(await ligand.GET('/instances', { params: { query: { ...query, emptyList: '200' } } }));
assert.deepEqual(none, []);
