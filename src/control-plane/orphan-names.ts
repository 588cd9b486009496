import type { Topics } from '../bus/topics.ts';

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const ID = new RegExp(`^${UUID}$`);
const OF_A_RUN = new RegExp(`^(.+)\\.${UUID}$`, 's');

/** The ids in the names that are exactly those of message and dead-letter topics, or of groups, of this installation. */
export function integrationIdsIn(topics: Topics, names: Iterable<string>): Set<string> {
  const prefixes = [topics.messages('').name, topics.deadLetters('').name, topics.messageGroup('')];
  const ids = [...names].flatMap((name) =>
    prefixes.flatMap((prefix) => {
      const id = name.startsWith(prefix) ? name.slice(prefix.length) : '';
      return ID.test(id) ? id : [];
    }),
  );
  return new Set(ids);
}

/** What the name of each group begins with in which a run of a control-plane node follows its notification topic. */
export const controlPlaneGroups = (topics: Topics): string => topics.group('control-plane.');

/** The notification topics among `names` whose nodes are not there: no run of theirs is a member of its group. */
export function notificationsOfTheDead(
  topics: Topics,
  names: Iterable<string>,
  /** By name, how many members each has. */
  groups: ReadonlyMap<string, number>,
): string[] {
  const prefix = controlPlaneGroups(topics);
  const living = [...groups].flatMap(([group, members]) => {
    const serviceId = OF_A_RUN.exec(group.slice(prefix.length))?.[1];
    return members > 0 && serviceId !== undefined ? topics.notifications(serviceId).name : [];
  });
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
