import { createHash } from 'node:crypto';
import { clone, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Integration, IntegrationStatusSchema } from '../../../gen/penstock/v1/integration_pb.ts';
import {
  type WatchIntegrationsResponse,
  WatchIntegrationsResponseSchema,
} from '../../../gen/penstock/v1/integration_service_pb.ts';
import { sharedAnswer } from '../../rpc/shared-answer.ts';
import type { Watchable } from '../integrations/integration-filter.ts';
import type { WatchedRow } from '../store/watched-integrations.ts';
import type { Known } from './known.ts';

/** An integration as it was loaded, for all who watch it. */
export interface Watched extends Watchable {
  readonly known: Known;
  readonly digest: string;
  /** Of its row. */
  readonly version: string;
  readonly answer: WatchIntegrationsResponse;
  /** Of memory, about. */
  readonly bytes: number;
  /** Monotonic. */
  readonly loaded: number;
}

/** Whom a feed tells what it finds. */
export interface Watcher {
  /** It changed, or may be new to this watcher. */
  offer(watched: Watched, isChanged: boolean): void;
  offerDeleted(known: Known): void;
  /** Whether it is still to be told of the deletion. */
  awaits(known: Known): boolean;
  /** Ends it with this error. */
  fail(error: unknown): void;
}

export function watchedOf(
  { stored, version, text, bytes }: WatchedRow,
  integration: Integration,
  known: Known,
  clock: { now(): number; monotonic(): number },
): Watched {
  return {
    known,
    integration,
    type: stored.type,
    text,
    digest: digestOf(integration),
    version,
    bytes,
    loaded: clock.monotonic(),
    answer: sharedAnswer(WatchIntegrationsResponseSchema, {
      integration,
      time: timestampFromMs(clock.now()),
    }),
  };
}

/** Differs when the integration or its status does, figures apart. */
function digestOf({ etag, status }: Integration): string {
  const counted = clone(IntegrationStatusSchema, status!);
  delete counted.lag;
  delete counted.lastDeliveredTime;
  for (const executor of counted.executors) delete executor.oldestAge;
  const hash = createHash('sha1').update(etag).update(toBinary(IntegrationStatusSchema, counted));
  return hash.digest('base64url');
}

/** Younger ones are not loaded again for another watcher. */
const MAX_AGE = 2000;
const MAX_BYTES = 16 << 20;

/** Those that were loaded last, bounded in number by their bytes and in age. */
export class RecentlyLoaded {
  readonly #clock: { monotonic(): number };
  /** The oldest first. */
  readonly #byId = new Map<string, Watched>();
  #bytes = 0;

  constructor(clock: { monotonic(): number }) {
    this.#clock = clock;
  }

  get(id: string): Watched | undefined {
    const found = this.#byId.get(id);
    return found && this.#isYoung(found) ? found : undefined;
  }

  put(watched: Watched): void {
    this.delete(watched.known.id);
    this.#byId.set(watched.known.id, watched);
    this.#bytes += watched.bytes;
    for (const oldest of this.#byId.values()) {
      if (this.#bytes <= MAX_BYTES && this.#isYoung(oldest)) break;
      this.delete(oldest.known.id);
    }
  }

  delete(id: string): void {
    this.#bytes -= this.#byId.get(id)?.bytes ?? 0;
    this.#byId.delete(id);
  }

  clear(): void {
    this.#byId.clear();
    this.#bytes = 0;
  }

  #isYoung({ loaded }: Watched): boolean {
    return this.#clock.monotonic() - loaded < MAX_AGE;
  }
}
