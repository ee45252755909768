// Types of /connect/ligand.js, which works as a classic script and as `import 'https://…/connect/ligand.js'`.

declare namespace Ligand {
  /** Where a connect link stands. `authorised`, `expired` and `revoked` are final, and `confirm` is for your server to end. */
  type Status = 'confirm' | 'pending' | 'opened' | 'authorised' | 'denied' | 'failed' | 'expired' | 'revoked';

  interface Result {
    /** `pending` or `opened`: the window was closed before the end; the link works until it expires. */
    status: Status;
    /**
     * With `confirm`: send it to your own server, which knows the customer by its session, and which sends it to
     * `POST /connect/links/{linkId}/confirm` for the link that it made in that session. It is good for five minutes.
     */
    handle: string | null;
    /** The instance of an authorised link. */
    instanceId: number | null;
    /** Why a link failed or was denied. */
    reason: string | null;
  }

  interface Options {
    /**
     * The `url` of a connect link that was made with this page's `origin`. A function is called when the window is open
     * already, so that it may ask your server first: pass the same function each time, and a double click makes one link.
     */
    link: string | (() => Promise<string>);
    /** Closes the window and rejects with the signal's reason. */
    signal?: AbortSignal;
  }

  /**
   * Opens the link in a window and resolves when it has come to an end. Call it in a click. Where windows are blocked the
   * page itself goes to the link; the way back is the link's `redirectUrl`. So it is where the vendor's page cuts the window off
   * (`Cross-Origin-Opener-Policy`), so give a link both, `origin` and `redirectUrl`.
   */
  function connect(options: Options): Promise<Result>;
}
