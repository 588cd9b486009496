import { timestampMs } from '@bufbuild/protobuf/wkt';
import { CallerKind, type TokenGrant } from '../../gen/penstock/v1/access_pb.ts';
import type { Bus } from '../bus/bus.ts';
import { feedFromStart } from '../bus/feed-from-start.ts';
import type { Topics } from '../bus/topics.ts';
import { hashOfToken } from '../contract/api-token.ts';
import type { Caller } from '../rpc/caller.ts';
import type { Clock } from '../runtime/clock.ts';
import { withDeadline } from '../runtime/deadline.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { accessReader, brokenRuleOf } from './access-record.ts';

/** How long reading the tokens may take at the start, in milliseconds. */
const RESTORE_DEADLINE = 60_000;
/** Uses that wait for the next report, at most: a node has no more tokens to report of than there are. */
const MAX_USES = 1000;

interface Deps {
  readonly bus: Pick<Bus, 'feed' | 'createTopics'>;
  readonly topics: Topics;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** When somebody was last let in by a token; wall-clock time in milliseconds. */
export interface Use {
  readonly tokenId: string;
  readonly time: number;
}

/** The API tokens that callers are let in by, as control planes made them known. */
export class Grants {
  readonly #clock: Pick<Clock, 'now'>;
  #version = -1n;
  #byHash = new Map<string, TokenGrant>();
  #uses = new Map<string, number>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  /**
   * All tokens there are; those that break a rule let nobody in. A version that is known already is ignored: one that was revoked
   * since does not come back by it.
   */
  put(version: bigint, tokens: readonly TokenGrant[]): void {
    if (version <= this.#version) return;
    this.#version = version;
    const valid = tokens.filter((token) => brokenRuleOf(token) === undefined);
    this.#byHash = new Map(valid.map((token) => [keyOf(token.hash), token]));
  }

  /** Nobody is let in by this token any more, before all others are known. */
  revoke(id: string): void {
    for (const [hash, grant] of this.#byHash) if (grant.id === id) this.#byHash.delete(hash);
  }

  /** Whose token it is; undefined: nobody's, or it has ended. */
  callerOf(token: string, address: string): Caller | undefined {
    const grant = this.#byHash.get(keyOf(hashOfToken(token)));
    const now = this.#clock.now();
    if (grant === undefined || (grant.expireTime && timestampMs(grant.expireTime) <= now)) return undefined;
    const { id, name, role, scope } = grant;
    if (this.#uses.size < MAX_USES || this.#uses.has(id)) this.#uses.set(id, now);
    return { name, kind: CallerKind.TOKEN, role, scope, address, tokenId: id };
  }

  /** Those since the last call. */
  takeUses(): readonly Use[] {
    const uses = [...this.#uses].map(([tokenId, time]) => ({ tokenId, time }));
    this.#uses = new Map();
    return uses;
  }
}

const keyOf = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');

/** Follows the topic that the tokens are on. Resolves once they are known. Disposing stops following. */
export async function followGrants(
  deps: Deps,
  signal: AbortSignal,
): Promise<{ readonly grants: Grants } & Disposable> {
  const { bus, topics, clock } = deps;
  const grants = new Grants(clock);
  const read = accessReader(deps);
  await bus.createTopics([topics.access]); // whoever starts first
  using started = new DisposableStack();
  const feed = started.use(
    feedFromStart(bus, { topic: topics.access.name, partition: 0 }, (record) => {
      const known = record.value === null ? undefined : read(record);
      if (known) grants.put(known.version, known.tokens);
    }),
  );
  const what = 'reading the API tokens from Kafka';
  await withDeadline(clock, RESTORE_DEADLINE, what, feed.caughtUp, signal);
  const disposable = started.move();
  return { grants, [Symbol.dispose]: () => disposable.dispose() };
}
