// Connects a customer's account: opens a connect link in a window and tells how it ended. Types: /connect/ligand.d.ts
(() => {
  'use strict';
  const OVER = ['confirm', 'authorised', 'expired', 'revoked'];
  // Turns of a second that a window may be gone before that counts: while the link is at the vendor, whose page may have
  // cut us off (Cross-Origin-Opener-Policy), and else.
  const PATIENCE = { away: 30, here: 3 };
  const underWay = new Map();

  const fault = (text) => new Error(`Ligand: ${text}`);

  function read(link) {
    const url = new URL(link, location.href);
    if (!/^https?:$/.test(url.protocol)) throw fault('a connect link begins with https.');
    return url;
  }

  function open(url) {
    const [width, height] = [560, 760];
    const left = Math.max(0, window.screenX + (window.outerWidth - width) / 2);
    const top = Math.max(0, window.screenY + (window.outerHeight - height) / 2);
    return window.open(url, '_blank', `popup,width=${width},height=${height},left=${left},top=${top}`);
  }

  function inPopup(url) {
    const page = new URL(url);
    page.searchParams.set('display', 'popup');
    return page.href;
  }

  // What the link says of itself; nothing when it cannot be asked now.
  async function ask(url, signal) {
    const reply = await fetch(`${url.origin}${url.pathname}/status`, { cache: 'no-store', credentials: 'omit', signal })
      .catch(() => null);
    if (reply?.status === 404) throw fault('there is no such connect link.');
    return reply?.ok ? reply.json().catch(() => null) : null;
  }

  // Hears the window, and waits for turns. A message only makes us ask, so who forges one gains nothing; the handle alone is taken from
  // it, which ends no other link than its own.
  function listenTo(url, signal) {
    const heard = { handle: null, stop: new AbortController(), wake() {} };
    const listen = (target, name, told) => target?.addEventListener(name, told, { signal: heard.stop.signal });
    listen(window, 'message', ({ origin, data }) => {
      if (origin !== url.origin || data?.source !== 'ligand') return;
      if (data.path === url.pathname) heard.handle = data.handle ?? null;
      heard.wake();
    });
    listen(window, 'focus', () => heard.wake());
    listen(signal, 'abort', () => heard.wake());
    // A second, or until something may have happened.
    heard.turn = () => new Promise((resolve) => setTimeout(heard.wake = resolve, 1000));
    return heard;
  }

  async function follow(url, popup, signal, heard) {
    let [gone, last] = [0, null];
    for (;;) {
      const closed = popup.closed;
      const link = await ask(url, signal);
      signal?.throwIfAborted();
      last = link ?? last;
      const { status, instanceId = null, reason = null } = heard.handle ? { status: 'confirm' } : last ?? {};
      const end = { status, handle: heard.handle, instanceId, reason };
      if (OVER.includes(status)) return end;
      // While this page is not in front, the person may be at the vendor in a window that we cannot see any more.
      gone = closed ? gone + (document.hasFocus() ? 1 : 0.1) : 0;
      if (gone > (last && !last.away ? PATIENCE.here : PATIENCE.away)) {
        if (last) return end;
        throw fault(`the link's status cannot be read: make the link with the origin ${location.origin}.`);
      }
      await heard.turn();
    }
  }

  async function run(link, popup, signal) {
    try {
      const url = read(typeof link === 'function' ? await link() : link);
      if (!popup) {
        location.assign(url);
        return await new Promise(() => {});
      }
      if (typeof link === 'function') popup.location.replace(inPopup(url));
      const heard = listenTo(url, signal);
      const end = await follow(url, popup, signal, heard).finally(() => heard.stop.abort());
      if (['authorised', 'confirm'].includes(end.status)) popup.close();
      return end;
    } catch (error) {
      popup?.close();
      throw error;
    }
  }

  async function connect({ link, signal } = {}) {
    const known = underWay.get(link);
    if (known && !known.popup?.closed) {
      known.popup?.focus();
      return known.end;
    }
    signal?.throwIfAborted();
    // At once, or the browser forgets that somebody clicked.
    const popup = open(typeof link === 'function' ? '' : inPopup(read(link)));
    const entry = { popup, end: run(link, popup, signal) };
    underWay.set(link, entry);
    try {
      return await entry.end;
    } finally {
      if (underWay.get(link) === entry) underWay.delete(link);
    }
  }

  globalThis.Ligand = Object.freeze({ connect });
})();
