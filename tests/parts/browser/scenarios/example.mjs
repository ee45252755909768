// The example's own back end and page.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { browse, given, say } from '../stage.mjs';
import { decide, goToVendor } from '../walk.mjs';

const [, user, organization] = given.authorization.match(/^User (.+), Organization (.+)$/);
const server = spawn(process.execPath, ['server.mjs'], {
  cwd: new URL('../../../../examples/', import.meta.url),
  env: { LIGAND_URL: given.ligand, LIGAND_USER: user, LIGAND_ORGANIZATION: organization, PORT: '0' },
  stdio: ['ignore', 'pipe', 'inherit'],
});
process.on('exit', () => server.kill());
const [line] = await once(createInterface(server.stdout), 'line');
const address = line.match(/http:\S+/)[0];

await browse(async (context) => {
  const page = await context.newPage();
  await page.goto(address);
  const opened = context.waitForEvent('page');
  await page.getByRole('button', { name: 'Connect' }).click();
  const popup = await opened;
  await goToVendor(popup);
  await decide(popup, 'Connect app');
  const status = page.getByRole('status').filter({ hasText: /./ });
  await status.waitFor();
  say({ shown: await status.textContent() });
});
process.exit();
