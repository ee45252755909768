// A vendor that asks nothing: the way there and back is one click.
import { api, browse, given, makeLink, say } from '../stage.mjs';
import { forward, verdict } from '../walk.mjs';

const link = await makeLink({ elements: [given.element] });
await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(link.url);
  await forward(page).click();
  await page.waitForURL('**/result**');
  say({ verdict: await verdict(page), link: await api('GET', `/connect/links/${link.id}`) });
});
