// An operator's day: sign in, set up an app, connect an account of one's own, make a link that a customer uses meanwhile.
import { look } from '../look.mjs';
import { api, browse, given, say } from '../stage.mjs';
import { decide, forward, goToVendor } from '../walk.mjs';

const pages = [];
const faults = [];

async function seen(page, name) {
  await page.getByRole('heading', { level: 1 }).waitFor();
  pages.push(name);
  faults.push(...await look(page, `console-${name}`));
}

/** What stands as a badge, and nowhere else. */
const status = (page, word) => page.locator('.badge', { hasText: word }).first().waitFor();

const at = (page, path) => page.goto(`${given.ligand}/console${path}`);

async function signIn(page) {
  await at(page, '/elements/hubspotcrm');
  await seen(page, 'sign-in');
  await page.getByLabel('E-mail address').fill('admin@example.com');
  await page.getByLabel('Password').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await seen(page, 'sign-in-refused');
  await page.getByLabel('Password').fill(given.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  // Back to where the way began.
  await page.getByRole('heading', { name: 'OAuth app' }).waitFor();
}

async function setUp(page, context) {
  await page.getByLabel('Client ID').fill('sandbox-client');
  await page.getByLabel('Client secret').fill('sandbox-secret');
  await page.getByRole('button', { name: 'Save the app' }).click();
  await page.getByText('Saved.').waitFor();
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.getByRole('button', { name: /^Copy/ }).click();
  await page.getByRole('status').filter({ hasText: 'Copied.' }).waitFor();
  say({ copied: await page.evaluate('navigator.clipboard.readText()') });
  await seen(page, 'element');
  await at(page, '/elements');
  await seen(page, 'elements');
}

async function connectOneself(page) {
  await page.getByRole('button', { name: 'Connect Hubspot CRM' }).click();
  await goToVendor(page);
  await decide(page, 'Connect app');
  await page.getByText('The account is connected.').waitFor();
  say({ connected: new URL(page.url()).pathname });
  await seen(page, 'instance');
}

/** What happens elsewhere is seen without anybody asking for it. */
async function watch(page, context) {
  await at(page, '/links/new');
  await seen(page, 'new-link');
  await page.getByLabel('Hubspot CRM').check();
  await page.getByLabel('Customer').fill('customer-42');
  await page.getByRole('button', { name: 'Make the link' }).click();
  await status(page, 'pending');
  await seen(page, 'link');
  const address = await page.getByRole('textbox', { name: 'Address' }).inputValue();
  const customer = await context.newPage();
  await customer.goto(address);
  await forward(customer).waitFor();
  await page.bringToFront();
  await status(page, 'opened');
  await page.getByRole('button', { name: 'Withdraw' }).focus();
  await goToVendor(customer);
  await decide(customer, 'Deny');
  await customer.waitForURL('**/result**');
  await customer.close();
  await status(page, 'denied');
  say({ focus: await page.evaluate('document.activeElement.id') });

  await at(page, '');
  const fresh = page.getByRole('cell', { name: 'Came meanwhile' });
  say({ before: await fresh.count() });
  const created = await api('POST', '/instances', given.instance);
  await fresh.waitFor();
  await api('DELETE', `/instances/${created.id}/enabled`);
  await status(page, 'disabled');
  await seen(page, 'instances');
}

async function rest(page) {
  await page.getByRole('link', { name: 'Came meanwhile' }).click();
  await seen(page, 'instance-with-key');
  await page.getByRole('link', { name: 'Delete …' }).click();
  await seen(page, 'delete');
  await at(page, '/links');
  await seen(page, 'links');
  await at(page, '/organization');
  await page.getByRole('textbox', { name: 'Address', exact: true }).fill('https://app.example.com/notices');
  await page.getByRole('button', { name: 'Save the address' }).click();
  await page.getByText('it is not shown again').waitFor();
  await seen(page, 'organization');
  await at(page, '/people/new');
  await seen(page, 'new-person');
  await page.getByLabel('First name').fill('Sam');
  await page.getByLabel('Last name').fill('Roe');
  await page.getByLabel('E-mail address').fill('sam@example.com');
  await page.getByRole('button', { name: 'Add' }).click();
  await page.getByText('it is not shown again').waitFor();
  await seen(page, 'person');
  await page.getByRole('link', { name: 'Remove …' }).click();
  await seen(page, 'remove-person');
  await at(page, '/people');
  await seen(page, 'people');
  await page.getByRole('link', { name: 'admin@example.com' }).click();
  await seen(page, 'me');
  await api('POST', '/instances', given.instance);
  await at(page, '/deliveries');
  await seen(page, 'deliveries');
  await at(page, '/audit');
  await page.getByText('Person added').waitFor();
  await seen(page, 'audit');
  await at(page, '/nothing');
  await seen(page, 'nothing');
  await at(page, '');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
}

await browse(async (context) => {
  const page = await context.newPage();
  const errors = [];
  page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()); });
  await signIn(page);
  await setUp(page, context);
  await connectOneself(page);
  await watch(page, context);
  await rest(page);
  const session = (await context.cookies()).filter(({ name }) => name === 'ligand-console').length;
  say({ pages, faults, errors, session });
});
