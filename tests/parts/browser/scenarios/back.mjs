// Back from the vendor's page and on again; back again after it is done.
import { browse, makeLink, say } from '../stage.mjs';
import { decide, forward, goToVendor, verdict } from '../walk.mjs';

const link = await makeLink();
await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(link.url);
  await goToVendor(page);
  await page.goBack();
  await forward(page).waitFor();
  await goToVendor(page);
  await decide(page, 'Connect app');
  await page.waitForURL('**/result**');
  say({ verdict: await verdict(page) });

  // To the vendor's page, which asks again; its answer is for a state that is spent.
  await page.goBack();
  await page.goto(link.url);
  say({ afterwards: await verdict(page), again: await forward(page).isVisible() });
});
