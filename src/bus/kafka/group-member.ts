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
import {
  ANSWERS,
  leaseEnd,
  type Member,
  type MemberState,
  type News,
  NOBODY,
  REBALANCE,
  SESSION,
  stateAfter,
} from './member-state.ts';

const PROTOCOL = 'penstock-cooperative-sticky';
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
  #state: MemberState = NOBODY;
  /** Resolves when it has joined, and is to join anew. */
  #due = Promise.withResolvers<void>();
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
    const commits = new Commits({ ...deps, context: () => this.#context() });
    this.#claims = new Claims({
      logger: deps.logger,
      memberId: () => this.#memberId,
      holdsLease: () => this.holdsLease(),
      commit: (offsets, isOver) => commits.commit(offsets, isOver),
      onGained: options.onGained,
      onLost: options.onLost,
      released: () => this.#learn({ kind: 'changed' }),
    });
    this.#staying = this.#stayJoined();
    this.#beating = this.#beat();
  }

  get joined(): Promise<void> {
    return this.#assigned.promise;
  }

  holdsLease(): boolean {
    return this.#deps.clock.lease() < leaseEnd(this.#state);
  }

  /** Empty: it is nobody. */
  get #memberId(): string {
    return this.#state.kind === 'nobody' ? '' : this.#state.memberId;
  }

  #learn(news: News): void {
    const { kind: before } = this.#state;
    const memberId = this.#memberId;
    this.#state = stateAfter(this.#state, news);
    if (this.#memberId !== memberId) this.#claims.forfeit(); // as another member it begins with nothing
    const { kind } = this.#state;
    if (kind === 'joined' && before !== 'joined') this.#due = Promise.withResolvers();
    if (kind === 'due' || kind === 'nobody') this.#due.resolve();
  }

  async #stayJoined(): Promise<void> {
    const { clock, logger, random } = this.#deps;
    const { groupId } = this.#options;
    const leaving = this.#leaving.signal;
    for (let failures = 0; !leaving.aborted; ) {
      try {
        await this.#join();
        failures = 0;
        if (!leaving.aborted) await this.#due.promise; // else nobody tells any more
      } catch (error) {
        const type = protocolErrorType(error);
        if (type === 'UNKNOWN_MEMBER_ID') this.#learn({ kind: 'unknown' });
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
    this.#learn({ kind: 'joins' });
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
    const { memberId, generationId } = group;
    this.#learn({ kind: 'accepted', memberId, generation: generationId });
    const isLeader = group.leaderId === memberId;
    const groupAssignment = isLeader ? await within(assignAsLeader(this.#cluster, group.members)) : [];
    const sent = this.#deps.clock.lease();
    const answer = await within(coordinator.syncGroup({ groupId, generationId, memberId, groupAssignment }));
    this.#learn({ kind: 'assigned', memberId, sent });
    if (this.#memberId !== memberId || this.#leaving.signal.aborted) return;
    this.#claims.assign(decodeAssignment(answer.memberAssignment));
    this.#assigned.resolve();
  }

  /** Tells Kafka that this member lives, also while it joins and while it leaves. */
  async #beat(): Promise<void> {
    const stop = this.#stop.signal;
    while (!stop.aborted) {
      await this.#deps.clock.sleep(HEARTBEAT, stop).catch(() => {});
      const state = this.#state;
      if (!stop.aborted && state.kind !== 'nobody') await this.#beatOnce(state);
    }
  }

  async #beatOnce({ memberId, generation: groupGenerationId }: Member): Promise<void> {
    const { clock } = this.#deps;
    const sent = clock.lease();
    try {
      const parameters = { groupId: this.#options.groupId, memberId, groupGenerationId };
      const coordinator = await this.#coordinator.find();
      const answered = send(coordinator, HEARTBEATS, 'Heartbeat', parameters);
      await withDeadline(clock, DEADLINE, 'heartbeat', answered);
      this.#learn({ kind: 'alive', memberId, sent });
    } catch (error) {
      const kind = ANSWERS.get(protocolErrorType(error));
      if (kind) this.#learn({ kind, memberId, sent });
      else this.#coordinator.forget();
    }
  }

  async #context() {
    const coordinator = await this.#coordinator.find();
    const { groupId } = this.#options;
    if (this.#state.kind === 'nobody') {
      throw new BusError('failed', 'not committed: not a member of the group');
    }
    const { memberId, generation: groupGenerationId } = this.#state;
    return { groupId, memberId, groupGenerationId, coordinator };
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
    this.#learn({ kind: 'changed' });
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
    const isJoining = this.#state.kind !== 'joined' && this.#state.kind !== 'due';
    if (isJoining) await Promise.race([this.#staying, this.#deps.clock.sleep(DEADLINE)]);
    const [memberId, coordinator] = [this.#memberId, this.#coordinator.known];
    if (memberId === '' || !coordinator) return;
    const left = coordinator.leaveGroup({ groupId, memberId });
    await withDeadline(this.#deps.clock, CLOSE_DEADLINE, 'leaving', left).catch(() => {}); // the session ends by itself
  }
}
