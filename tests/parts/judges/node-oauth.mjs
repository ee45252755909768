// npm `@node-oauth/oauth2-server` with a model in memory, as its documentation ("Model Specification") describes it: every visitor is
// signed in and consents. It has no endpoint for revocation or introspection.
import OAuth2Server from '@node-oauth/oauth2-server';
import { CLIENT, bodyOf, json, serve } from './serve.mjs';

const USER = { id: 'somebody' };
const codes = new Map();
const access = new Map();
const refresh = new Map();
const client = { id: CLIENT.id, redirectUris: CLIENT.redirectUris, grants: ['authorization_code', 'refresh_token'] };

const model = {
  // The authorization endpoint asks without a secret.
  getClient: async (id, secret) => id === CLIENT.id && (secret === null || secret === CLIENT.secret) && client,
  saveAuthorizationCode: async (code, of, user) => {
    const saved = { ...code, client: of, user };
    codes.set(code.authorizationCode, saved);
    return saved;
  },
  getAuthorizationCode: async (code) => codes.get(code),
  revokeAuthorizationCode: async ({ authorizationCode }) => codes.delete(authorizationCode),
  saveToken: async (token, of, user) => {
    const saved = { ...token, client: of, user };
    access.set(token.accessToken, saved);
    refresh.set(token.refreshToken, saved);
    return saved;
  },
  getAccessToken: async (token) => access.get(token),
  getRefreshToken: async (token) => refresh.get(token),
  revokeToken: async ({ refreshToken }) => refresh.delete(refreshToken),
  verifyScope: async () => true,
};

const server = new OAuth2Server({ model, accessTokenLifetime: 1800 });

async function answer(request, response, url) {
  const body = Object.fromEntries(new URLSearchParams(await bodyOf(request)));
  const { method, headers } = request;
  const asked = new OAuth2Server.Request({ method, headers, query: Object.fromEntries(url.searchParams), body });
  const said = new OAuth2Server.Response({});
  const calls = {
    '/authorize': () => server.authorize(asked, said, { authenticateHandler: { handle: () => USER } }),
    '/token': () => server.token(asked, said),
    '/me': async () => { said.body = { id: (await server.authenticate(asked, said)).user.id }; },
  };
  // What it throws stands in its response, too, but for refused tokens.
  await calls[url.pathname]().catch((error) => {
    said.status = error.code;
    said.body = { error: error.name, error_description: error.message };
  });
  response.writeHead(said.status ?? 200, { 'content-type': 'application/json', ...said.headers });
  response.end(JSON.stringify(said.body ?? {}));
}

serve(async (request, response, url) => {
  if (url.pathname === '/control/active') {
    const token = await bodyOf(request);
    return json(response, 200, { active: access.has(token) || refresh.has(token) });
  }
  if (url.pathname === '/control/end') {
    for (const kept of [codes, access, refresh]) kept.clear();
    return json(response, 200, {});
  }
  return answer(request, response, url);
});
