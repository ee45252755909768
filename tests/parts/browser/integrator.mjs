// A shop of its own origin that embeds Ligand's script. `/` has the button; its back end knows each browser by a cookie, and confirms
// what a browser brings for the link that it made in that session. Everything else says where it was called.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { api, given } from './stage.mjs';

/** `{origin, use: (link) => void}`; `page` may bring HTML of its own. It ends with the process. */
export async function integrator({ page = shop, headers = {} } = {}) {
  const links = new Map();
  let link = null;

  // The one thing that counts: the link is the session's, and never one that a browser names.
  async function confirm(session, handle) {
    const own = links.get(session);
    if (!own) return { status: 'nobody' };
    const { status, instanceId } = await api('POST', `/connect/links/${own}/confirm`, { handle });
    return { status, instanceId };
  }

  async function answer(request, response) {
    const url = new URL(request.url, 'http://shop');
    const session = request.headers.cookie?.match(/shop=([\w-]+)/)?.[1];
    if (url.pathname === '/') {
      const begun = randomUUID();
      links.set(begun, link.id);
      return response.writeHead(200, { ...html, 'set-cookie': `shop=${begun}; HttpOnly; SameSite=Lax` }).end(page(link.url));
    }
    if (request.method === 'POST') return response.end(JSON.stringify(await confirm(session, await text(request))));
    if (url.searchParams.has('handle')) {
      const ended = await confirm(session, url.searchParams.get('handle'));
      url.searchParams.delete('handle');
      Object.entries(ended).forEach(([name, value]) => url.searchParams.set(name, value));
      return response.writeHead(303, { location: url.pathname + url.search }).end();
    }
    return response.writeHead(200, html).end('back at the shop');
  }

  const html = { 'content-type': 'text/html; charset=utf-8', ...headers };
  const server = createServer((request, response) => {
    answer(request, response).catch((error) => response.writeHead(500).end(error.message));
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  server.unref();
  return { origin: `http://localhost:${server.address().port}`, use: (made) => { link = made; } };
}

/** What came of a click stands in `output`, as JSON. */
export const shop = (link) => `<!doctype html>
<html lang="en">
<title>Shop</title>
<button>Connect</button>
<output></output>
<script src="${given.ligand}/connect/ligand.js"></script>
<script>
  const say = (fact) => { document.querySelector('output').textContent = JSON.stringify(fact); };
  const finish = async (result) => (result.handle
    ? (await fetch('/confirm', { method: 'POST', body: result.handle })).json()
    : result);
  globalThis.go = () => Ligand.connect({ link: ${JSON.stringify(link)} })
    .then(finish).then(say, (error) => say({ error: error.message }));
  document.querySelector('button').addEventListener('click', go);
</script>`;

/** The result that the page shows, once it does. */
export async function outcome(page) {
  const output = page.locator('output');
  await output.filter({ hasText: /./ }).waitFor();
  return JSON.parse(await output.textContent());
}
