import type { Envelope } from '../../../gen/penstock/v1/envelope_pb.ts';
import type { Position } from '../../bus/bus.ts';
import { textMemory } from '../../contract/message-memory.ts';
import type { ByteLimit } from '../../runtime/byte-limit.ts';
import { type Linked, LinkedList } from '../../runtime/linked-list.ts';
import type { Outbound } from '../handlers/handler.ts';
import type { Policy } from './policy.ts';
import { SettledPrefix } from './settled-prefix.ts';
import { type Suspicion, UNSUSPECTED } from './suspicion.ts';

/** How far a partition may run ahead of its first message that is not settled: what lies between is read again at a restart. */
export const MAX_AHEAD = 100_000;
/**
 * In how many ranges what is settled ahead may lie: they fit in an offset's metadata, whatever their lengths. With more, no
 * more run ahead than are taken in at a time: what is left out, and comes again after a restart, is never more than that.
 */
export const MAX_RANGES = 1024;
/** Messages taken in for each that may be on its way, at most: those that wait in lanes are bounded, too. */
export const WAITING = 16;

/** What a message keeps in memory besides its value and its texts, about. */
const OVERHEAD = 1024;
/** Of a full executor's memory each integration still gets so much: those that are stuck do not stop the others. */
const SHARE = { messages: 64, bytes: 262_144 };

/** A message in the window. */
export interface InFlight extends Outbound, Linked<InFlight> {
  /** Grows from message to message as they are taken in. */
  readonly number: number;
  /** The record's value, byte for byte. */
  readonly value: Uint8Array;
  /** What value and envelope keep in memory; the payload is a part of the value. */
  readonly bytes: number;
  /** Wall-clock time when it was first tried; 0 = not yet. */
  firstAttempt: number;
  attempts: number;
  /** How many others may leave in one pack with it: it was in packs that were refused as a whole. */
  companions: number;
  /** What the connections that were lost with it make of it. */
  suspicion: Suspicion;
  /** The ownership of its partition that it was taken in under. */
  readonly prefix: SettledPrefix;
}

/** What is taken in and not settled, and for each owned partition up to where everything is settled. */
export class Window {
  /** The oldest first. */
  readonly #messages = new LinkedList<InFlight>();
  readonly #prefixes = new Map<number, SettledPrefix>();
  readonly #policy: Pick<Policy, 'maxInFlight' | 'maxInFlightBytes'>;
  /** Of all windows of this executor. */
  readonly #total: ByteLimit;
  #bytes = 0;
  #taken = 0;

  constructor(policy: Pick<Policy, 'maxInFlight' | 'maxInFlightBytes'>, total: ByteLimit) {
    this.#policy = policy;
    this.#total = total;
  }

  get size(): number {
    return this.#messages.size;
  }

  /** The message that is not settled for longest. */
  get oldest(): InFlight | undefined {
    return this.#messages.first;
  }

  /** Whether one more message of this partition fits; how many are on their way is not the window's to judge. */
  hasSpace(partition: number): boolean {
    const { maxInFlight, maxInFlightBytes } = this.#policy;
    if (this.size >= maxInFlight * WAITING) return false;
    if (this.#bytes >= maxInFlightBytes && this.size > 0) return false;
    if (this.#total.isFull && (this.size >= SHARE.messages || this.#bytes >= SHARE.bytes)) return false;
    const prefix = this.#prefixes.get(partition);
    if (!prefix) return true;
    return (
      prefix.next - prefix.committable < (prefix.ranges > MAX_RANGES ? maxInFlight * WAITING : MAX_AHEAD)
    );
  }

  /**
   * Whether the next record of this partition may be the one at this offset: over a large gap, which retention leaves, only when
   * everything before it is settled. Each offset of one behind something that is not would be remembered.
   */
  mayReach(partition: number, offset: number): boolean {
    const prefix = this.#prefixes.get(partition);
    return !prefix || offset - prefix.next <= MAX_AHEAD || prefix.committable === prefix.next;
  }

  /** Takes a message in. Offsets of a partition grow; one that is left out does not exist. */
  take(
    partition: number,
    offset: number,
    key: string | null,
    envelope: Envelope,
    value: Uint8Array,
  ): InFlight {
    const prefix = this.#prefix(partition, offset);
    prefix.take(offset);
    const bytes = value.byteLength + textMemory(envelope);
    const message: InFlight = {
      partition,
      offset,
      key,
      number: this.#taken++,
      envelope,
      value,
      bytes,
      firstAttempt: 0,
      attempts: 0,
      companions: Number.POSITIVE_INFINITY,
      suspicion: UNSUSPECTED,
      prefix,
      before: undefined,
      after: undefined,
    };
    this.#messages.add(message);
    this.#bytes += bytes;
    this.#total.add(bytes + OVERHEAD);
    return message;
  }

  /** Steps over a record that cannot be read, or that was settled before. */
  stepOver(partition: number, offset: number): void {
    const prefix = this.#prefix(partition, offset);
    prefix.take(offset);
    prefix.settle(offset);
  }

  has(message: InFlight): boolean {
    return this.#messages.has(message);
  }

  settle(message: InFlight): void {
    message.prefix.settle(message.offset);
    this.#forget(message);
  }

  /** Lets go of everything without settling it; answers how many messages it was. */
  clear(): number {
    const { size } = this;
    for (const message of this.#messages) this.#forget(message);
    return size;
  }

  #forget(message: InFlight): void {
    if (!this.#messages.delete(message)) return;
    this.#bytes -= message.bytes;
    this.#total.remove(message.bytes + OVERHEAD);
  }

  /** For each partition, the last offset that was tried or settled: what is before it, and is not, would leave a gap. */
  reached(): ReadonlyMap<number, number> {
    const reached = new Map(
      [...this.#prefixes].map(([partition, { lastSettled }]) => [partition, lastSettled]),
    );
    for (const { partition, offset, attempts } of this.#messages) {
      if (attempts > 0) reached.set(partition, Math.max(offset, reached.get(partition) ?? offset));
    }
    return reached;
  }

  /** Begins with a partition where it was left. */
  own(partition: number, position: Position): void {
    this.#prefixes.set(partition, new SettledPrefix(position));
  }

  /** Whether this record, the next of its partition, was settled before this window had the partition. */
  isSettled(partition: number, offset: number, timestamp: number): boolean {
    return this.#prefix(partition, offset).isSettled(offset, timestamp);
  }

  /** How many from the next one to this offset are not settled; undefined: nothing of this partition is known. */
  missing(partition: number, offset: number): number | undefined {
    return this.#prefixes.get(partition)?.missing(offset);
  }

  /** The offset of the next record to take in; undefined: nothing of this partition is known. */
  next(partition: number): number | undefined {
    return this.#prefixes.get(partition)?.next;
  }

  /** For each partition, the offset to resume at. */
  committable(): readonly { readonly partition: number; readonly offset: number }[] {
    return [...this.#prefixes].map(([partition, prefix]) => ({ partition, offset: prefix.committable }));
  }

  /** How many offsets of a partition are settled; undefined: nothing of it is known. */
  settled(partition: number): number | undefined {
    const prefix = this.#prefixes.get(partition);
    return prefix && prefix.committable + prefix.ahead;
  }

  /** How many are settled beyond the offset to resume at. */
  ahead(partition: number): number {
    return this.#prefixes.get(partition)?.ahead ?? 0;
  }

  /** The offset to resume at, and what is settled beyond it; undefined: nothing of this partition is known. */
  position(partition: number): Position | undefined {
    return this.#prefixes.get(partition)?.position;
  }

  /** Lets go of a partition; what is taken in of it next begins anew. */
  lose(partition: number): void {
    this.#prefixes.delete(partition);
  }

  isOwned({ partition, prefix }: InFlight): boolean {
    return this.#prefixes.get(partition) === prefix;
  }

  #prefix(partition: number, offset: number): SettledPrefix {
    const known = this.#prefixes.get(partition);
    if (known) return known;
    const prefix = new SettledPrefix({ offset });
    this.#prefixes.set(partition, prefix);
    return prefix;
  }
}
