// A back end that lets its customers connect their accounts. Nothing but Node 20: see README.md.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const { LIGAND_URL = 'http://localhost:8080', LIGAND_USER, LIGAND_ORGANIZATION, PORT = '3000' } = process.env;
const page = (await readFile(new URL('index.html', import.meta.url), 'utf8')).replaceAll('LIGAND_URL', LIGAND_URL);
const links = new Map(); // The link of each session: who the customer is comes from here, and never from the browser.

async function ligand(path, body) {
  const authorization = `User ${LIGAND_USER}, Organization ${LIGAND_ORGANIZATION}`;
  const call = { method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const reply = await fetch(`${LIGAND_URL}/elements/api-v2/connect/links${path}`, call);
  if (!reply.ok) throw new Error(`Ligand answered ${reply.status}: ${await reply.text()}`);
  return reply.json();
}

const server = createServer(async (request, response) => {
  const session = request.headers.cookie?.match(/session=([\w-]+)/)?.[1] ?? crypto.randomUUID();
  const origin = `http://localhost:${server.address().port}`;
  const calls = {
    '/link': () => ligand('', { elements: ['hubspotcrm'], externalId: 'customer-7', origin, redirectUrl: `${origin}/` }),
    '/confirm': async () => ligand(`/${links.get(session)}/confirm`, { handle: await text(request) }),
  };
  response.setHeader('set-cookie', `session=${session}; HttpOnly; SameSite=Lax`);
  if (request.method !== 'POST') return response.setHeader('content-type', 'text/html; charset=utf-8').end(page);
  const made = await calls[request.url]?.().catch((error) => console.error(error.message));
  if (made) links.set(session, made.id);
  return response.writeHead(made ? 200 : 502).end(JSON.stringify(made ?? {}));
});
server.listen(PORT, () => console.log(`Open http://localhost:${server.address().port}`));
