// Every page once: what axe finds on it, and a picture of each kind.
import { look } from '../look.mjs';
import { api, browse, flip, given, makeLink, say } from '../stage.mjs';
import { decide, forward, goToVendor } from '../walk.mjs';

const pages = [];
const faults = [];

async function seen(page, name) {
  await page.getByRole('heading', { level: 1 }).waitFor();
  pages.push(name);
  faults.push(...await look(page, name));
}

const toResult = (page) => page.waitForURL('**/result**');

/** From a link to its result, with the vendor's switches so. */
async function come(page, link, answer = 'Connect app', account = '62515') {
  await page.goto(link.url);
  await goToVendor(page);
  await page.locator(`input[value="${account}"]`).check();
  await decide(page, answer);
}

async function refusals(page) {
  for (const [name, switches, answer] of [
    ['denied', {}, 'Deny'],
    ['missing-scope', { withheldScopes: ['contacts'] }],
    ['vendor-unavailable', { failure: { route: '/oauth/*/token', status: 503, times: null } }],
    ['vendor-error', { codeLifetime: 0 }],
  ]) {
    await flip(switches);
    await come(page, await makeLink(), answer);
    await toResult(page);
    await seen(page, name);
    await flip({ withheldScopes: null, failure: null, codeLifetime: 600 });
  }
}

async function vendor(page) {
  await page.goto((await makeLink()).url);
  await goToVendor(page);
  await seen(page, 'vendor-consent');
  await page.locator('input[value="62516"]').check();
  await decide(page, 'Connect app');
  await seen(page, 'vendor-refuses-developer-account');
}

async function beginnings(page) {
  await api('PUT', '/elements/closeio/app', { clientId: 'client', clientSecret: 'secret' });
  await page.goto((await makeLink({ elements: ['hubspotcrm', 'freshdesk', 'closeio'] })).url);
  await seen(page, 'choose');
  await page.goto((await makeLink()).url);
  await seen(page, 'start');
  await page.goto((await makeLink({ preset: 'granular' })).url);
  await seen(page, 'start-granular');
  await page.goto((await makeLink({ elements: ['freshdesk'] })).url);
  await seen(page, 'fields');
  await page.goto((await makeLink({ authenticationType: 'apiKey' })).url);
  await page.locator('input[type=password]').fill('not a key');
  await forward(page).click();
  await page.getByRole('alert').waitFor();
  await seen(page, 'fields-refused');
}

async function endings(page) {
  const link = await makeLink();
  await come(page, link);
  await toResult(page);
  await seen(page, 'connected');
  await page.goto(link.url);
  await seen(page, 'spent');

  const told = await makeLink({ origin: 'http://localhost:1' });
  await page.goto(`${told.url}?display=popup`);
  await goToVendor(page);
  await decide(page, 'Connect app');
  await toResult(page);
  await seen(page, 'almost-done');
  await page.goto(`${told.url}/result`);
  await seen(page, 'untold');

  const popup = await makeLink({ origin: 'http://localhost:1' });
  await page.goto(`${popup.url}?display=popup`);
  await goToVendor(page);
  await decide(page, 'Deny');
  await toResult(page);
  await seen(page, 'denied-in-popup');

  const { instanceId } = await api('GET', `/connect/links/${link.id}`);
  await flip({ developerAccount: true });
  const renewal = await makeLink({ elements: undefined, instanceId });
  await page.goto(renewal.url);
  await seen(page, 'start-renewal');
  await come(page, renewal, 'Connect app', '62516');
  await toResult(page);
  await seen(page, 'wrong-account');
}

async function mishaps(page, context) {
  await page.goto(given.expired);
  await seen(page, 'expired');
  const revoked = await makeLink();
  await api('DELETE', `/connect/links/${revoked.id}`);
  await page.goto(revoked.url);
  await seen(page, 'revoked');
  await page.goto(`${given.ligand}/connect/${'x'.repeat(43)}`);
  await seen(page, 'unknown');
  await page.goto(`${given.ligand}/connector/callback?state=nothing&code=x`);
  await seen(page, 'lost');

  await page.goto((await makeLink()).url);
  await goToVendor(page);
  await context.clearCookies();
  await decide(page, 'Connect app');
  await page.waitForURL(`${given.ligand}/**`);
  await seen(page, 'other-browser');
  await page.goto((await makeLink()).url);
  await context.clearCookies();
  await forward(page).click();
  await page.waitForLoadState();
  await seen(page, 'no-cookies');
}

await browse(async (context) => {
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) faults.push({ impact: 'serious', rule: message.text() });
  });
  await beginnings(page);
  await vendor(page);
  await refusals(page);
  await endings(page);
  await mishaps(page, context);
  say({ pages, faults });
});
