// A back end that lets its customers connect their accounts. Nothing but Node 20: see README.md.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const { LIGAND_URL = 'http://localhost:8080', LIGAND_USER, LIGAND_ORGANIZATION, PORT = '3000' } = process.env;
const page = (await readFile(new URL('index.html', import.meta.url), 'utf8')).replaceAll('LIGAND_URL', LIGAND_URL);

// The one call. The secrets stay here, and who the customer is comes from your session, not from the browser.
async function makeLink(customer) {
  const origin = `http://localhost:${server.address().port}`;
  const reply = await fetch(`${LIGAND_URL}/elements/api-v2/connect/links`, {
    method: 'POST',
    headers: {
      authorization: `User ${LIGAND_USER}, Organization ${LIGAND_ORGANIZATION}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ elements: ['hubspotcrm'], externalId: customer, origin, redirectUrl: `${origin}/` }),
  });
  if (!reply.ok) throw new Error(`Ligand answered ${reply.status}: ${await reply.text()}`);
  return (await reply.json()).url;
}

const server = createServer(async (request, response) => {
  if (request.method === 'POST' && request.url === '/link') {
    const link = await makeLink('customer-7').catch((error) => console.error(error.message));
    response.writeHead(link ? 200 : 502).end(link);
  } else {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page);
  }
});
server.listen(PORT, () => console.log(`Open http://localhost:${server.address().port}`));
