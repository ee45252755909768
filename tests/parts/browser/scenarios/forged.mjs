// A frame of a foreign origin, and the shop's own page, tell the shop that all is done. Only the link is believed.
import { createServer } from 'node:http';
import { integrator, outcome, shop as usual } from '../integrator.mjs';
import { browse, makeLink, say } from '../stage.mjs';
import { decide, forward, goToVendor } from '../walk.mjs';

const lie = { source: 'ligand', status: 'authorised', instanceId: 666 };
const evil = createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'text/html' })
    .end(`<script>setInterval(() => parent.postMessage(${JSON.stringify(lie)}, '*'), 50)</script>`);
});
await new Promise((resolve) => { evil.listen(0, '127.0.0.1', resolve); });
evil.unref();

const frame = `<iframe src="http://localhost:${evil.address().port}"></iframe>`;
const shop = await integrator({ page: (link) => usual(link) + frame });
const link = await makeLink({ origin: shop.origin });
shop.use(link);

await browse(async (context) => {
  const page = await context.newPage();
  await page.addInitScript(() => {
    globalThis.heard = 0;
    addEventListener('message', (event) => { if (event.origin !== location.origin) globalThis.heard += 1; });
  });
  await page.goto(shop.origin);
  const opened = context.waitForEvent('page');
  await page.getByRole('button').click();
  const popup = await opened;
  await forward(popup).waitFor();
  await page.evaluate((message) => { postMessage(message, '*'); }, lie);
  const before = await page.evaluate(() => globalThis.heard);
  await page.waitForFunction((count) => globalThis.heard > count + 40, before);
  say({ heard: await page.evaluate(() => globalThis.heard), shown: await page.locator('output').textContent() });
  await goToVendor(popup);
  await decide(popup, 'Connect app');
  say({ result: await outcome(page) });
});
