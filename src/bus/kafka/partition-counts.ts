import type { TopicMetadata } from '../../kafkajs/metadata.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';

/** All topics are looked at in this time, in milliseconds: so many at a time, evenly spread over it. */
const ROUND = 10_000;
const TOPICS = 200;

interface Deps {
  metadata(topics: readonly string[]): Promise<readonly TopicMetadata[]>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Watch {
  known: number;
  grown(partitions: number): void;
}

/** Watches how many partitions topics have: thousands of integrations ask for theirs, and hardly any ever grows. */
export class PartitionCounts implements Disposable {
  readonly #deps: Deps;
  readonly #watches = new Map<string, Set<Watch>>();
  readonly #stop = new AbortController();
  #isLooking = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  watch(topic: string, known: number, grown: (partitions: number) => void): Disposable {
    const watch = { known, grown };
    const watches = this.#watches.get(topic) ?? new Set();
    this.#watches.set(topic, watches.add(watch));
    if (!this.#isLooking) void this.#look();
    return {
      [Symbol.dispose]: () => {
        watches.delete(watch);
        if (watches.size === 0) this.#watches.delete(topic);
      },
    };
  }

  async #look(): Promise<void> {
    const { clock } = this.#deps;
    this.#isLooking = true;
    while (this.#watches.size > 0 && !this.#stop.signal.aborted) {
      const topics = [...this.#watches.keys()];
      const pause = ROUND / Math.ceil(topics.length / TOPICS);
      for (let i = 0; i < topics.length && !this.#stop.signal.aborted; i += TOPICS) {
        await clock.sleep(pause, this.#stop.signal).catch(() => {});
        await this.#lookAt(topics.slice(i, i + TOPICS).filter((topic) => this.#watches.has(topic)));
      }
    }
    this.#isLooking = false;
  }

  async #lookAt(topics: readonly string[]): Promise<void> {
    if (topics.length === 0 || this.#stop.signal.aborted) return;
    try {
      for (const { topic, topicErrorCode, partitionMetadata } of await this.#deps.metadata(topics)) {
        if (topicErrorCode === 0) this.#found(topic, partitionMetadata.length);
      }
    } catch (error) {
      this.#deps.logger.debug('whether topics have grown is not known', { error: messageOf(error) });
    }
  }

  #found(topic: string, partitions: number): void {
    for (const watch of this.#watches.get(topic) ?? []) {
      if (partitions <= watch.known) continue;
      watch.known = partitions;
      watch.grown(partitions);
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }
}
