// Thousands of grants at once, made with the provider's own models, as if as many people had agreed; and a count of those
// that live. The provider's own storage keeps a thousand rows.
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

const rows = new Map();

export const adapter = (model) => new MemoryAdapter(model, rows);

export async function makeGrants({ Grant, AccessToken, RefreshToken, Client }, { client: clientId, count }) {
  const client = await Client.find(clientId);
  const scope = 'openid offline_access contacts';
  const made = [];
  for (let number = 0; number < count; number += 1) {
    const accountId = `account-${number}`;
    const grant = new Grant({ accountId, clientId });
    grant.addOIDCScope(scope);
    const grantId = await grant.save();
    const common = { accountId, client, grantId, scope, gty: 'authorization_code', claims: {} };
    made.push({
      access: await new AccessToken(common).save(),
      refresh: await new RefreshToken({ ...common, rotations: 0, iiat: Math.floor(Date.now() / 1000) }).save(),
    });
  }
  return made;
}

// Grants of which the provider would still take a token.
export function countLive() {
  const live = new Set();
  for (const [key, row] of rows) {
    const token = key.startsWith('AccessToken:') || key.startsWith('RefreshToken:');
    if (token && !row.consumed && row.exp > Date.now() / 1000) live.add(row.grantId);
  }
  return { live: live.size };
}
