// npm `oauth2-mock-server`. It keeps no tokens: every refresh token is good, a revoked one too, and every call of its API is. What it looks at are
// the form of requests and the proof of PKCE, once for each code.
import { OAuth2Server } from 'oauth2-mock-server';
import { json, serve } from './serve.mjs';

const mock = new OAuth2Server();
await mock.issuer.keys.generate('RS256');
let revoked = 0;
let ended = false;
mock.service.on('beforeRevoke', () => { revoked += 1; });
// Its documented hook for a refusal.
mock.service.on('beforeResponse', (reply, request) => {
  if (ended && request.body.grant_type === 'refresh_token') Object.assign(reply, { statusCode: 400, body: { error: 'invalid_grant' } });
});

serve(async (request, response, url, origin) => {
  mock.issuer.url = origin;
  if (url.pathname === '/control/revoked') return json(response, 200, { total: revoked });
  if (url.pathname === '/control/end') {
    ended = true;
    return json(response, 200, {});
  }
  if (url.pathname === '/control/begin') {
    ended = false;
    return json(response, 200, {});
  }
  return mock.service.requestHandler(request, response);
});
