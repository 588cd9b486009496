import type { Claim, Membership, Position } from '../../bus/bus.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { type Share, tagOf } from './share.ts';
import { letGo, untilFree } from './take-over.ts';
import type { Window } from './window.ts';

export interface PositionsDeps {
  readonly membership: Membership;
  readonly claim: Claim;
  readonly window: Window;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Aborts when the process is about to leave the group. */
  readonly leaving: AbortSignal;
}

/** What Kafka has of a partition: the offset to resume at, and how many it says are settled beyond. */
interface Committed {
  readonly offset: number;
  readonly ahead: number;
}

/** How far each partition of a share is settled: as whoever had it before left it, as it is now, and as Kafka has it. */
export class Positions {
  readonly #share: Share;
  readonly #deps: PositionsDeps;
  /** What was taken over, or is about to be, as it was left. */
  readonly #owned = new Map<number, Position>();
  /** What Kafka has of them, surely under this share's tag. */
  readonly #committed = new Map<number, Committed>();
  #hasEnded = false;
  #lastCommit = Promise.resolve();
  #nextCommit: Promise<void> | undefined;

  constructor(share: Share, deps: PositionsDeps) {
    this.#share = share;
    this.#deps = deps;
  }

  /** Waits until nobody else works on the partitions, and takes them over. */
  async takeOver(partitions: readonly number[], signal: AbortSignal): Promise<void> {
    const { claim, window } = this.#deps;
    const free = await untilFree(this.#share, partitions, this.#deps, signal);
    for (const one of free) this.#owned.set(one.partition, one);
    await claim.commit(free.map((one) => ({ ...one, tag: tagOf(this.#share, claim) })));
    for (const { partition, offset, ahead } of free) {
      window.own(partition, ahead ? { offset, ahead } : { offset });
      this.#committed.set(partition, { offset, ahead: window.ahead(partition) });
    }
  }

  /** The partition was made anew. */
  begin(partition: number, start: number): void {
    this.#owned.set(partition, { offset: start });
    this.#committed.delete(partition); // it may have gone with the topic, and its tag, too
  }

  /** The next offset to take in. */
  next(partition: number): number {
    return this.#deps.window.next(partition) ?? this.#owned.get(partition)?.offset ?? 0;
  }

  /** The next record of a partition is at this offset: so many messages before it are gone that were not settled. */
  missing(partition: number, offset: number): number {
    const begin = this.#owned.get(partition)?.offset ?? offset;
    return this.#deps.window.missing(partition, offset) ?? offset - begin;
  }

  /** So many offsets of a partition are settled. */
  settled(partition: number): number {
    return this.#deps.window.settled(partition) ?? this.#owned.get(partition)?.offset ?? 0;
  }

  /** Commits what is settled and not committed yet, one commit at a time. What is refused the next commit says again. */
  commit(): Promise<void> {
    this.#nextCommit ??= this.#lastCommit.then(() => {
      this.#nextCommit = undefined;
      this.#lastCommit = this.#commit();
      return this.#lastCommit;
    });
    return this.#nextCommit;
  }

  /** Something is settled and not committed. */
  get areDue(): boolean {
    return this.#due().length > 0;
  }

  #due(): readonly (Committed & { readonly partition: number })[] {
    const { window } = this.#deps;
    const settled = window.committable().map((one) => ({ ...one, ahead: window.ahead(one.partition) }));
    return settled.filter(({ partition, offset, ahead }) => {
      const committed = this.#committed.get(partition);
      return offset !== committed?.offset || ahead !== committed.ahead;
    });
  }

  async #commit(): Promise<void> {
    const { claim, window, logger } = this.#deps;
    const { topic } = this.#share;
    if (this.#hasEnded) return; // the last commit says it all, and takes the tag away
    const due = this.#due();
    if (due.length === 0) return;
    const tag = tagOf(this.#share, claim);
    try {
      await claim.commit(
        due.map(({ partition, offset }) => ({
          topic,
          partition,
          offset,
          ...window.position(partition),
          tag,
        })),
      );
      for (const { partition, offset, ahead } of due) this.#committed.set(partition, { offset, ahead });
    } catch (error) {
      logger.debug('not committed', { topic, error: messageOf(error) });
    }
  }

  /** No commit comes any more but the last one. */
  end(): void {
    this.#hasEnded = true;
  }

  /** Commits, and lets others work on the partitions. */
  async letGo(): Promise<void> {
    const { window, leaving } = this.#deps;
    const settled = new Map(
      window.committable().map((one) => [one.partition, window.position(one.partition)!]),
    );
    for (const [partition, position] of settled) this.#owned.set(partition, position);
    if (this.#owned.size === 0) return;
    const isSure = (partition: number) => settled.has(partition) || this.#committed.has(partition);
    await letGo(this.#share, this.#owned, this.#deps, { isSure, leaving });
  }
}
