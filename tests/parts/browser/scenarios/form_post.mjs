// Back from a vendor whose page posts a form, as another site.
import { browse, makeLink, say } from '../stage.mjs';
import { forward, verdict } from '../walk.mjs';

const link = await makeLink({ elements: ['own'] });
await browse(async (context) => {
  const page = await context.newPage();
  const pages = [];
  page.on('framenavigated', (frame) => pages.push(frame.url()));
  await page.goto(link.url);
  await forward(page).click();
  await page.waitForURL('**/result**');
  say({ verdict: await verdict(page), pages });
});
