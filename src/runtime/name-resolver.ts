import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { domainToASCII } from 'node:url';
import type { Clock } from './clock.ts';
import { timeoutSignal } from './deadline.ts';
import { askDns } from './dns-query.ts';
import { parseHosts } from './hosts-file.ts';
import { Limit } from './limit.ts';
import { fullNames, parseResolvConf } from './resolv-conf.ts';
import { followFile } from './system-file.ts';
import { literalAddress } from './target-address.ts';
import { untilAborted } from './until-aborted.ts';

/** One name's lookup, with every name that it may be short for. Milliseconds, as all that follow. */
const DEADLINE = 8000;
/** However long DNS says: who moves a server is not to wait longer. */
const MAX_KEPT = 300_000;
const MISSING_KEPT = 5000;
/** Long enough that everybody who asks at this moment shares it. */
const FAILURE_KEPT = 1000;
/** Answers that are kept. */
const MAX_ANSWERS = 10_000;
/** Lookups that one share has running at a time. */
const LOOKUPS_OF_A_SHARE = 8;
/** Those of all shares; each counts for its first second only, so that none waits for those that get no answer. */
const LOOKUPS_OF_ALL = { most: 256, hold: 1000 };

const LOCALHOST = /^(.+\.)?localhost$/;
const LOOPBACK = /^(127\.|::1$)/;
const LOOPBACKS: readonly LookupAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
];
const SERVER_FAILED = 'ESERVFAIL';
const NOBODY_WAITS = new Error('nobody waits for it any more');

/** The addresses of a name, at least one; rejects with a `NameError`, or with the signal's reason. */
export type LookUp = (name: string, signal: AbortSignal) => Promise<readonly LookupAddress[]>;

/** A name has no address (ENOTFOUND), or DNS does not tell (EAI_AGAIN). */
export class NameError extends Error {
  override readonly name = 'NameError';
  readonly code: 'ENOTFOUND' | 'EAI_AGAIN';

  constructor(host: string, failure: string | undefined) {
    const [code, why] =
      failure === undefined
        ? (['ENOTFOUND', 'there is no such name'] as const)
        : (['EAI_AGAIN', `DNS gives no answer (${failure})`] as const);
    super(`${code} ${host}: ${why}`);
    this.code = code;
  }
}

interface Answer {
  readonly addresses: readonly LookupAddress[];
  readonly failure: string | undefined;
  /** For how long it holds. */
  readonly time: number;
}

interface Lookup {
  readonly answer: Promise<Answer>;
  readonly abort: AbortController;
  waiting: number;
}

interface Options {
  /** DNS servers, with or without ports; empty or unset: those of the system. */
  readonly servers?: readonly string[];
  readonly clock: Clock;
  readonly hostsFile?: string;
  readonly resolvConf?: string;
}

/**
 * Looks names up for every connection that the process opens: in the hosts file, then by asking DNS. The system's own
 * `getaddrinfo` does no more than two at a time in Node, and none can be given up: a DNS server that is silent about one
 * name would keep everybody from connecting. Here a name is asked for once at a time, for all who wait for it; the answer is
 * kept for as long as DNS allows; and a lookup ends when nobody waits for it.
 */
export class NameResolver {
  readonly #servers: readonly string[];
  readonly #clock: Clock;
  readonly #hosts: () => Promise<ReturnType<typeof parseHosts>>;
  readonly #completion: () => Promise<ReturnType<typeof parseResolvConf>>;
  readonly #kept = new Map<string, { readonly answer: Answer; readonly end: number }>();
  readonly #running = new Map<string, Lookup>();
  readonly #all: Limit;

  constructor({ servers = [], clock, hostsFile = '/etc/hosts', resolvConf = '/etc/resolv.conf' }: Options) {
    this.#servers = servers;
    this.#clock = clock;
    this.#hosts = followFile(hostsFile, parseHosts);
    this.#completion = followFile(resolvConf, parseResolvConf);
    this.#all = new Limit(LOOKUPS_OF_ALL.most, LOOKUPS_OF_ALL.hold, clock);
  }

  /** For Penstock's own connections: they wait for nobody's lookups. */
  readonly lookUp: LookUp = async (name, signal) => {
    const host = hostOf(name);
    return (await this.#withoutDns(host)) ?? (await this.#byDns(host, signal));
  };

  /** For the connections of one integration: it has a few lookups at a time, however many names it has. */
  share(): LookUp {
    const own = new Limit(LOOKUPS_OF_A_SHARE, DEADLINE, this.#clock);
    return async (name, signal) => {
      const host = hostOf(name);
      const found = await this.#withoutDns(host);
      if (found) return found;
      const ask = () => this.#byDns(host, signal);
      if (this.#answered(host) || this.#running.has(host)) return await ask();
      return await own.run(() => this.#all.run(ask, signal), signal);
    };
  }

  /** What is known of a name without asking: localhost is this machine always (RFC 6761), then come addresses and the hosts file. */
  async #withoutDns(host: string): Promise<readonly LookupAddress[] | undefined> {
    const hosts = await this.#hosts();
    const name = host.replace(/\.$/, '');
    if (LOCALHOST.test(name)) {
      const listed = (hosts.get(name) ?? hosts.get('localhost') ?? []).filter(({ address }) =>
        LOOPBACK.test(address),
      );
      return listed.length > 0 ? listed : LOOPBACKS;
    }
    const address = literalAddress(name);
    if (address !== undefined) return [{ address, family: isIP(address) }];
    return hosts.get(name);
  }

  #answered(host: string): Answer | undefined {
    const kept = this.#kept.get(host);
    if (kept && kept.end > this.#clock.monotonic()) return kept.answer;
    this.#kept.delete(host);
    return undefined;
  }

  async #byDns(host: string, signal: AbortSignal): Promise<readonly LookupAddress[]> {
    const { addresses, failure } = this.#answered(host) ?? (await this.#asked(host, signal));
    if (addresses.length === 0) throw new NameError(host, failure);
    return addresses;
  }

  /** Waits for the lookup of the name, the one that runs or a new one. Who leaves last ends it. */
  async #asked(host: string, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const lookup = this.#running.get(host) ?? this.#start(host);
    lookup.waiting++;
    try {
      return await untilAborted(lookup.answer, signal);
    } finally {
      lookup.waiting--;
      if (lookup.waiting === 0) this.#end(host, lookup);
    }
  }

  #start(host: string): Lookup {
    const abort = new AbortController();
    const answer = this.#ask(host, abort.signal);
    const lookup: Lookup = { answer, abort, waiting: 0 };
    this.#running.set(host, lookup);
    const keep = (got: Answer) => {
      if (this.#running.get(host) === lookup) this.#keep(host, got); // else it was given up
    };
    void answer
      .then(keep)
      .catch(() => {})
      .finally(() => this.#end(host, lookup));
    return lookup;
  }

  #end(host: string, lookup: Lookup): void {
    if (this.#running.get(host) === lookup) this.#running.delete(host);
    lookup.abort.abort(NOBODY_WAITS);
  }

  #keep(host: string, answer: Answer): void {
    const oldest = this.#kept.keys().next();
    if (this.#kept.size >= MAX_ANSWERS && !oldest.done) this.#kept.delete(oldest.value);
    this.#kept.set(host, { answer, end: this.#clock.monotonic() + answer.time });
  }

  /** Asks for one full name after the other, until one has an address or DNS is silent. */
  async #ask(host: string, signal: AbortSignal): Promise<Answer> {
    using deadline = timeoutSignal(this.#clock, DEADLINE, 'DNS', signal);
    let failure: string | undefined;
    for (const name of fullNames(host, await this.#completion())) {
      const answer = await askDns(name, this.#servers, this.#clock, deadline.signal);
      if (answer.addresses.length > 0) {
        return {
          addresses: inOrder(answer.addresses),
          failure: undefined,
          time: Math.min(answer.ttl * 1000, MAX_KEPT),
        };
      }
      failure ??= answer.failure;
      // A server that fails for one name may know the next one; one that is silent is not asked again and again.
      if (answer.failure !== undefined && answer.failure !== SERVER_FAILED) break;
    }
    return { addresses: [], failure, time: failure === undefined ? MISSING_KEPT : FAILURE_KEPT };
  }
}

/** As it is written in the hosts file and in DNS. */
function hostOf(name: string): string {
  const isAscii = /^[\0-\x7f]*$/.test(name);
  return ((isAscii ? '' : domainToASCII(name)) || name).toLowerCase();
}

/** Addresses of the family first that this machine has a way for; the sockets try those of both in turns. */
function inOrder(addresses: readonly LookupAddress[]): readonly LookupAddress[] {
  const first = hasIpv6() ? 6 : 4;
  return [
    ...addresses.filter(({ family }) => family === first),
    ...addresses.filter(({ family }) => family !== first),
  ];
}

const hasIpv6 = (): boolean =>
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(
      ({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe80:/i.test(address),
    ),
  );
