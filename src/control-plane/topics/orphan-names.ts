import type { Topics } from '../../bus/topics.ts';
import type { Cluster } from '../status/cluster.ts';

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const ID = new RegExp(`^${UUID}$`);

/** The ids in the names that are exactly those of message and dead-letter topics of this installation. */
export function integrationIdsIn(topics: Topics, names: Iterable<string>): Set<string> {
  const prefixes = [topics.messages('').name, topics.deadLetters('').name];
  const ids = [...names].flatMap((name) =>
    prefixes.flatMap((prefix) => {
      const id = name.startsWith(prefix) ? name.slice(prefix.length) : '';
      return ID.test(id) ? id : [];
    }),
  );
  return new Set(ids);
}

/** The notification topics among `names` whose nodes do not run. */
export function notificationsOfTheDead(topics: Topics, names: Iterable<string>, cluster: Cluster): string[] {
  const living = [...cluster].flatMap(([id, { isLiving }]) =>
    isLiving ? topics.notifications(id).name : [],
  );
  const ours = topics.notifications('').name;
  return [...names].filter((name) => name.startsWith(ours) && !living.includes(name));
}

/** What seems to belong to nobody, and since when: only who is seen twice, with time in between, is an orphan. */
export class Suspects {
  readonly #delay: number;
  #since = new Map<string, number>();

  /** @param delay in milliseconds */
  constructor(delay: number) {
    this.#delay = delay;
  }

  /** Takes the suspects of now, and answers those among them that were suspects long enough ago. */
  confirmed(suspects: Iterable<string>, now: number): string[] {
    this.#since = new Map([...suspects].map((name) => [name, this.#since.get(name) ?? now]));
    return [...this.#since].flatMap(([name, since]) => (now - since >= this.#delay ? name : []));
  }
}
