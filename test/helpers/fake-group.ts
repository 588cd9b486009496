import type { Kafka } from 'kafkajs';
import type { Broker, Cluster, Exchange, Line } from '../../src/kafkajs/cluster.ts';
import { protocolError } from '../../src/kafkajs/protocol-error.ts';
import type { CancelTimer, Clock } from '../../src/runtime/clock.ts';

const METADATA = 3;
const HEARTBEAT = 12;
const ILLEGAL_GENERATION = 22;
const UNKNOWN_MEMBER = 25;
const REBALANCING = 27;
/** kafkajs gives a request up after so long, in milliseconds. */
const REQUEST_TIMEOUT = 15_000;

/** As members of it ask for, in milliseconds. */
const SESSION = 6000;
const REBALANCE = 10_000;

/** A member, as the coordinator knows it. */
interface Seat {
  readonly id: string;
  metadata: Buffer;
  assignment: Buffer;
  /** Its session: when it ends, and what ends it then. */
  expires: number;
  expire: CancelTimer;
  joining: PromiseWithResolvers<void> | undefined;
  syncing: PromiseWithResolvers<void> | undefined;
  hasSynced: boolean;
}

/** A group as Kafka's coordinator keeps it, in memory: who is in it, and when who is not any more. */
export class FakeGroup {
  readonly topics = new Map<string, number>();
  readonly #clock: Clock;
  readonly #seats = new Map<string, Seat>();
  #state: 'preparing' | 'completing' | 'stable' = 'stable';
  #generation = 0;
  #leader: string | undefined;
  #next = 1;
  /** Until when it waits for those who are to join or to ask for what they get. */
  #patience = 0;
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get memberIds(): readonly string[] {
    return [...this.#seats.keys()];
  }

  /** How long somebody is in the group for sure, if nothing comes of it any more, in milliseconds. */
  keeps(memberId: string): number {
    const seat = this.#seats.get(memberId);
    if (!seat) return 0;
    const isAwaited = this.#state === 'preparing' ? !seat.joining : !seat.hasSynced;
    const ends = [
      seat.joining || seat.syncing ? Number.POSITIVE_INFINITY : seat.expires,
      isAwaited ? this.#patience : Number.POSITIVE_INFINITY,
    ];
    return Math.min(...ends) - this.#clock.monotonic();
  }

  /** It leaves, or somebody removes it. */
  remove(memberId: string): void {
    this.#drop(this.#seat(memberId));
  }

  async join(memberId: string, metadata: Buffer) {
    const seat = memberId === '' ? this.#newSeat() : this.#seat(memberId);
    const isNews = !seat.metadata.equals(metadata);
    seat.metadata = metadata;
    if (this.#state === 'preparing' || isNews || (this.#state === 'stable' && seat.id === this.#leader)) {
      const joining = Promise.withResolvers<void>();
      seat.joining = joining;
      if (this.#state === 'preparing') this.#maybeComplete();
      else this.#prepare();
      await joining.promise;
    }
    const isLeader = seat.id === this.#leader;
    const members = [...this.#seats.values()].map((one) => ({
      memberId: one.id,
      memberMetadata: one.metadata,
    }));
    return {
      memberId: seat.id,
      generationId: this.#generation,
      leaderId: this.#leader!,
      members: isLeader ? members : [],
    };
  }

  async sync(
    memberId: string,
    generation: number,
    all: readonly { memberId: string; memberAssignment: Buffer }[],
  ) {
    const seat = this.#seat(memberId);
    this.#check(generation);
    if (this.#state === 'preparing') throw protocolError(REBALANCING);
    seat.hasSynced = true;
    if (this.#state === 'completing') {
      const syncing = Promise.withResolvers<void>();
      seat.syncing = syncing;
      if (memberId === this.#leader) this.#settle(all);
      await syncing.promise;
    }
    return { memberAssignment: seat.assignment };
  }

  heartbeat(memberId: string, generation: number): void {
    const seat = this.#seat(memberId);
    this.#check(generation);
    this.#live(seat);
    if (this.#state === 'preparing') throw protocolError(REBALANCING);
  }

  #seat(memberId: string): Seat {
    const seat = this.#seats.get(memberId);
    if (!seat) throw protocolError(UNKNOWN_MEMBER);
    return seat;
  }

  #check(generation: number): void {
    if (generation !== this.#generation) throw protocolError(ILLEGAL_GENERATION);
  }

  #newSeat(): Seat {
    const seat: Seat = {
      id: `m${this.#next++}`,
      metadata: Buffer.alloc(0),
      assignment: Buffer.alloc(0),
      expires: 0,
      expire: () => {},
      joining: undefined,
      syncing: undefined,
      hasSynced: false,
    };
    this.#seats.set(seat.id, seat);
    this.#live(seat);
    return seat;
  }

  /** Its session begins anew. */
  #live(seat: Seat): void {
    seat.expire();
    seat.expires = this.#clock.monotonic() + SESSION;
    seat.expire = this.#clock.setTimer(() => {
      if (seat.joining || seat.syncing) this.#live(seat);
      else this.#drop(seat);
    }, SESSION);
  }

  #drop(seat: Seat): void {
    seat.expire();
    this.#seats.delete(seat.id);
    seat.joining?.reject(protocolError(UNKNOWN_MEMBER));
    seat.syncing?.reject(protocolError(UNKNOWN_MEMBER));
    if (this.#state === 'preparing') this.#maybeComplete();
    else this.#prepare();
  }

  #prepare(): void {
    for (const seat of this.#seats.values()) {
      seat.syncing?.reject(protocolError(REBALANCING));
      if (seat.syncing) this.#live(seat);
      seat.syncing = undefined;
    }
    this.#state = 'preparing';
    this.#await(() => this.#complete());
    this.#maybeComplete();
  }

  #maybeComplete(): void {
    if ([...this.#seats.values()].every(({ joining }) => joining)) this.#complete();
  }

  /** Who has not joined is out. */
  #complete(): void {
    for (const seat of this.#seats.values()) {
      if (seat.joining) continue;
      seat.expire();
      this.#seats.delete(seat.id);
    }
    this.#generation++;
    this.#state = 'completing';
    if (!this.#seats.has(this.#leader ?? '')) [this.#leader] = this.#seats.keys();
    for (const seat of this.#seats.values()) {
      seat.joining?.resolve();
      seat.joining = undefined;
      seat.hasSynced = false;
      this.#live(seat);
    }
    this.#await(() => this.#outOfSync());
  }

  #await(end: () => void): void {
    this.#cancel();
    this.#patience = this.#clock.monotonic() + REBALANCE;
    this.#cancel = this.#clock.setTimer(end, REBALANCE);
  }

  /** Who has not asked for what it gets is out. */
  #outOfSync(): void {
    const late = [...this.#seats.values()].filter(({ hasSynced }) => !hasSynced);
    for (const seat of late) {
      seat.expire();
      this.#seats.delete(seat.id);
    }
    if (late.length > 0) this.#prepare();
  }

  #settle(all: readonly { memberId: string; memberAssignment: Buffer }[]): void {
    this.#state = 'stable';
    for (const { memberId, memberAssignment } of all)
      this.#seats.get(memberId)!.assignment = memberAssignment;
    for (const seat of this.#seats.values()) {
      seat.syncing?.resolve();
      seat.syncing = undefined;
      this.#live(seat);
    }
  }
}

/** What is lost on a connection, silently. */
export type Loss = 'nothing' | 'requests' | 'answers';

/** The two connections of a process to the coordinator: the second one is for heartbeats. */
export class FakeWire {
  readonly loss: [Loss, Loss] = ['nothing', 'nothing'];
  /** How long what is sent takes, either way, in milliseconds. */
  readonly delay: [number, number] = [2, 2];
  readonly #group: FakeGroup;
  readonly #clock: Clock;

  constructor(group: FakeGroup, clock: Clock) {
    this.#group = group;
    this.#clock = clock;
  }

  /** A kafkajs that knows nothing but this. */
  get kafka(): Kafka {
    return { [Symbol('private:Kafka:createCluster')]: () => this.#cluster() } as unknown as Kafka;
  }

  async #ask<T>(line: Line, work: () => T | Promise<T>): Promise<T> {
    const lost = async () => {
      await this.#clock.sleep(REQUEST_TIMEOUT);
      throw new Error('Request timed out');
    };
    const exchange = async () => {
      await this.#clock.sleep(this.delay[line]);
      if (this.loss[line] === 'requests') return await lost();
      const answer = await Promise.resolve()
        .then(work)
        .then(
          (value) => () => value,
          (error) => () => {
            throw error;
          },
        );
      await this.#clock.sleep(this.delay[line]);
      if (this.loss[line] !== 'nothing') return await lost();
      return answer();
    };
    return await exchange();
  }

  #cluster(): Cluster {
    const broker = this.#broker();
    const cluster: Partial<Cluster> = {
      brokerPool: {
        brokers: { 1: broker },
        findConnectedBroker: async () => broker,
      } as unknown as Cluster['brokerPool'],
      targetTopics: new Set(),
      connect: async () => {},
      disconnect: async () => {},
      addMultipleTargetTopics: async () => {},
      findGroupCoordinator: () => this.#ask(1, () => broker),
    };
    return cluster as Cluster;
  }

  #broker(): Broker {
    const group = this.#group;
    const broker: Partial<Broker> = {
      nodeId: 1,
      connectionPool: {
        getConnection: async (line: Line) => ({
          send: (exchange: Exchange<unknown>) => this.#ask(line, () => this.#answer(exchange)),
        }),
      } as unknown as Broker['connectionPool'],
      lookupRequest: (apiKey) => (parameters) =>
        ({ request: { apiKey, ...parameters }, response: {} }) as unknown as Exchange<unknown>,
      joinGroup: ({ memberId, groupProtocols: [protocol] }) =>
        this.#ask(0, () => group.join(memberId, protocol!.metadata)),
      syncGroup: ({ memberId, generationId, groupAssignment }) =>
        this.#ask(0, () => group.sync(memberId, generationId, groupAssignment)),
      leaveGroup: ({ memberId }) => this.#ask(0, () => group.remove(memberId)),
      disconnect: async () => {},
    };
    return broker as Broker;
  }

  #answer({ request }: Exchange<unknown>): unknown {
    const { apiKey } = request;
    if (apiKey === HEARTBEAT) {
      const { memberId, groupGenerationId } = request as unknown as {
        memberId: string;
        groupGenerationId: number;
      };
      return this.#group.heartbeat(memberId, groupGenerationId);
    }
    if (apiKey !== METADATA) throw new Error(`nothing is known of ${apiKey}`);
    const topicMetadata = [...this.#group.topics].map(([topic, count]) => ({
      topic,
      topicErrorCode: 0,
      partitionMetadata: Array.from({ length: count }, (_, partitionId) => ({
        partitionErrorCode: 0,
        partitionId,
        leader: 1,
        replicas: [1],
      })),
    }));
    return { brokers: [], topicMetadata };
  }
}
