import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import type { Clock } from './clock.ts';

/** Each server is asked twice; it has this long for its answer at first, then twice as long. */
const RESOLVER = { timeout: 1500, tries: 2 };
/** How long the addresses of one family wait for those of the other, in milliseconds: many DNS servers drop one of the questions. */
const OTHER_FAMILY_DELAY = 300;
/** The code of an answer: there is no such name, or it has no address. */
const MISSING = /^(ENOTFOUND|ENODATA|EBADNAME)$/;

/** What DNS says about a name. Neither addresses nor a failure: there are none. */
export interface DnsAnswer {
  readonly addresses: readonly LookupAddress[];
  /** How long that holds, in seconds. */
  readonly ttl: number;
  /** The code of what kept DNS from answering, such as ETIMEOUT. */
  readonly failure?: string;
}

/**
 * Asks DNS for the addresses of a full name, of both families at a time. The signal ends it; whatever the servers do, it ends
 * by itself.
 * @param servers addresses, with or without ports; empty: those of the system
 */
export async function askDns(
  name: string,
  servers: readonly string[],
  clock: Pick<Clock, 'setTimer'>,
  signal: AbortSignal,
): Promise<DnsAnswer> {
  // One for each name: it can be cancelled alone, and knows the servers that the system has now.
  const resolver = new Resolver(RESOLVER);
  if (servers.length > 0) resolver.setServers(servers);
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const ttl = { ttl: true } as const;
    const asked = [
      answerOf(() => resolver.resolve4(name, ttl), 4),
      answerOf(() => resolver.resolve6(name, ttl), 6),
    ];
    if (signal.aborted) cancel();
    const answers = await together(asked, clock);
    const found = answers.filter(({ addresses }) => addresses.length > 0);
    if (found.length === 0) return answers.find(({ failure }) => failure !== undefined) ?? NOTHING;
    return {
      addresses: found.flatMap(({ addresses }) => addresses),
      ttl: Math.min(...found.map((one) => one.ttl)),
    };
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel(); // what is late is not waited for
  }
}

const NOTHING: DnsAnswer = { addresses: [], ttl: 0 };

async function answerOf(
  ask: () => Promise<readonly { readonly address: string; readonly ttl: number }[]>,
  family: 4 | 6,
): Promise<DnsAnswer> {
  try {
    const records = await ask();
    return {
      addresses: records.map(({ address }) => ({ address, family })),
      ttl: Math.min(...records.map(({ ttl }) => ttl)),
    };
  } catch (error) {
    const { code = 'EFAILED' } = error as NodeJS.ErrnoException;
    if (MISSING.test(code)) return NOTHING;
    return { ...NOTHING, failure: code === 'ECANCELLED' ? 'ETIMEOUT' : code };
  }
}

/** All answers; or the first alone, when it holds addresses and the other one is late. */
async function together(
  asked: readonly Promise<DnsAnswer>[],
  clock: Pick<Clock, 'setTimer'>,
): Promise<readonly DnsAnswer[]> {
  const first = await Promise.race(asked);
  const all = Promise.all(asked);
  if (first.addresses.length === 0) return await all;
  const { promise: late, resolve } = Promise.withResolvers<readonly DnsAnswer[]>();
  const cancel = clock.setTimer(() => resolve([first]), OTHER_FAMILY_DELAY);
  try {
    return await Promise.race([all, late]);
  } finally {
    cancel();
  }
}
