import type { DeadLetter } from '../../../gen/penstock/v1/envelope_pb.ts';
import { type MessageOutcome, MessageStage } from '../../../gen/penstock/v1/message_log_service_pb.ts';
import type { OffsetRange, Position } from '../../bus/bus.ts';
import { deadLetterRanges } from '../dead-letters/dead-letters.ts';
import { isLetterOf, isSettled, type Letter, type MessageDeps, outcomeAt, readLetters } from './outcomes.ts';

/** Dead letters that are remembered for messages that come only now. */
const MAX_LETTERS = 10_000;

/** A message whose outcome is waited for. */
export interface Awaited {
  readonly partition: number;
  readonly offset: number;
  readonly storedTime: number;
}

/** What becomes of the messages of one integration, from when it begins. */
export class OutcomeTracker {
  readonly #deps: MessageDeps;
  readonly #integrationId: string;
  /** By the message's id; the oldest first. */
  readonly #letters = new Map<string, Letter>();
  /** Where to go on reading dead letters. */
  readonly #next = new Map<number, number>();
  #committed: ReadonlyMap<number, Position> = new Map();
  /** All dead letters were read of what is committed. */
  #isWhole = false;

  constructor(deps: MessageDeps, integrationId: string) {
    this.#deps = deps;
    this.#integrationId = integrationId;
  }

  /** What was given up before is not looked at. */
  async begin(): Promise<void> {
    for (const [partition, { end }] of await deadLetterRanges(this.#deps, this.#integrationId)) {
      this.#next.set(partition, end);
    }
  }

  /** Looks at what happened since. @param onLetter is told each message that was given up */
  async look(onLetter: (letter: Letter, deadLetter: DeadLetter) => void): Promise<void> {
    const { bus, topics } = this.#deps;
    // In this order: whoever commits has kept its dead letters before.
    const committed = await bus.committed(topics.executors, topics.messages(this.#integrationId).name);
    const ranges = new Map<number, OffsetRange>();
    for (const [partition, { start, end }] of await deadLetterRanges(this.#deps, this.#integrationId)) {
      const next = this.#next.get(partition) ?? start;
      ranges.set(partition, { start: next > end ? start : Math.max(start, next), end }); // it may be made anew
    }
    const take = (letter: Letter, deadLetter: DeadLetter) => {
      this.#remember(letter);
      onLetter(letter, deadLetter);
      return true;
    };
    const rest = await readLetters(this.#deps, this.#integrationId, ranges, take);
    for (const [partition, { start }] of rest) this.#next.set(partition, start);
    this.#committed = committed;
    this.#isWhole = [...rest.values()].every(({ start, end }) => start >= end);
  }

  #remember(letter: Letter): void {
    this.#letters.set(letter.outcome.id, letter);
    if (this.#letters.size <= MAX_LETTERS) return;
    const [oldest] = this.#letters.keys();
    this.#letters.delete(oldest!);
  }

  /** What became of a message by the last look; undefined: nothing yet. */
  outcomeOf(id: string, { partition, offset, storedTime }: Awaited): MessageOutcome | undefined {
    const letter = this.#letters.get(id);
    if (letter && isLetterOf(letter, storedTime)) return letter.outcome;
    const isDone = this.#isWhole && isSettled(this.#committed.get(partition), offset, storedTime);
    return isDone ? outcomeAt(id, MessageStage.SETTLED) : undefined;
  }
}
