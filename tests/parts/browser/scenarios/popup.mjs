// The script's window, opened by a page of another origin. With `opener` the vendor's pages carry that policy, with `back` the link has an
// address of the shop, too.
import { integrator, outcome } from '../integrator.mjs';
import { browse, flip, given, makeLink, say } from '../stage.mjs';
import { decide, goToVendor } from '../walk.mjs';

const shop = await integrator({ headers: given.shopHeaders });
const link = await makeLink({ origin: shop.origin, redirectUrl: given.back ? `${shop.origin}/back` : undefined });
shop.use(link);
await flip({ crossOriginOpenerPolicy: given.opener ?? null });

await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(shop.origin);
  const opened = context.waitForEvent('page');
  await page.getByRole('button').click();
  const popup = await opened;
  say({ address: (await popup.waitForURL(/^http/), popup.url()) });
  await goToVendor(popup);
  say({ openerAtVendor: await popup.evaluate(() => window.opener !== null) });
  // The person reads for a while, and the shop's page asks all that time.
  for (let asked = 0; asked < 6; asked += 1) await page.waitForResponse(/\/status$/);
  say({ meanwhile: await page.locator('output').textContent() });
  await decide(popup, 'Connect app');
  say({ result: await outcome(page) });
  // A window that was cut off goes to the shop itself, and only the person closes it.
  if (!given.back && !popup.isClosed()) await popup.waitForEvent('close');
  say({ closed: popup.isClosed(), shopStayed: page.url() === `${shop.origin}/` });
});
