// What the scripts of Node share: where to call, the switches of the sandbox, and what an error must be.
import assert from 'node:assert/strict';

export const base = required('HUBSPOT_BASE_URL');
export const token = required('HUBSPOT_ACCESS_TOKEN');

// A call that hangs fails the test.
setTimeout(() => {
  console.error('still running after two minutes');
  process.exit(1);
}, 120_000).unref();

function required(name) {
  return process.env[name] ?? assert.fail(`${name} is not set`);
}

async function change(switches) {
  const body = JSON.stringify(switches);
  const reply = await fetch(`${required('SANDBOX_URL')}/control`, { method: 'PATCH', body });
  assert.equal(reply.status, 200, await reply.text());
}

/** Runs `work` while the vendor answers with a status, for so many calls. */
export async function failing(status, work, times = null) {
  await change({ failure: { route: '*', status, times } });
  try {
    return await work();
  } finally {
    await change({ failure: null });
  }
}

/** The error of calls that the vendor refuses, one for each status. */
export async function* refusals(list) {
  for (const status of [401, 403, 429, 477, 500, 502, 503]) {
    yield [status, await failing(status, () => caught(list))];
  }
}

export async function caught(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  assert.fail('the call succeeded');
}

/** The vendor's own body, member by member. */
export function assertBody(status, body) {
  assert.equal(body.status, 'error', JSON.stringify(body));
  assert.match(body.correlationId, /^[0-9a-f-]{36}$/);
  const categories = { 401: 'INVALID_AUTHENTICATION', 403: 'MISSING_SCOPES', 404: 'OBJECT_NOT_FOUND', 409: 'CONFLICT' };
  if (categories[status]) assert.equal(body.category, categories[status]);
  if (status === 429) assert.equal(body.policyName, 'TEN_SECONDLY_ROLLING');
}
