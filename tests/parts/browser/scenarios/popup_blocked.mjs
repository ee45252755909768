// Where windows are blocked the shop's own page goes to the link, and comes back by redirect.
import { integrator } from '../integrator.mjs';
import { browse, makeLink, say } from '../stage.mjs';
import { decide, goToVendor } from '../walk.mjs';

// Nobody clicked: that is what browsers block windows for.
const page = (link) => `<!doctype html>
<title>Shop</title>
<script src="${new URL(link).origin}/connect/ligand.js"></script>
<script>setTimeout(() => Ligand.connect({ link: ${JSON.stringify(link)} }))</script>`;
const shop = await integrator({ page });
const link = await makeLink({ origin: shop.origin, redirectUrl: `${shop.origin}/back` });
shop.use(link);

await browse(async (context) => {
  const tab = await context.newPage();
  await tab.goto(shop.origin);
  await tab.waitForURL(`${new URL(link.url).origin}/**`);
  await goToVendor(tab);
  await decide(tab, 'Connect app');
  await tab.waitForURL(`${shop.origin}/back**`);
  say({ back: tab.url(), windows: context.pages().filter((other) => other.url() !== 'about:blank').length });
}, { popups: false });
