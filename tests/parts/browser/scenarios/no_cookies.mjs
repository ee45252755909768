// A browser that takes no cookies comes to a page that says so.
import { browse, makeLink, say } from '../stage.mjs';
import { decide, forward, verdict } from '../walk.mjs';

const link = await makeLink();
await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(link.url);
  const ligand = new URL(link.url).origin;
  if (await forward(page).isVisible()) {
    await forward(page).click();
    await page.waitForLoadState();
  }
  if (!page.url().startsWith(ligand)) {
    await decide(page, 'Connect app');
    await page.waitForURL(`${ligand}/**`);
  }
  say({ verdict: await verdict(page), text: await page.locator('main').innerText() });
  say({ cookies: (await context.cookies()).length });
}, { cookies: false });
