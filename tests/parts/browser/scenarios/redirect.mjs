// From the link through the vendor back to the shop's own page. Also without JavaScript.
import { integrator } from '../integrator.mjs';
import { browse, given, makeLink, say } from '../stage.mjs';
import { decide, goToVendor } from '../walk.mjs';

const shop = await integrator();
const link = await makeLink({ redirectUrl: `${shop.origin}/back?order=7` });
shop.use(link);

await browse(async (context) => {
  const page = await context.newPage();
  const pages = [];
  page.on('framenavigated', (frame) => pages.push(frame.url()));
  await page.goto(shop.origin);
  await page.goto(link.url);
  await goToVendor(page);
  const way = [];
  page.on('request', (request) => request.isNavigationRequest() && way.push(new URL(request.url()).pathname));
  await decide(page, 'Connect app');
  await page.waitForURL(`${shop.origin}/back**`);
  say({ shop: shop.origin, back: page.url(), pages, way: way.slice(way.findIndex((path) => path.includes('/connector/callback/'))) });
  say({ cookies: await context.cookies() });
}, { javaScriptEnabled: given.javaScript ?? true });
