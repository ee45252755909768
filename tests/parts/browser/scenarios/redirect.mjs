// From the link through the vendor back to the shop's own page. Also without JavaScript.
import { integrator } from '../integrator.mjs';
import { browse, given, makeLink, say } from '../stage.mjs';
import { decide, goToVendor } from '../walk.mjs';

const shop = await integrator();
const link = await makeLink({ redirectUrl: `${shop.origin}/back?order=7` });

await browse(async (context) => {
  const page = await context.newPage();
  const pages = [];
  page.on('framenavigated', (frame) => pages.push(frame.url()));
  await page.goto(link.url);
  await goToVendor(page);
  await decide(page, 'Connect app');
  await page.waitForURL(`${shop.origin}/**`);
  say({ shop: shop.origin, back: page.url(), pages });
  say({ cookies: await context.cookies() });
}, { javaScriptEnabled: given.javaScript ?? true });
