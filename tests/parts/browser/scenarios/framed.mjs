// A page that puts the link into a frame, to have a hidden click fall on it.
import { integrator } from '../integrator.mjs';
import { browse, makeLink, say } from '../stage.mjs';

const shop = await integrator({ page: (link) => `<!doctype html><title>Trap</title><iframe src="${link}"></iframe>` });
const link = await makeLink({ origin: shop.origin });
shop.use(link);

await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(shop.origin, { waitUntil: 'load' });
  const [, frame] = page.frames();
  say({ shown: await frame.content() });
});
