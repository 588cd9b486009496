import { type Broker, type Cluster, withCluster } from '../../kafkajs/cluster.ts';
import { learnNodes } from '../../kafkajs/metadata.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';

const DEADLINE = 3000;

/** The node of Kafka that keeps a group, looked for once at a time. */
export class Coordinator {
  readonly #cluster: Cluster;
  readonly #groupId: string;
  readonly #topics: readonly string[];
  readonly #clock: Clock;
  #finding: Promise<Broker> | undefined;
  /** Undefined: it is not known, or not any more. */
  known: Broker | undefined;

  /** @param topics any that exist: Kafka's nodes are learned with them */
  constructor(cluster: Cluster, groupId: string, topics: readonly string[], clock: Clock) {
    this.#cluster = cluster;
    this.#groupId = groupId;
    this.#topics = topics;
    this.#clock = clock;
  }

  /** Rejects when it is not found in a few seconds. */
  async find(): Promise<Broker> {
    if (this.known) return this.known;
    this.#finding ??= withDeadline(
      this.#clock,
      DEADLINE,
      'finding the coordinator of a group',
      withCluster(this.#cluster, this.#find()),
    ).finally(() => {
      this.#finding = undefined;
    });
    return await this.#finding;
  }

  async #find(): Promise<Broker> {
    await this.#cluster.connect();
    await learnNodes(this.#cluster, this.#topics);
    this.known = await this.#cluster.findGroupCoordinator({ groupId: this.#groupId });
    return this.known;
  }

  /** It does not answer, or is another node: it is looked for anew. */
  forget(): void {
    this.known = undefined;
  }
}
