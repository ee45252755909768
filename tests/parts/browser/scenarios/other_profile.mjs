// Somebody opens a link in his own profile and sends its address to somebody else, who agrees in hers. Both are known to the shop.
import { integrator } from '../integrator.mjs';
import { browse, makeLink, say } from '../stage.mjs';
import { decide, forward, goToVendor } from '../walk.mjs';

const shop = await integrator();
const redirectUrl = `${shop.origin}/back`;
const [his, hers] = [await makeLink({ redirectUrl }), await makeLink({ redirectUrl })];

await browse(async (attacker) => {
  shop.use(his);
  const begun = await attacker.newPage();
  await begun.goto(shop.origin);
  await begun.goto(his.url);
  await forward(begun).waitFor();
  await browse(async (victim) => {
    // Also a session with a link of its own ends no other link.
    const page = await victim.newPage();
    for (const knows of [false, true]) {
      if (knows) {
        shop.use(hers);
        await page.goto(shop.origin);
      }
      await page.goto(his.url);
      await goToVendor(page);
      await decide(page, 'Connect app');
      await page.waitForURL(`${redirectUrl}**`);
      say({ [knows ? 'known' : 'unknown']: page.url(), shown: await page.locator('body').innerText() });
    }
  });
  // He looks at what came of it.
  await begun.goto(`${his.url}/result`);
  say({ his: his.id, seen: await begun.locator('main').innerText(), at: begun.url() });
});
