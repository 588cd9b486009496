import type { Kafka } from 'kafkajs';
import { type Cluster, closeCluster, createCluster, send } from '../../kafkajs/cluster.ts';
import { protocolErrorType } from '../../kafkajs/protocol-error.ts';
import { backoffPause } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import { withDeadline } from '../../runtime/deadline.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import {
  BusError,
  type CommittedOffset,
  type JoinOptions,
  type Membership,
  type TopicPartition,
} from '../bus.ts';
import { Claims } from './claims.ts';
import { Commits, readCommitted } from './commits.ts';
import { Coordinator } from './coordinator.ts';
import { assignAsLeader } from './group-leader.ts';
import { GroupMembers } from './group-members.ts';
import { decodeAssignment, encodeSubscription } from './group-protocol.ts';

const PROTOCOL = 'penstock-cooperative-sticky';
/** Without a heartbeat for so long, Kafka gives a member's partitions to others. */
const SESSION = 6000;
/** For what a heartbeat takes on its way, and for what is begun just before the end. */
const LEASE = SESSION - 2000;
/** How long Kafka waits for a member to join anew. */
const REBALANCE = 10_000;
/** For each of its steps. kafkajs' own deadlines are shorter, but it has none for the metadata that it reads on the way. */
const JOIN_DEADLINE = REBALANCE + 7000;
const HEARTBEAT = 500;
const DEADLINE = 3000;
const LEAVE_DEADLINE = 15_000;
const CLOSE_DEADLINE = 2000;
const RETRY = { initial: 200, max: 2000 };
/** Of the two connections to the coordinator: a join keeps its own waiting for long. */
const HEARTBEATS = 1;

interface Deps {
  readonly clock: Clock;
  readonly logger: Logger;
  random(): number;
}

/**
 * A member of a consumer group, of which only the membership is kafkajs': rebalances stop nothing that stays where it is
 * (see assignment.ts), and heartbeats go on while it joins.
 */
export class GroupMember implements Membership {
  readonly #options: JoinOptions;
  readonly #deps: Deps;
  readonly #cluster: Cluster;
  readonly #coordinator: Coordinator;
  readonly #claims: Claims;
  readonly #members: GroupMembers;
  readonly #leaving = new AbortController();
  readonly #stop = new AbortController();
  #memberId = '';
  #generation = -1;
  #lastHeard = Number.NEGATIVE_INFINITY;
  #isJoining = true;
  #rejoin = Promise.withResolvers<void>();
  readonly #assigned = Promise.withResolvers<void>();
  readonly #staying: Promise<void>;
  readonly #beating: Promise<void>;
  #disposed: Promise<void> | undefined;

  constructor(kafka: Kafka, options: JoinOptions, deps: Deps) {
    this.#options = options;
    this.#deps = deps;
    this.#cluster = createCluster(kafka);
    this.#coordinator = new Coordinator(this.#cluster, options.groupId, options.topics, deps.clock);
    this.#members = new GroupMembers(this.#coordinator, options.groupId, deps.clock);
    const commits = new Commits({ clock: deps.clock, context: () => this.#context() });
    this.#claims = new Claims({
      logger: deps.logger,
      memberId: () => this.#memberId,
      holdsLease: () => this.holdsLease(),
      commit: (offsets, isOver) => commits.commit(offsets, isOver),
      onGained: options.onGained,
      onLost: options.onLost,
      released: () => this.#rejoin.resolve(),
    });
    this.#staying = this.#stayJoined();
    this.#beating = this.#beat();
  }

  get joined(): Promise<void> {
    return this.#assigned.promise;
  }

  holdsLease(): boolean {
    return this.#deps.clock.lease() - this.#lastHeard < LEASE;
  }

  async #stayJoined(): Promise<void> {
    const { clock, logger, random } = this.#deps;
    const { groupId } = this.#options;
    const leaving = this.#leaving.signal;
    for (let failures = 0; !leaving.aborted; ) {
      try {
        await this.#join();
        failures = 0;
        await this.#rejoin.promise;
      } catch (error) {
        const type = protocolErrorType(error);
        if (type === 'UNKNOWN_MEMBER_ID') this.#forfeit();
        if (type === 'REBALANCE_IN_PROGRESS') continue;
        this.#coordinator.forget();
        failures++;
        if (failures === 5) logger.warn('cannot join a group yet', { groupId, error: messageOf(error) });
        await clock.sleep(backoffPause(RETRY, failures, random()), leaving).catch(() => {});
      }
    }
  }

  async #join(): Promise<void> {
    const { groupId, topics } = this.#options;
    this.#isJoining = true;
    this.#rejoin = Promise.withResolvers<void>();
    const within = <T>(work: Promise<T>) =>
      withDeadline(this.#deps.clock, JOIN_DEADLINE, 'joining the group', work);
    const coordinator = await this.#coordinator.find();
    const subscription = { topics, memberId: this.#memberId, claims: this.#claims.names };
    const joined = coordinator.joinGroup({
      groupId,
      sessionTimeout: SESSION,
      rebalanceTimeout: REBALANCE,
      memberId: this.#memberId,
      groupProtocols: [{ name: PROTOCOL, metadata: encodeSubscription(subscription) }],
    });
    const group = await within(joined);
    if (group.memberId !== this.#memberId) this.#forfeit();
    const { memberId, generationId } = group;
    this.#memberId = memberId;
    this.#generation = generationId;
    const isLeader = group.leaderId === memberId;
    const groupAssignment = isLeader ? await within(assignAsLeader(this.#cluster, group.members)) : [];
    const sent = this.#deps.clock.lease();
    const answer = await within(coordinator.syncGroup({ groupId, generationId, memberId, groupAssignment }));
    this.#lastHeard = sent;
    this.#isJoining = false;
    if (this.#leaving.signal.aborted) return;
    this.#claims.assign(decodeAssignment(answer.memberAssignment));
    this.#assigned.resolve();
  }

  /** Tells Kafka that this member lives, also while it joins and while it leaves. */
  async #beat(): Promise<void> {
    const { clock } = this.#deps;
    const { groupId } = this.#options;
    const stop = this.#stop.signal;
    while (!stop.aborted) {
      await clock.sleep(HEARTBEAT, stop).catch(() => {});
      const memberId = this.#memberId;
      if (stop.aborted || memberId === '') continue;
      const sent = clock.lease();
      try {
        const parameters = { groupId, memberId, groupGenerationId: this.#generation };
        const coordinator = await this.#coordinator.find();
        await withDeadline(
          clock,
          DEADLINE,
          'heartbeat',
          send(coordinator, HEARTBEATS, 'Heartbeat', parameters),
        );
        if (memberId === this.#memberId) this.#lastHeard = sent;
      } catch (error) {
        this.#notWell(protocolErrorType(error), memberId, sent);
      }
    }
  }

  #notWell(type: string | undefined, memberId: string, sent: number): void {
    if (memberId !== this.#memberId) return; // it was another one
    if (type === 'REBALANCE_IN_PROGRESS') this.#lastHeard = sent;
    else if (type === 'UNKNOWN_MEMBER_ID') this.#forfeit();
    const isAnswer = ['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION'].includes(
      type ?? '',
    );
    if (!isAnswer) this.#coordinator.forget();
    else if (!this.#isJoining) this.#rejoin.resolve();
  }

  /** As another member it begins with nothing. */
  #forfeit(): void {
    this.#memberId = '';
    this.#generation = -1;
    this.#lastHeard = Number.NEGATIVE_INFINITY;
    this.#claims.forfeit();
  }

  async #context() {
    if (this.#memberId === '') throw new BusError('failed', 'not committed: not a member of the group');
    const coordinator = await this.#coordinator.find();
    const { groupId } = this.#options;
    return { groupId, memberId: this.#memberId, groupGenerationId: this.#generation, coordinator };
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    const { clock } = this.#deps;
    const read = this.#coordinator
      .find()
      .then((coordinator) => readCommitted(coordinator, this.#options.groupId, partitions));
    return await withDeadline(clock, DEADLINE, 'reading commits', read);
  }

  async members(): Promise<ReadonlySet<string>> {
    const memberId = this.#memberId;
    const members = await this.#members.now();
    // A node that does not know this member does not know the group.
    if (!members.has(memberId)) throw new BusError('failed', 'who is in the group is not known');
    return members;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#leave();
    return this.#disposed;
  }

  async #leave(): Promise<void> {
    const { clock, logger } = this.#deps;
    const { groupId } = this.#options;
    this.#leaving.abort(new BusError('closed', 'the member leaves'));
    this.#rejoin.resolve();
    try {
      await withDeadline(clock, LEAVE_DEADLINE, 'leaving the group', this.#giveBack());
    } catch (error) {
      logger.warn('a group was not left in time', { groupId, error: messageOf(error) });
    }
    this.#stop.abort();
    this.#claims.forfeit();
    const closed = closeCluster(this.#cluster, Promise.all([this.#staying, this.#beating]));
    await withDeadline(clock, CLOSE_DEADLINE, 'closing', closed).catch(() => {}); // its requests end later
  }

  async #giveBack(): Promise<void> {
    const { groupId } = this.#options;
    await this.#claims.releaseAll();
    if (this.#isJoining) await Promise.race([this.#staying, this.#deps.clock.sleep(DEADLINE)]);
    const [memberId, coordinator] = [this.#memberId, this.#coordinator.known];
    if (memberId === '' || !coordinator) return;
    const left = coordinator.leaveGroup({ groupId, memberId });
    await withDeadline(this.#deps.clock, CLOSE_DEADLINE, 'leaving', left).catch(() => {}); // the session ends by itself
  }
}
