// The same link in two tabs: the first one connects, the other is told.
import { browse, makeLink, say } from '../stage.mjs';
import { decide, goToVendor, verdict } from '../walk.mjs';

const link = await makeLink();
await browse(async (context) => {
  const [first, second] = [await context.newPage(), await context.newPage()];
  for (const page of [first, second]) {
    await page.goto(link.url);
    await goToVendor(page);
  }
  await decide(first, 'Connect app');
  await first.waitForURL('**/result**');
  say({ first: await verdict(first) });
  const vendor = new URL(second.url()).origin;
  await decide(second, 'Connect app');
  await second.waitForURL((url) => url.origin !== vendor);
  say({ second: await verdict(second) });
});
