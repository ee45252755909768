// A shop of its own origin that embeds Ligand's script: `/` has the button, everything else says where it was called.
import { createServer } from 'node:http';
import { given } from './stage.mjs';

/** `{origin, link: (url) => void}`; `page` may bring HTML of its own. It ends with the process. */
export async function integrator({ page = shop, headers = {} } = {}) {
  let link = '';
  const server = createServer((request, response) => {
    const body = request.url === '/' ? page(link) : 'back at the shop';
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers }).end(body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  server.unref();
  return { origin: `http://localhost:${server.address().port}`, use: (url) => { link = url; } };
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
  globalThis.go = () => Ligand.connect({ link: ${JSON.stringify(link)} })
    .then(say, (error) => say({ error: error.message }));
  document.querySelector('button').addEventListener('click', go);
</script>`;

/** The result that the page shows, once it does. */
export async function outcome(page) {
  const output = page.locator('output');
  await output.filter({ hasText: /./ }).waitFor();
  return JSON.parse(await output.textContent());
}
