import type { Lane } from './lane.ts';
import type { Bounds, Retention, Topic } from './topics.ts';

/** A record to produce. `value: null` is a tombstone. */
export interface OutgoingRecord {
  readonly key: string | null;
  readonly value: Uint8Array | null;
  /** As of `Copies`; also so that an earlier record of its key never comes behind a later one. */
  readonly isOnce?: boolean;
}

/** One message for several topics: the copies share its value. */
export interface Copies {
  readonly value: Uint8Array;
  readonly to: readonly { readonly topic: string; readonly key: string | null }[];
  /** Whose it is; unset: nobody's, whose next message would have to wait for it. */
  readonly lane?: Lane;
  /**
   * Whether what Kafka may have is not refused in time, as else it is, but asked for until it is known, for an hour: sent
   * again by somebody who was refused it would be there twice. Nor are the other copies of what it may have.
   */
  readonly isOnce?: boolean;
  /** Is told each topic that has it: also where the call rejects, for another one. */
  readonly there?: Set<string> | undefined;
}

/** What waits for Kafka, by its bytes in memory. */
export interface Waiting {
  /** Nothing more should be taken in: a little further, and it is refused. */
  readonly isFull: boolean;
  /** Calls back once, when there is room again; asking again before that changes nothing. */
  whenFree(callback: () => void): void;
  cancel(callback: () => void): void;
}

/** A record as it was consumed. */
export interface IncomingRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Broker or producer time in milliseconds, as the topic is configured. */
  readonly timestamp: number;
  readonly key: string | null;
  /** Null: a tombstone. Aliases the fetch buffer; copy what outlives the call. */
  readonly value: Uint8Array | null;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface OffsetRange {
  /** The first offset there. */
  readonly start: number;
  /** One after the last offset there. */
  readonly end: number;
}

export interface JoinOptions {
  readonly groupId: string;
  /** Topics whose partitions the members that name them split among themselves. */
  readonly topics: readonly string[];
  /** A partition is this member's from now on; nobody else has it. */
  onGained(claim: Claim): void;
  /** It goes to another member once this has resolved: until then the claim still commits. Its deadline is its own. */
  onLost(claim: Claim): Promise<void>;
}

/** A partition that a member of a group has, and nobody else. */
export interface Claim extends TopicPartition {
  /** Who has it, as the group calls it; it calls nobody else so, ever. */
  readonly member: string;
  /** It is lost or given back, for good. */
  readonly isOver: boolean;
  /**
   * Whether Kafka has heard from this member so lately that no other one can have the partition: without it, nothing that
   * depends on the partition may be begun.
   */
  isHeld(): boolean;
  /**
   * Commits, of any topics, the offset to resume at; with what is settled ahead of it, as far as there is room for it, and a
   * tag, which `committed` tells again. Rejects when the claim is over or Kafka does not take it; nothing is retried.
   */
  commit(offsets: readonly CommittedOffset[]): Promise<void>;
}

/** What is settled of a partition behind the first record that is not. */
export interface SettledAhead {
  /** In their order, with something that is not settled before each. */
  readonly ranges: readonly OffsetRange[];
  /** The latest timestamp of a record that was read by then: a record of a later time is none of these. */
  readonly latest: number;
}

/** How far a partition is settled. */
export interface Position {
  /** The first record that is not settled: where to resume. */
  readonly offset: number;
  /** Unset: nothing. */
  readonly ahead?: SettledAhead;
}

export interface CommittedOffset extends TopicPartition, Position {
  readonly tag: string;
}

/** A member of a group. Disposing loses every claim, and leaves. */
export interface Membership extends AsyncDisposable {
  /** Resolves with the first assignment; never, when it is disposed before. */
  readonly joined: Promise<void>;
  /** Whether Kafka has heard from this member so lately that no other one can have its partitions. */
  holdsLease(): boolean;
  /** What the group has committed for these partitions; those without are left out. Rejects after a few seconds. */
  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]>;
  /**
   * Who is in the group, as of some time after the call. Who was and is not any more has lost its lease with all that it
   * had, and does not come back under this name. Rejects after a few seconds.
   */
  members(): Promise<ReadonlySet<string>>;
}

export interface Compacted {
  /**
   * Compaction may have taken away records, also the last ones: where Kafka gives none, there are none. Otherwise it is asked
   * again, for as long as the partition does not end there.
   */
  readonly isCompacted?: boolean;
}

export interface FeedOptions extends TopicPartition, Compacted {
  /** The first offset that is wanted. What is not there any more is left out. */
  readonly from: number;
  /** Takes a record, in the order of the partition; false: not now, and the same one comes again after `resume`. */
  take(record: IncomingRecord): boolean;
  /**
   * Everything before `position` was taken or is not there; `end` was the partition's end at the last fetch. With each
   * fetch, and when all of it was taken.
   */
  onPosition?(position: number, end: number): void;
  /** The partition ends before what was taken: it was made anew, and is fed from its `start`. */
  onReset?(start: number): void;
}

/** One partition as it is fetched, from an offset on, for as long as it is not disposed. No group's offsets move. */
export interface Feed extends Disposable {
  /** There is room again for what was not taken. */
  resume(): void;
  /** Asks Kafka how many offsets there are behind what was taken. Rejects when it does not tell. */
  backlog(): Promise<number>;
}

export interface ReadOptions extends Compacted {
  readonly topic: string;
  /** What to read of which partition. What is not there any more, or not yet, is left out. */
  readonly ranges: ReadonlyMap<number, OffsetRange>;
  /** Ends the reading; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called for one batch of one partition at a time, however long it takes. The reading ends when it rejects. */
  eachBatch(records: readonly IncomingRecord[]): Promise<void>;
}

/** How Kafka keeps topics. */
export interface Replicas {
  /** The nodes that run. */
  readonly nodes: number;
  /** Of each topic that exists, on how many nodes each of its partitions is, at least. */
  readonly replicas: ReadonlyMap<string, number>;
}

/** What the system asks of Kafka. Every call that does I/O has a deadline of the adapter's own. */
export interface Bus extends AsyncDisposable {
  /**
   * Produces a record with acks=all. Records of one key keep the order of the calls. Resolves when Kafka has it; rejects
   * with a `BusError`.
   */
  send(topic: string, record: OutgoingRecord): Promise<void>;
  /** As `send` for a record of each topic: all of them are taken, or none. Resolves when Kafka has all. */
  sendCopies(copies: Copies): Promise<void>;
  readonly outgoing: Waiting;
  /** Why Kafka has not taken what was sent for some seconds; undefined: it takes it. */
  producerTrouble(): string | undefined;
  /** Creates the topics that are missing, and adds partitions to those that have fewer. */
  createTopics(topics: readonly Topic[]): Promise<void>;
  /**
   * Has Kafka acknowledge only what several nodes have, of topics that are on more than those and that nobody has set
   * otherwise. Topics that are created are like that already. Answers how they are kept.
   */
  keepReplicas(topics: readonly string[]): Promise<Replicas>;
  /** Bounds those topics that may grow without end. One that does not exist is no error. */
  keepBounds(topics: readonly string[], bounds: Bounds): Promise<void>;
  /** Has Kafka delete what is old of those topics that it only compacts. One that does not exist is no error. */
  keepRetention(topics: readonly string[], retention: Retention): Promise<void>;
  /** Deletes topics; one that does not exist is no error. */
  deleteTopics(names: readonly string[]): Promise<void>;
  /** The names of all topics. */
  listTopics(): Promise<readonly string[]>;
  /** The offsets of each partition of a topic. */
  offsets(topic: string): Promise<ReadonlyMap<number, OffsetRange>>;
  /**
   * The same of many topics, in a few questions. One that does not exist, or of which a partition has no leader that tells, is
   * left out.
   */
  offsetsOfTopics(topics: readonly string[]): Promise<ReadonlyMap<string, ReadonlyMap<number, OffsetRange>>>;
  /** The first offset of each partition at or after a time in milliseconds; the end offset when there is none. */
  offsetsAt(topic: string, time: number): Promise<ReadonlyMap<number, number>>;
  /** Deletes what is before an offset of each partition. */
  deleteRecords(topic: string, before: ReadonlyMap<number, number>): Promise<void>;
  /** What a group has committed for a topic, for each partition of which it has something. */
  committed(groupId: string, topic: string): Promise<ReadonlyMap<number, Position>>;
  /** Becomes a member of a group, and stays one until it is disposed; tries for as long as Kafka is away. */
  join(options: JoinOptions): Membership;
  /** Fetches a partition, together with all others that are fed: hardly anything is spent on one that is quiet. */
  feed(options: FeedOptions): Feed;
  /** The partitions of a topic. Rejects with a `BusError` when there is no such topic. */
  partitions(topic: string): Promise<readonly number[]>;
  /** Calls back each time a topic is seen to have more partitions than were known, some seconds after it has grown. */
  onGrown(topic: string, known: number, grown: (partitions: number) => void): Disposable;
  /**
   * Reads parts of partitions, each in order, to their ends. No group's offsets move. Rejects when nothing comes for long,
   * and after that, or after an abort, `eachBatch` is not called again.
   */
  read(options: ReadOptions): Promise<void>;
}

export type BusErrorReason = 'timeout' | 'full' | 'too-large' | 'unknown-topic' | 'failed' | 'closed';

/** Kafka did not do what it was asked. `retriable`: the same call may succeed later. */
export class BusError extends Error {
  override readonly name = 'BusError';
  readonly reason: BusErrorReason;
  constructor(reason: BusErrorReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
  get retriable(): boolean {
    return this.reason !== 'too-large';
  }
}
