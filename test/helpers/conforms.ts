import { type TestContext, test } from 'node:test';
import type { Feature, Peer, PeerOptions } from './peer.ts';
import { PEERS } from './peers.ts';
import { waitUntil } from './wait-until.ts';

type Body = (t: TestContext, start: (options?: PeerOptions) => Promise<Peer>) => Promise<void>;

/** Declares a test of every type's handler against its real peer; of those that have the feature, when it `needs` one. */
export function conforms(what: string, body: Body, { needs, timeout = 60_000 }: Options = {}): void {
  for (const [type, peer] of Object.entries(PEERS)) {
    const skip = needs !== undefined && (peer.without[needs] ?? false);
    test(`${type}: ${what}`, { timeout, skip }, (t) => body(t, (options) => peer.start(t, options)));
  }
}

/** Waits until the handler under test has ended its connections: sooner than an idle one would be ended anyway. */
export function noneLeft({ network }: Peer): Promise<void> {
  return waitUntil('no connection is left', () => network.connections === 0, 2000);
}

interface Options {
  readonly needs?: Feature;
  readonly timeout?: number;
}
