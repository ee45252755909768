// The page of the API's document, under the policy that it is served with.
import { browse, given, say } from '../stage.mjs';

await browse(async (context) => {
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const reply = await page.goto(`${given.ligand}/docs/`);
  say({ policy: reply.headers()['content-security-policy'] });
  const operation = page.locator('.opblock', { hasText: '/elements/keys' }).first();
  await operation.click();
  await operation.getByRole('button', { name: 'Try it out' }).click();
  await operation.getByRole('button', { name: 'Execute' }).click();
  await operation.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor();
  say({ operations: await page.locator('.opblock').count(), complaints });
});
