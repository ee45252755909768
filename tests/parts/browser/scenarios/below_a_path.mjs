// The console below a path: every request of its pages is answered, and forms come back to where they were sent from.
import { browse, given, say } from '../stage.mjs';

await browse(async (context) => {
  const page = await context.newPage();
  const failed = [];
  page.on('response', (reply) => {
    if (reply.status() >= 400 && !reply.url().endsWith('/favicon.ico')) failed.push(`${reply.status()} ${reply.url()}`);
  });
  await page.goto(`${given.ligand}/console/elements/hubspotcrm`);
  await page.getByLabel('E-mail address').fill('admin@example.com');
  await page.getByLabel('Password').fill(given.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'OAuth app' }).waitFor();
  await page.getByLabel('Client secret').fill('sandbox-secret');
  await page.getByRole('button', { name: 'Save the app' }).click();
  await page.getByText('Saved.').waitFor();
  for (const name of ['Elements', 'Connect links', 'Deliveries', 'People', 'Organization', 'Audit log', 'Instances']) {
    await page.getByRole('navigation').getByRole('link', { name }).click();
    await page.waitForURL(`${given.ligand}/console**`);
    await page.getByRole('heading', { level: 1 }).waitFor();
  }
  await page.getByRole('button', { name: /Sign out/ }).click();
  await page.getByLabel('Password').waitFor();
  say({ signedOut: page.url(), failed });
});
