// A front end that uses all that the types promise.
const stop = new AbortController();

export async function connect(link: string): Promise<number | null> {
  const result = await Ligand.connect({ link, signal: stop.signal });
  const instanceId: number | null = result.instanceId;
  const reason: string | null = result.reason;
  const handle: string | null = result.handle;
  switch (result.status) {
    case 'confirm':
      await fetch('/confirm', { method: 'POST', body: handle });
      return null;
    case 'authorised':
      return instanceId;
    case 'denied':
    case 'failed':
      throw new Error(reason ?? result.status);
    default: {
      const rest: 'pending' | 'opened' | 'expired' | 'revoked' = result.status;
      throw new Error(rest);
    }
  }
}

const makeLink = async (): Promise<string> => (await fetch('/link')).text();
const result: Promise<Ligand.Result> = globalThis.Ligand.connect({ link: makeLink });
void result.then(({ status }: { status: Ligand.Status }) => status);
