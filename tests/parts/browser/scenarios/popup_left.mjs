// The person closes the window before the end, and comes back another time.
import { integrator, outcome } from '../integrator.mjs';
import { browse, makeLink, say } from '../stage.mjs';
import { decide, forward, goToVendor } from '../walk.mjs';

const shop = await integrator();
const link = await makeLink({ origin: shop.origin });
shop.use(link);

await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(shop.origin);
  const open = async () => {
    const opened = context.waitForEvent('page');
    await page.getByRole('button').click();
    return opened;
  };
  const first = await open();
  await forward(first).waitFor();
  await first.close();
  say({ left: await outcome(page) });

  await page.reload();
  const second = await open();
  // A second click while the window is open brings it back instead of opening another.
  await page.getByRole('button').click();
  await goToVendor(second);
  say({ windows: context.pages().length });
  await decide(second, 'Connect app');
  say({ result: await outcome(page) });
});
