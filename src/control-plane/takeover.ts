import type { OutboxRow } from './store/outbox.ts';

/** Longer than records of the leader before may be on their way: the producer's deadline and its last attempt. */
const SETTLE_TIME = 35_000;

interface Noted {
  readonly row: OutboxRow;
  readonly due: number;
}

/**
 * What this node published soon after it became the leader. A leader that died may have left records on their way that
 * land behind newer ones: so these are to be published once more when nothing of it can come any more.
 */
export class Takeover {
  #term = 0;
  /** Until when it is soon; undefined: nothing was published yet. */
  #end: number | undefined;
  /** By topic and key. */
  readonly #noted = new Map<string, Noted>();

  /** Takes note of rows that Kafka has acknowledged, in the leadership of this number. */
  note(rows: readonly OutboxRow[], term: number, now: number): void {
    if (term !== this.#term) this.#end = undefined;
    this.#term = term;
    this.#end ??= now + SETTLE_TIME;
    if (now >= this.#end) return;
    for (const row of rows) {
      this.#noted.set(nameOf(row), { row: { ...row, value: null }, due: now + SETTLE_TIME });
    }
  }

  /** The rows of each integration that are to be published once more now. */
  due(now: number): Map<string, OutboxRow[]> {
    const rows = [...this.#noted.values()].flatMap(({ row, due }) => (due <= now ? row : []));
    return Map.groupBy(rows, ({ integrationId }) => integrationId);
  }

  forget(rows: readonly OutboxRow[]): void {
    for (const row of rows) this.#noted.delete(nameOf(row));
  }
}

const nameOf = ({ topic, key }: OutboxRow) => `${topic} ${key}`;
