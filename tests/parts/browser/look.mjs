// A page judged by axe, and photographed: light, dark, and on a phone.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { given } from './stage.mjs';

const axe = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
const PHONE = { width: 360, height: 740 };
const DESK = { width: 1000, height: 800 };

/** `[{page, scheme, rule, impact, where}]`. */
export async function look(page, name) {
  const faults = [];
  for (const [scheme, size, suffix] of [
    ['light', DESK, 'light'],
    ['dark', DESK, 'dark'],
    ['light', PHONE, 'phone'],
    ['dark', PHONE, 'phone-dark'],
  ]) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize(size);
    await page.screenshot({ path: join(given.pictures, `${name}-${suffix}.png`), fullPage: true });
    // Not by a script of the page: its policy would not let one in.
    await page.evaluate(`${axe}; undefined`);
    const { violations } = await page.evaluate('axe.run()');
    for (const { id, impact, nodes } of violations) {
      faults.push({ page: name, scheme: suffix, rule: id, impact, where: nodes.map((node) => node.html).slice(0, 3) });
    }
    const overflow = await page.evaluate('document.documentElement.scrollWidth > innerWidth');
    if (overflow) faults.push({ page: name, scheme: suffix, rule: 'scrolls sideways', impact: 'serious' });
  }
  return faults;
}
