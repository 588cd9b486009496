/** So many at most go into one question: what it brings is in memory at once. */
const MOST = 64;

/** A question that is not asked yet. */
interface Question<V> {
  readonly keys: Set<string>;
  readonly answers: Promise<ReadonlyMap<string, V>>;
}

/**
 * Asks for many things at once what is asked for one of them each, in the same turn of the event loop: for PostgreSQL, whoever
 * sends to it, and the network, a question for twenty is little more than one for one.
 */
export class AskedTogether<V> {
  readonly #ask: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>;
  #next: Question<V> | undefined;

  constructor(ask: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>) {
    this.#ask = ask;
  }

  /** As it is at the time of the call, or later. Undefined: there is none. Rejects for all whose question failed. */
  async get(key: string): Promise<V | undefined> {
    const question = this.#next !== undefined && this.#next.keys.size < MOST ? this.#next : this.#begin();
    question.keys.add(key);
    return (await question.answers).get(key);
  }

  #begin(): Question<V> {
    const keys = new Set<string>();
    const answers = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      if (this.#next === question) this.#next = undefined;
      return this.#ask([...keys]);
    });
    const question = { keys, answers };
    this.#next = question;
    return question;
  }
}
