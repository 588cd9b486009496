import type { Clock } from '../runtime/clock.ts';
import { timeoutSignal } from '../runtime/deadline.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import { type Cluster, type ProducerIdentity, withCluster } from './cluster.ts';
import { protocolErrorType } from './protocol-error.ts';

/** Between two tries, in milliseconds. */
const PAUSE = 100;
/** A node that has just started has no numbers to give yet. */
const PASSING: ReadonlySet<string> = new Set([
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);
const isPassing = (error: unknown) => PASSING.has(protocolErrorType(error) ?? '');

interface Deps {
  readonly cluster: Cluster;
  readonly clock: Clock;
  /** How long Kafka may take, in milliseconds. */
  readonly timeout: number;
  /** Aborts when the producer closes. */
  readonly closing: AbortSignal;
  /** There is one that was not there when it was wanted; or Kafka did not give it. */
  known(): void;
  failed(error: unknown): void;
}

/** The identity under which a producer numbers its batches, and another one for a partition that lost it. */
export class ProducerIds {
  readonly #deps: Deps;
  #identity: ProducerIdentity | undefined;
  #isWanted = false;
  #asking: Promise<ProducerIdentity> | undefined;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** One that is not this; undefined: Kafka is asked for it. */
  other(lost: ProducerIdentity | undefined): ProducerIdentity | undefined {
    this.drop(lost);
    if (!this.#identity && !this.#isWanted) {
      this.#isWanted = true;
      this.ask()
        .finally(() => {
          this.#isWanted = false;
        })
        .then(this.#deps.known, this.#deps.failed);
    }
    return this.#identity;
  }

  /** Gives these to no partition any more. */
  drop(...identities: readonly (ProducerIdentity | undefined)[]): void {
    if (identities.includes(this.#identity)) this.#identity = undefined;
  }

  /** Asks Kafka for one, unless it is being asked. */
  ask(): Promise<ProducerIdentity> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<ProducerIdentity> {
    const { cluster, clock, timeout, closing } = this.#deps;
    using deadline = timeoutSignal(clock, timeout, 'asking Kafka for a producer id', closing);
    for (;;) {
      try {
        this.#identity = await untilAborted(withCluster(cluster, this.#askOnce()), deadline.signal);
        return this.#identity;
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      await clock.sleep(PAUSE, deadline.signal);
    }
  }

  async #askOnce(): Promise<ProducerIdentity> {
    const { cluster, timeout } = this.#deps;
    await cluster.connect();
    const broker = await cluster.brokerPool.findConnectedBroker();
    return await broker.initProducerId({ transactionTimeout: timeout });
  }
}
