import type {
  Bus,
  ConsumeOptions,
  Consumer,
  IncomingRecord,
  OutgoingRecord,
  RecordBatch,
  TopicPartition,
} from '../../src/bus/bus.ts';
import type { Clock } from '../../src/runtime/clock.ts';

const SESSION_TIMEOUT = 6000;
const LEASE = SESSION_TIMEOUT - 2000;
const REBALANCE_TIMEOUT = 10_000;
const FETCH_RECORDS = 7;

type Offsets = readonly (TopicPartition & { readonly offset: number })[];

/** What a test wants to know. */
export interface Watcher {
  /** A commit was taken. */
  committed(partition: number, offset: number): void;
  /** A member no longer owns a partition, whether it knows it or not. */
  lost(client: FakeClient, partition: number): void;
  sent(topic: string, record: OutgoingRecord): void;
  /** A member that can reach Kafka did not keep its membership alive. */
  expired(client: FakeClient): void;
}

/**
 * One topic with one consumer group, in memory, with the habits of Kafka and of kafkajs that matter to a consumer: batches
 * of several partitions side by side, positions that begin at the committed offsets after each join, rebalances that show
 * in heartbeats, commits that are taken from members only, members that time out.
 */
export class FakeKafka {
  readonly log: IncomingRecord[][];
  readonly commits = new Map<number, number>();
  /** So many of the next commits are refused, so many are not answered, so many of the next records not taken. */
  readonly faults = { refusedCommits: 0, stalledCommits: 0, failedSends: 0 };
  readonly clock: Clock;
  readonly watcher: Watcher;
  /** So many commits were not taken, for whatever reason. */
  refused = 0;
  /** So often members asked for records. */
  fetches = 0;
  /** Which member gets which partition: it changes who owns what at the next rebalance. */
  rotation = 0;
  generation = 0;
  rebalancing = false;
  readonly #members = new Set<FakeClient>();
  readonly #joining = new Map<FakeClient, () => void>();
  #changed = Promise.withResolvers<void>();

  constructor(partitions: number, clock: Clock, watcher: Watcher) {
    this.log = Array.from({ length: partitions }, () => []);
    this.clock = clock;
    this.watcher = watcher;
  }

  end(partition: number): number {
    return (this.log[partition]?.at(-1)?.offset ?? -1) + 1;
  }

  /** Appends a record; `gap` offsets before it do not exist. */
  produce(partition: number, key: string | null, value: Uint8Array | null, gap = 0): IncomingRecord {
    const offset = this.end(partition) + gap;
    const record = { topic: 'messages', partition, offset, timestamp: this.clock.now(), key, value };
    this.log[partition]!.push(record);
    this.#wake();
    return record;
  }

  /** Deletes the topic and makes it anew; the commits of its group go with it. */
  recreate(): void {
    for (const records of this.log) records.length = 0;
    this.commits.clear();
    for (const member of this.#members) member.outOfRange();
  }

  changed(): Promise<void> {
    return this.#changed.promise;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  rebalance(): void {
    if (this.rebalancing || this.#members.size === 0) return;
    this.rebalancing = true;
    const { generation } = this;
    this.clock.setTimer(
      () => this.rebalancing && generation === this.generation && this.#assign(),
      REBALANCE_TIMEOUT,
    );
    this.#wake();
  }

  join(client: FakeClient): Promise<void> {
    return new Promise((resolve) => {
      this.#members.add(client);
      this.#joining.set(client, resolve);
      this.rebalance();
      this.#assignWhenAllJoined();
    });
  }

  leave(client: FakeClient): void {
    if (!this.#members.delete(client)) return;
    this.#joining.get(client)?.(); // it finds out with its next heartbeat
    this.#joining.delete(client);
    client.unassign();
    this.rebalance();
    this.#assignWhenAllJoined();
  }

  isMember(client: FakeClient): boolean {
    return this.#members.has(client) && client.generation === this.generation;
  }

  #assignWhenAllJoined(): void {
    if (this.rebalancing && this.#members.size === this.#joining.size) this.#assign();
  }

  #assign(): void {
    for (const member of this.#members) if (!this.#joining.has(member)) member.unassign();
    const joined = [...this.#joining];
    this.#members.clear();
    this.#joining.clear();
    this.generation++;
    this.rebalancing = false;
    const owners = this.log.map((_, partition) => joined[(partition + this.rotation) % joined.length]?.[0]);
    for (const [client, resolve] of joined) {
      this.#members.add(client);
      client.assign(owners.flatMap((owner, partition) => (owner === client ? [partition] : [])));
      resolve();
    }
  }
}

/** One process' client: a bus whose process can be killed or cut off. */
export class FakeClient implements Bus, Consumer {
  readonly #kafka: FakeKafka;
  readonly #clock: Clock;
  #options: ConsumeOptions | undefined;
  #owned = new Map<number, number>();
  generation = -1;
  #lastHeartbeat = 0;
  /** When it last knew itself to be a member. */
  #lastHeard = 0;
  #isolated = false;
  #dead = false;
  #stopped = false;
  #loop: Promise<void> | undefined;

  /** @param clock the process' own */
  constructor(kafka: FakeKafka, clock: Clock) {
    this.#kafka = kafka;
    this.#clock = clock;
  }

  get owned(): readonly number[] {
    return [...this.#owned.keys()];
  }

  /** The process dies: the group finds out when the session times out. */
  kill(): void {
    this.#dead = true;
    for (const partition of this.owned) this.#kafka.watcher.lost(this, partition);
    this.#kafka.clock.setTimer(() => this.#kafka.leave(this), SESSION_TIMEOUT);
  }

  /** Nothing reaches Kafka for a while. */
  async isolate(ms: number): Promise<void> {
    if (this.#isolated) return;
    this.#isolated = true;
    const cancel = this.#kafka.clock.setTimer(() => this.#kafka.leave(this), SESSION_TIMEOUT);
    await this.#kafka.clock.sleep(ms);
    cancel();
    this.#isolated = false;
    this.#lastHeartbeat = this.#kafka.clock.monotonic();
  }

  assign(partitions: readonly number[]): void {
    for (const partition of this.owned) {
      if (!partitions.includes(partition)) this.#kafka.watcher.lost(this, partition);
    }
    this.generation = this.#kafka.generation;
    this.#lastHeartbeat = this.#lastHeard = this.#kafka.clock.monotonic();
    this.#owned = new Map(partitions.map((partition) => [partition, this.#start(partition)]));
    if (!this.#dead)
      this.#options?.onAssigned?.(partitions.map((partition) => ({ topic: 'messages', partition })));
  }

  /** The group goes on without this member, which does not know it yet. */
  unassign(): void {
    if (!this.#dead) for (const partition of this.owned) this.#kafka.watcher.lost(this, partition);
    this.#owned.clear();
  }

  /** The positions are beyond the end: a consumer goes back to the beginning. */
  outOfRange(): void {
    for (const partition of this.owned) this.#owned.set(partition, 0);
  }

  #start(partition: number): number {
    return this.#kafka.commits.get(partition) ?? this.#kafka.log[partition]?.[0]?.offset ?? 0;
  }

  async consume(options: ConsumeOptions): Promise<Consumer> {
    this.#options = options;
    await this.#kafka.join(this);
    this.#loop = this.#run();
    return this;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.#dead) {
      try {
        await this.#heartbeat();
        if (!(await this.#fetch())) {
          await Promise.race([this.#kafka.changed(), this.#clock.sleep(1000)]);
        }
      } catch {
        if (this.#stopped || this.#dead) return;
        if (this.#isolated) await this.#clock.sleep(200);
        else await this.#kafka.join(this);
      }
    }
  }

  async #fetch(): Promise<boolean> {
    const batches: RecordBatch[] = [];
    this.#kafka.fetches++;
    for (const [partition, position] of this.#owned) {
      const fetched = this.#kafka.log[partition]!.filter(({ offset }) => offset >= position);
      const records = fetched
        .slice(0, FETCH_RECORDS)
        .map((one) => ({ ...one, value: one.value?.slice() ?? null }));
      if (records.length > 0) batches.push(this.#batch(partition, records));
    }
    const ends = await Promise.allSettled(batches.map((batch) => this.#options!.eachBatch(batch)));
    // The values alias the fetch buffer: who has not copied what it keeps reads nonsense from now on.
    for (const { records } of batches) for (const { value } of records) value?.fill(0);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
    if (batches.length > 0) await this.#clock.sleep(1); // the next fetch takes its time
    return batches.length > 0;
  }

  #batch(partition: number, records: readonly IncomingRecord[]): RecordBatch {
    return {
      topic: 'messages',
      partition,
      records,
      endOffset: this.#kafka.end(partition),
      heartbeat: () => this.#heartbeat(),
      takenIn: (offset) => {
        if (this.#owned.has(partition)) this.#owned.set(partition, offset + 1);
      },
      isRunning: () => !this.#stopped,
    };
  }

  async #heartbeat(): Promise<void> {
    if (this.#dead) await forever();
    if (this.#isolated) throw new Error('not reached');
    const now = this.#kafka.clock.monotonic();
    if (now - this.#lastHeartbeat >= SESSION_TIMEOUT) {
      this.#kafka.watcher.expired(this);
      this.#kafka.leave(this);
    }
    this.#lastHeartbeat = now;
    if (this.#kafka.rebalancing || !this.#kafka.isMember(this)) throw new Error('the group rebalances');
    this.#lastHeard = now;
  }

  holdsLease(): boolean {
    return this.#clock.monotonic() - this.#lastHeard < LEASE;
  }

  async commit(offsets: Offsets): Promise<void> {
    if (this.#dead) await forever();
    this.#kafka.refused++;
    const { faults, commits, watcher } = this.#kafka;
    if (offsets.some(({ partition }) => !this.#owned.has(partition))) throw new Error('a partition is lost');
    if (this.#isolated || faults.stalledCommits > 0) {
      faults.stalledCommits--;
      await this.#clock.sleep(5000);
      throw new Error('no answer');
    }
    if (faults.refusedCommits > 0) {
      faults.refusedCommits--;
      throw new Error('refused');
    }
    if (!this.#kafka.isMember(this)) throw new Error('no member');
    this.#kafka.refused--;
    for (const { partition, offset } of offsets) {
      commits.set(partition, offset);
      watcher.committed(partition, offset);
    }
  }

  async committed(): Promise<ReadonlyMap<number, number>> {
    if (this.#dead) await forever();
    if (this.#isolated) throw new Error('not reached');
    return new Map(this.#kafka.commits);
  }

  async send(topic: string, record: OutgoingRecord): Promise<void> {
    if (this.#dead) await forever();
    await this.#clock.sleep(2);
    const { faults, watcher } = this.#kafka;
    if (this.#isolated || faults.failedSends > 0) {
      if (!this.#isolated) faults.failedSends--;
      throw new Error('not sent');
    }
    watcher.sent(topic, record);
  }

  async createTopics(): Promise<void> {}

  async offsets(): Promise<ReadonlyMap<number, { start: number; end: number }>> {
    return new Map(
      this.#kafka.log.map((_, partition) => [partition, { start: 0, end: this.#kafka.end(partition) }]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#dead) await forever();
    this.#stopped = true;
    await this.#loop;
    this.#kafka.leave(this);
  }

  deleteTopics = unused;
  listTopics = unused;
  offsetsAt = unused;
  deleteRecords = unused;
  read = unused;
  listGroups = unused;
  deleteGroups = unused;
  follow = unused;
}

const forever = () => new Promise<never>(() => {});
const unused = () => Promise.reject(new Error('not part of the fake'));
