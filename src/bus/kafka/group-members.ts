import { send } from '../../kafkajs/cluster.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import type { Coordinator } from './coordinator.ts';

/** Questions of so many milliseconds are asked together. */
const WINDOW = 100;
const DEADLINE = 3000;

interface Answer {
  readonly groups: readonly { readonly members: readonly { readonly memberId: string }[] }[];
}

/** Who is in a group: thousands of integrations may ask, when many move at once. */
export class GroupMembers {
  readonly #coordinator: Coordinator;
  readonly #groupId: string;
  readonly #clock: Clock;
  #answer: Promise<ReadonlySet<string>> | undefined;

  constructor(coordinator: Coordinator, groupId: string, clock: Clock) {
    this.#coordinator = coordinator;
    this.#groupId = groupId;
    this.#clock = clock;
  }

  /** As of some time after the call: an older answer would not know who has just joined. */
  now(): Promise<ReadonlySet<string>> {
    this.#answer ??= this.#ask();
    return this.#answer;
  }

  async #ask(): Promise<ReadonlySet<string>> {
    await this.#clock.sleep(WINDOW);
    this.#answer = undefined;
    const answered = this.#coordinator
      .find()
      .then((broker) => send<Answer>(broker, 1, 'DescribeGroups', { groupIds: [this.#groupId] }));
    const { groups } = await withDeadline(this.#clock, DEADLINE, 'reading who is in the group', answered);
    return new Set(groups.flatMap(({ members }) => members.map(({ memberId }) => memberId)));
  }
}
