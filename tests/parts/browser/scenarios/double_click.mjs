// Everything is clicked twice.
import { browse, makeLink, say } from '../stage.mjs';
import { atVendor, forward, verdict } from '../walk.mjs';

const link = await makeLink();
await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(link.url);
  await forward(page).dblclick();
  await atVendor(page);
  await page.getByRole('button', { name: 'Connect app' }).dblclick();
  await page.waitForURL('**/result**');
  say({ verdict: await verdict(page) });
});
