// What the servers of this directory share: a free port on loopback, bodies, and how a test sees and ends what they gave.
import { createServer } from 'node:http';

export const CLIENT = { id: 'judged-client', secret: 'judged-secret', redirectUris: process.env.REDIRECT_URIS.split(' ') };

export async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

export function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

// `handler` gets the request, its answer, its address and the server's own.
export function serve(handler) {
  const server = createServer((request, response) => {
    const origin = `http://127.0.0.1:${server.address().port}`;
    handler(request, response, new URL(request.url, origin), origin).catch((error) => {
      json(response, 500, { error: 'server_error', error_description: String(error) });
    });
  });
  server.listen(0, '127.0.0.1', () => console.log(`ready http://127.0.0.1:${server.address().port}`));
}
