// What the scenarios stand on: a real Chromium with a profile of its own, and facts as lines of JSON for the test.
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

/** `{ligand, sandbox, authorization, screenshots, …}`: what the test gives. */
export const given = JSON.parse(process.env.STAGE ?? '{}');

/** A fact for the test. */
export const say = (fact) => console.log(JSON.stringify(fact));

// Whatever hangs ends: no wait of a scenario is longer than this.
const LIMIT = 30_000;
setTimeout(() => {
  console.error('still running after five minutes');
  process.exit(1);
}, 300_000).unref();

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

function executable() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const places = (process.env.PATH ?? '').split(delimiter).map((place) => join(place, 'chromium'));
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }) ?? '/usr/bin/chromium';
}

/**
 * Runs `work(context)` in a browser that is new and gone afterwards. `cookies: false` blocks them in the profile, as a
 * person would; `popups: false` leaves the popup blocker on; the rest are options of Playwright's contexts.
 */
export async function browse(work, { cookies = true, popups = true, ...options } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'ligand-chromium-'));
  if (!cookies) {
    const settings = { profile: { default_content_setting_values: { cookies: 2 } } };
    await mkdir(join(profile, 'Default'));
    await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify(settings));
  }
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable(),
    args: ARGUMENTS,
    ignoreDefaultArgs: popups ? [] : ['--disable-popup-blocking'],
    viewport: { width: 1000, height: 800 },
    ...options,
  });
  context.setDefaultTimeout(LIMIT);
  try {
    return await work(context);
  } catch (error) {
    // Where it stood, for whoever reads the failure.
    for (const page of context.pages()) {
      const text = await page.locator('body').innerText({ timeout: 1000 }).catch(() => '');
      console.error(`${page.url()}\n${text}\n`);
    }
    throw error;
  } finally {
    await context.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Calls Ligand's API as the integrator's back end does. */
export async function api(method, path, body) {
  const reply = await fetch(`${given.ligand}/elements/api-v2${path}`, {
    method,
    headers: { authorization: given.authorization, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

export const makeLink = (input = {}) => api('POST', '/connect/links', { elements: ['hubspotcrm'], ...input });

/** The vendor's switches. */
export async function flip(switches) {
  const reply = await fetch(`${given.sandbox}/control`, { method: 'PATCH', body: JSON.stringify(switches) });
  if (!reply.ok) throw new Error(await reply.text());
}
