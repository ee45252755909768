// An OAuth 2.0 server that nobody here wrote, set up so that a test can drive it with nothing but HTTP:
// every visitor is signed in and consents, unless the query says `login_hint=deny`.
import { createServer } from 'node:http';
import Provider, { errors, interactionPolicy } from 'oidc-provider';
import { adapter, countLive, makeGrants } from './many.mjs';

const seconds = (name, fallback) => Number(process.env[name] ?? fallback);
const anyPort = 'http://localhost/connector/callback';
const redirectUris = [
  'http://localhost:9090/callback', 'https://www.mycoolapp.com/auth', 'https://ligand.example/connector/callback', anyPort,
];

const client = (id, authentication, { pkce = false, rotates = true, secret = `secret-of-${id}` } = {}) => ({
  client_id: id,
  client_secret: secret,
  token_endpoint_auth_method: authentication,
  redirect_uris: redirectUris,
  grant_types: ['authorization_code', 'refresh_token'],
  requires_pkce: pkce,
  rotates_refresh_tokens: rotates,
});

const clients = [
  client('post-client', 'client_secret_post'),
  client('basic-client', 'client_secret_basic'),
  client('pkce-post-client', 'client_secret_post', { pkce: true }),
  client('pkce-basic-client', 'client_secret_basic', { pkce: true }),
  client('steady-post-client', 'client_secret_post', { rotates: false }),
  client('steady-basic-client', 'client_secret_basic', { rotates: false }),
  client('strict-client', 'client_secret_post', { pkce: true }),
  // RFC 6749 section 2.3.1: id and secret are form-encoded before base64, which only such a secret shows.
  client('odd-basic-client', 'client_secret_basic', { secret: 'a:b c+d%2Fe&f=g' }),
];

const policy = interactionPolicy.base();
policy.forEach((prompt) => prompt.checks.clear());
policy.get('login').checks.add(
  new interactionPolicy.Check('denied', 'the user said no', ({ oidc }) => {
    if (oidc.params.login_hint === 'deny') throw new errors.AccessDenied('the user said no');
    return interactionPolicy.Check.NO_NEED_TO_PROMPT;
  }),
);

async function consent({ oidc }) {
  const { Grant } = oidc.provider;
  const grant = new Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
  grant.addOIDCScope(oidc.params.scope ?? 'openid');
  await grant.save();
  return grant;
}

const lifetime = {
  AccessToken: seconds('ACCESS_TOKEN_SECONDS', 1800),
  AuthorizationCode: seconds('CODE_SECONDS', 60),
  RefreshToken: seconds('REFRESH_TOKEN_SECONDS', 14 * 86400),
  Grant: 365 * 86400,
  IdToken: 1800,
  Interaction: 60,
  Session: 3600,
};

function configuration() {
  return {
    ...(process.env.MANY ? { adapter } : {}),
    clients,
    scopes: ['openid', 'offline_access', 'contacts', 'timeline', 'files'],
    extraClientMetadata: { properties: ['requires_pkce', 'rotates_refresh_tokens'] },
    pkce: { required: (_, client) => client.requires_pkce },
    rotateRefreshToken: ({ oidc }) => oidc.client.rotates_refresh_tokens,
    issueRefreshToken: async () => true,
    expiresWithSession: async () => false,
    findAccount: async (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { policy },
    loadExistingGrant: consent,
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      jwtResponseModes: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
    },
    ttl: lifetime,
  };
}

// Moving the clock spares tests the sleeping; it moves for everyone, so a test that does it runs a server of its own.
const realNow = Date.now;
let ahead = 0;
Date.now = () => realNow() + ahead;

// Expires one code or token and leaves the server's other users alone.
async function expire(provider, value) {
  for (const model of [provider.AuthorizationCode, provider.AccessToken, provider.RefreshToken]) {
    const found = await model.find(value);
    if (found) (await model.adapter.find(found.jti)).exp = 1;
  }
}

// The server takes a secret by either method from either kind of client; vendors do not, so neither does this one.
function insistOnRegisteredMethod({ Client }) {
  const { compareClientSecret } = Client.prototype;
  Client.prototype.compareClientSecret = function compare(secret) {
    const used = Provider.ctx.headers.authorization ? 'client_secret_basic' : 'client_secret_post';
    return used === this.clientAuthMethod && compareClientSecret.call(this, secret);
  };
}

// The server under test gets its port after this one is up.
function takeAnyPortOfItsCallback({ Client }) {
  const { redirectUriAllowed } = Client.prototype;
  Client.prototype.redirectUriAllowed = function allowed(uri) {
    return redirectUriAllowed.call(this, uri.replace(/^http:\/\/localhost:\d+(?=\/connector\/callback)/, 'http://localhost').replace(/(?<=\/connector\/callback)\/.*/, ''));
  };
}

// How often the token endpoint was asked, and how long it takes from now on.
let tokenCalls = 0;
let tokenDelay = 0;

async function control(provider, ctx) {
  if (ctx.path === '/control/token-calls') {
    ctx.body = { total: tokenCalls };
    return;
  }
  if (ctx.path === '/control/live') {
    ctx.body = countLive();
    return;
  }
  const chunks = [];
  for await (const chunk of ctx.req) chunks.push(chunk);
  const order = JSON.parse(Buffer.concat(chunks));
  if (ctx.path === '/control/clock') ahead += order.advance * 1000;
  else if (ctx.path === '/control/token-delay') tokenDelay = order.ms;
  else if (ctx.path === '/control/expire') await expire(provider, order.value);
  else if (ctx.path === '/control/grants') {
    ctx.body = await makeGrants(provider, order);
    return;
  }
  else return ctx.throw(404);
  ctx.body = {};
}

async function signIn(provider, ctx) {
  const session = new provider.Session({ accountId: 'somebody', loginTs: Math.floor(Date.now() / 1000) });
  await session.save(lifetime.Session);
  ctx.req.headers.cookie = `${provider.cookieName('session')}=${session.id}`;
}

// The issuer carries the port, which is known only once the socket is bound.
const server = createServer();
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());
  insistOnRegisteredMethod(provider);
  takeAnyPortOfItsCallback(provider);
  provider.use(async (ctx, next) => {
    if (ctx.method === 'POST' && ctx.path.startsWith('/control/')) return control(provider, ctx);
    if (ctx.path === '/auth') await signIn(provider, ctx);
    if (ctx.path === '/token') {
      tokenCalls += 1;
      await next();
      return new Promise((resolve) => { setTimeout(resolve, tokenDelay); });
    }
    return next();
  });
  server.on('request', provider.callback());
  console.log(`ready ${issuer}`);
});
