// What an address shows to somebody who comes for the first time.
import { browse, given, say } from '../stage.mjs';
import { forward, verdict } from '../walk.mjs';

await browse(async (context) => {
  const page = await context.newPage();
  const reply = await page.goto(given.address);
  say({
    status: reply.status(),
    verdict: await verdict(page),
    text: await page.locator('main').innerText(),
    forward: await forward(page).isVisible(),
  });
});
