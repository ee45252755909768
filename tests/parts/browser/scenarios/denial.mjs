// The person says no, reads what that means, and says yes.
import { api, browse, makeLink, say } from '../stage.mjs';
import { atVendor, decide, forward, goToVendor, verdict } from '../walk.mjs';

const link = await makeLink();
await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(link.url);
  await goToVendor(page);
  await decide(page, 'Deny');
  say({ denied: await verdict(page), afterDenial: (await api('GET', `/connect/links/${link.id}`)).status });
  await page.getByRole('link', { name: /again/i }).or(page.getByRole('button', { name: /again/i })).click();
  await page.getByRole('heading', { level: 1 }).waitFor();
  // Once more through the first page, or straight to the vendor.
  if (await forward(page).isVisible()) await forward(page).click();
  await atVendor(page);
  await decide(page, 'Connect app');
  await page.waitForURL('**/result**');
  say({ verdict: await verdict(page) });
});
