import type {
  Bus,
  Claim,
  CommittedOffset,
  Copies,
  Feed,
  FeedOptions,
  IncomingRecord,
  JoinOptions,
  Membership,
  OffsetRange,
  OutgoingRecord,
  Replicas,
  SettledAhead,
  TopicPartition,
} from '../../src/bus/bus.ts';
import { metadataOf, parseMetadata } from '../../src/bus/offset-metadata.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import type { CancelTimer, Clock } from '../../src/runtime/clock.ts';

const SESSION_TIMEOUT = 6000;
const LEASE = SESSION_TIMEOUT - 2000;
const HEARTBEAT = 500;
const FETCH_RECORDS = 7;

/** What a test wants to know. */
export interface Watcher {
  /** A commit was taken. */
  committed(partition: number, offset: number, ahead: readonly OffsetRange[]): void;
  /** A member no longer has a share, whether it knows it or not. */
  lost(client: FakeClient, share: number): void;
  sent(topic: string, record: OutgoingRecord): void;
}

/**
 * One topic and one group of executors, in memory, with the habits of Kafka and of the bus that matter to a delivery: there
 * is a share of the integration for each partition, and each share has one member; it moves when its member has let go of
 * it, or was silent for too long; commits are taken from members only.
 */
export class FakeKafka {
  readonly log: IncomingRecord[][];
  readonly commits = new Map<number, number>();
  readonly tags = new Map<number, string>();
  readonly aheads = new Map<number, SettledAhead>();
  /**
   * So many of the next commits are refused, so many are not answered, so many of the next records not taken; so many of
   * the next answers leave out the last partition.
   */
  readonly faults = { refusedCommits: 0, stalledCommits: 0, failedSends: 0, staleMetadata: 0 };
  readonly clock: Clock;
  readonly watcher: Watcher;
  /** So many commits were not taken, or not begun since what is committed is not told, for whatever reason. */
  refused = 0;
  /** So many records were offered. */
  offered = 0;
  /** Which member gets which share: it changes who has what at the next rebalance. */
  rotation = 0;
  readonly feeds = new Set<FakeFeed>();
  readonly #members: FakeClient[] = [];
  #joined = 0;
  readonly #owners: (FakeClient | undefined)[];

  constructor(partitions: number, clock: Clock, watcher: Watcher) {
    this.log = Array.from({ length: partitions }, () => []);
    this.#owners = this.log.map(() => undefined);
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
    for (const feed of this.feeds) feed.wake();
    return record;
  }

  /** Deletes the topic and makes it anew; the commits go with it. */
  recreate(): void {
    for (const records of this.log) records.length = 0;
    this.commits.clear();
    this.tags.clear();
    this.aheads.clear();
    for (const feed of this.feeds) feed.reset();
  }

  /** One more partition. */
  grow(): void {
    this.log.push([]);
  }

  join(client: FakeClient): void {
    client.memberId = `m${++this.#joined}`;
    this.#members.push(client);
    this.rebalance();
  }

  get memberIds(): ReadonlySet<string> {
    return new Set(this.#members.map(({ memberId }) => memberId));
  }

  isMember(client: FakeClient): boolean {
    return this.#members.includes(client);
  }

  /** A member left, or was silent for too long. */
  remove(client: FakeClient): void {
    const index = this.#members.indexOf(client);
    if (index < 0) return;
    this.#members.splice(index, 1);
    for (const [share, owner] of this.#owners.entries()) if (owner === client) this.free(client, share);
    this.rebalance();
  }

  free(client: FakeClient, share: number): void {
    if (this.#owners[share] !== client) return;
    this.watcher.lost(client, share);
    this.#owners[share] = undefined;
  }

  /** Gives what is free to whom it should belong, and has the others let go. */
  rebalance(): void {
    const staying = this.#members.filter((client) => !client.isLeaving);
    for (const [share, owner] of [...this.#owners.entries()]) {
      const wanted = staying[(share + this.rotation) % staying.length];
      if (wanted === owner) continue;
      if (owner) owner.revoke(share);
      else if (wanted) {
        this.#owners[share] = wanted;
        wanted.assign(share);
      }
    }
  }
}

class FakeClaim implements Claim {
  readonly topic = 'downlink';
  readonly partition: number;
  readonly member: string;
  state: 'held' | 'releasing' | 'over' = 'held';
  released: Promise<void> | undefined;
  readonly #client: FakeClient;

  constructor(client: FakeClient, share: number) {
    this.#client = client;
    this.partition = share;
    this.member = client.memberId;
  }

  get isOver(): boolean {
    return this.state === 'over';
  }

  isHeld(): boolean {
    return !this.isOver && this.#client.hasLease();
  }

  commit(offsets: readonly CommittedOffset[]): Promise<void> {
    return this.#client.commit(this, offsets);
  }
}

class FakeFeed implements Feed {
  readonly #kafka: FakeKafka;
  readonly #client: FakeClient;
  readonly #options: FeedOptions;
  #position: number;
  #isFull = false;
  #isClosed = false;
  #cancel: CancelTimer | undefined;

  constructor(kafka: FakeKafka, client: FakeClient, options: FeedOptions) {
    this.#kafka = kafka;
    this.#client = client;
    this.#options = options;
    this.#position = options.from;
    this.wake();
  }

  wake(): void {
    if (this.#isFull || this.#isClosed) return;
    this.#cancel ??= this.#client.clock.setTimer(() => {
      this.#cancel = undefined;
      this.#offer();
    }, 1); // a fetch takes its time
  }

  async backlog(): Promise<number> {
    const end = this.#kafka.end(this.#options.partition);
    this.#options.onPosition?.(this.#position, Math.max(this.#position, end));
    return Math.max(0, end - this.#position);
  }

  resume(): void {
    this.#isFull = false;
    this.wake();
  }

  reset(): void {
    this.#options.onReset?.(0);
    this.#position = 0;
    this.wake();
  }

  #offer(): void {
    if (this.#isClosed) return;
    if (this.#client.isIsolated) {
      this.#cancel = this.#client.clock.setTimer(() => {
        this.#cancel = undefined;
        this.wake();
      }, 100);
      return;
    }
    const { partition, take, onPosition } = this.#options;
    const fetched = this.#kafka.log[partition]!.filter(({ offset }) => offset >= this.#position);
    onPosition?.(this.#position, Math.max(this.#position, this.#kafka.end(partition)));
    for (const record of fetched.slice(0, FETCH_RECORDS)) {
      const value = record.value?.slice() ?? null;
      this.#kafka.offered++;
      if (!take({ ...record, value })) {
        this.#isFull = true;
        return;
      }
      value?.fill(0); // it is the fetch buffer: who has not copied what it keeps reads nonsense from now on
      this.#position = record.offset + 1;
    }
    onPosition?.(this.#position, Math.max(this.#position, this.#kafka.end(partition)));
    if (fetched.length > FETCH_RECORDS) this.wake();
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#cancel?.();
    this.#kafka.feeds.delete(this);
  }
}

/** One process' client: a bus whose process can be killed or cut off. */
export class FakeClient implements Bus {
  readonly clock: Clock;
  readonly membership: Membership = {
    holdsLease: () => true,
    joined: Promise.resolve(),
    committed: (partitions) => this.#committed(partitions),
    members: () => this.#members(),
    [Symbol.asyncDispose]: () => this[Symbol.asyncDispose](),
  };
  /** As the group calls it. */
  memberId = '';
  isIsolated = false;
  isLeaving = false;
  readonly #kafka: FakeKafka;
  readonly #claims = new Map<number, FakeClaim>();
  #options: JoinOptions | undefined;
  /** When it last knew itself to be a member. */
  #lastHeard = 0;
  #isDead = false;

  /** @param clock the process' own */
  constructor(kafka: FakeKafka, clock: Clock) {
    this.#kafka = kafka;
    this.clock = clock;
  }

  get owned(): readonly number[] {
    return [...this.#claims.keys()];
  }

  join(options: JoinOptions): Membership {
    this.#options = options;
    this.#lastHeard = this.clock.lease();
    this.#kafka.join(this);
    this.#beat();
    return this.membership;
  }

  #beat(): void {
    this.clock.setTimer(() => {
      if (!this.isIsolated) this.#heartbeat();
      this.#beat();
    }, HEARTBEAT);
  }

  #heartbeat(): void {
    if (!this.#kafka.isMember(this)) {
      this.#forfeit();
      this.#kafka.join(this);
    }
    this.#lastHeard = this.clock.lease();
  }

  #forfeit(): void {
    const claims = [...this.#claims.values()];
    this.#claims.clear();
    for (const claim of claims) {
      const { state } = claim;
      claim.state = 'over';
      if (state === 'held') void this.#options!.onLost(claim);
    }
  }

  hasLease(): boolean {
    return this.clock.lease() - this.#lastHeard < LEASE;
  }

  assign(share: number): void {
    const claim = new FakeClaim(this, share);
    this.#claims.set(share, claim);
    if (!this.#isDead) this.#options!.onGained(claim);
  }

  /** The group wants the share elsewhere; nobody else gets it before this has let go of it. */
  revoke(share: number): void {
    const claim = this.#claims.get(share);
    if (claim && !this.#isDead && !this.isIsolated) void this.#release(claim);
  }

  #release(claim: FakeClaim): Promise<void> {
    claim.released ??= this.#letGo(claim);
    return claim.released;
  }

  async #letGo(claim: FakeClaim): Promise<void> {
    const { partition: share } = claim;
    claim.state = 'releasing';
    await this.#options!.onLost(claim);
    claim.state = 'over';
    if (this.#claims.get(share) !== claim) return;
    this.#claims.delete(share);
    this.#kafka.free(this, share);
    this.#kafka.rebalance();
  }

  /** The process dies: the group finds out when the session times out. */
  kill(): void {
    this.#isDead = true;
    for (const share of this.owned) this.#kafka.watcher.lost(this, share);
    this.#kafka.clock.setTimer(() => this.#kafka.remove(this), SESSION_TIMEOUT);
  }

  /** Nothing reaches Kafka for a while. */
  async isolate(ms: number): Promise<void> {
    if (this.isIsolated) return;
    this.isIsolated = true;
    const cancel = this.#kafka.clock.setTimer(() => this.#kafka.remove(this), SESSION_TIMEOUT);
    await this.#kafka.clock.sleep(ms);
    cancel();
    this.isIsolated = false;
  }

  feed(options: FeedOptions): Feed {
    const feed = new FakeFeed(this.#kafka, this, options);
    this.#kafka.feeds.add(feed);
    return feed;
  }

  async partitions(): Promise<readonly number[]> {
    if (this.#isDead) await forever();
    const { faults, log } = this.#kafka;
    const partitions = log.map((_, partition) => partition);
    return faults.staleMetadata-- > 0 ? partitions.slice(0, -1) : partitions;
  }

  onGrown(_: string, known: number, grown: (partitions: number) => void): Disposable {
    let cancel = () => {};
    const look = () => {
      cancel = this.clock.setTimer(() => {
        const { length } = this.#kafka.log;
        if (!this.isIsolated && length > known) grown(length);
        if (!this.isIsolated) known = length;
        look();
      }, 10_000);
    };
    look();
    return { [Symbol.dispose]: () => cancel() };
  }

  async #members(): Promise<ReadonlySet<string>> {
    if (this.#isDead) await forever();
    if (this.isIsolated) throw new Error('not reached');
    return this.#kafka.memberIds;
  }

  async commit(claim: FakeClaim, offsets: readonly CommittedOffset[]): Promise<void> {
    if (this.#isDead) await forever();
    this.#kafka.refused++;
    const { faults, commits, tags, aheads, watcher } = this.#kafka;
    if (claim.state === 'over') throw new Error('the claim is over');
    if (this.isIsolated || faults.stalledCommits > 0) {
      faults.stalledCommits--;
      await this.clock.sleep(3000);
      throw new Error('no answer');
    }
    if (faults.refusedCommits > 0) {
      faults.refusedCommits--;
      throw new Error('refused');
    }
    if (!this.#kafka.isMember(this)) throw new Error('no member');
    this.#kafka.refused--;
    for (const one of offsets) {
      const { partition, offset } = one;
      const { tag, ahead } = parseMetadata(metadataOf(one), offset);
      commits.set(partition, offset);
      tags.set(partition, tag);
      if (ahead) aheads.set(partition, ahead);
      else aheads.delete(partition);
      watcher.committed(partition, offset, ahead?.ranges ?? []);
    }
  }

  async #committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    if (this.#isDead) await forever();
    if (this.isIsolated) {
      this.#kafka.refused++; // who cannot look does not commit
      throw new Error('not reached');
    }
    const { commits, tags, aheads } = this.#kafka;
    return partitions.flatMap(({ topic, partition }) => {
      const [offset, ahead] = [commits.get(partition), aheads.get(partition)];
      const tag = tags.get(partition) ?? '';
      return offset === undefined ? [] : [{ topic, partition, offset, tag, ...(ahead && { ahead }) }];
    });
  }

  readonly outgoing = new ByteLimit(Number.POSITIVE_INFINITY);

  producerTrouble(): undefined {}

  async sendCopies({ value, to }: Copies): Promise<void> {
    await Promise.all(to.map(({ topic, key }) => this.send(topic, { key, value })));
  }

  async send(topic: string, record: OutgoingRecord): Promise<void> {
    if (this.#isDead) await forever();
    await this.clock.sleep(2);
    const { faults, watcher } = this.#kafka;
    if (this.isIsolated || faults.failedSends > 0) {
      if (!this.isIsolated) faults.failedSends--;
      throw new Error('not sent');
    }
    watcher.sent(topic, record);
  }

  async createTopics(): Promise<void> {}

  async keepReplicas(): Promise<Replicas> {
    return { nodes: 1, replicas: new Map() };
  }

  async keepBounds(): Promise<void> {}

  async keepRetention(): Promise<void> {}

  async offsets(): Promise<ReadonlyMap<number, { start: number; end: number }>> {
    const partitions = await this.partitions();
    return new Map(partitions.map((partition) => [partition, { start: 0, end: this.#kafka.end(partition) }]));
  }

  async offsetsOfTopics(): Promise<ReadonlyMap<string, ReadonlyMap<number, { start: number; end: number }>>> {
    return new Map();
  }

  /** Leaves the group, when everything it has is let go of. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDead) await forever();
    this.isLeaving = true;
    await Promise.all([...this.#claims.values()].map((claim) => this.#release(claim)));
    this.#kafka.remove(this);
  }

  committed = unused;
  consume = unused;
  deleteTopics = unused;
  listTopics = unused;
  offsetsAt = unused;
  deleteRecords = unused;
  read = unused;
}

const forever = () => new Promise<never>(() => {});
const unused = () => Promise.reject(new Error('not part of the fake'));
