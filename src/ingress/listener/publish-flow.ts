import { Lane } from '../../bus/lane.ts';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import type { ByteLimit } from '../../runtime/byte-limit.ts';
import type { TakeIn } from '../fan-out.ts';
import { ExactlyOnce, type Sending } from './exactly-once.ts';
import { type FairShares, MAX_IN_FLIGHT } from './fair-shares.ts';
import type { OutgoingPackets } from './outgoing-packets.ts';
import { PacketType, ReasonCode } from './protocol.ts';
import type { ReceivedNotes } from './received-notes.ts';
import { type Session, sessionMemory } from './sessions.ts';
import type { TakenIn } from './taken-in.ts';

/** What a message on its way keeps in memory besides its bytes, about. */
const OVERHEAD = 1024;

interface Deps {
  readonly clientId: string;
  readonly takeIn: TakeIn;
  readonly takenIn: TakenIn;
  readonly outgoing: OutgoingPackets;
  readonly inFlightBytes: ByteLimit;
  readonly shares: FairShares;
  readonly notes: Pick<ReceivedNotes, 'stored' | 'released'>;
  /** Where the client comes from. */
  readonly origin: string;
  /** A message that the client must send again: it must not be acknowledged, and nothing after it. */
  onFailure(error: unknown): void;
  /** Fewer messages are in flight than before. */
  onSettled(): void;
}

interface Pending {
  readonly type: typeof PacketType.PUBACK | typeof PacketType.PUBREC;
  readonly packetId: number;
  /** Unset: Kafka does not have it yet. */
  reasonCode?: ReasonCode;
}

/**
 * The messages of one connection on their way to Kafka. Acknowledges in the order of arrival (MQTT 5.0 §4.6), and never
 * before Kafka has the message.
 */
export class PublishFlow {
  readonly #session: Session;
  readonly #deps: Deps;
  readonly #exactlyOnce: ExactlyOnce;
  readonly #pending: Pending[] = [];
  /** PUBRELs without their PUBCOMP. */
  #releases = 0;
  #isOver = false;
  #inFlight = 0;
  #bytes = 0;

  constructor(session: Session, deps: Deps) {
    this.#session = session;
    this.#deps = deps;
    const { version } = deps.outgoing.to;
    const store = (message: PublishedMessage, there?: Set<string>) => this.#store(message, there);
    this.#exactlyOnce = new ExactlyOnce(session, { ...deps, version, store });
    if (session.lane.refusal) this.#beginAnew(session);
    else this.#awaitEarlier();
  }

  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /** Whether no message waits for its acknowledgement, and no PUBREL for its PUBCOMP. */
  get isAcknowledged(): boolean {
    return this.#pending.length === 0 && this.#releases === 0;
  }

  get isFull(): boolean {
    if (this.#session.received.earlier) return true;
    const { shares } = this.#deps;
    // Those that Kafka has may wait for their acknowledgement behind one that it has not.
    const isFull = this.#inFlight >= shares.messages || this.#pending.length >= MAX_IN_FLIGHT;
    return isFull || this.#bytes >= shares.bytes; // the last message may go beyond
  }

  /** What the client's session keeps in memory. */
  get sessionBytes(): number {
    return sessionMemory(this.#deps.clientId, this.#session);
  }

  /** The connection has ended: what becomes of its messages is no longer its affair. */
  end(): void {
    this.#isOver = true;
  }

  /**
   * `size`: the bytes of the whole packet.
   * @throws MqttError when the client has too many messages of QoS 2 that it does not release
   */
  publish(message: PublishedMessage, sending: Sending, size: number): void {
    const { packetId } = sending;
    if (message.qos === 0) {
      this.#track(this.#store(message), size, undefined);
    } else if (message.qos === 1) {
      const pending: Pending = { type: PacketType.PUBACK, packetId };
      this.#pending.push(pending);
      this.#track(this.#store(message), size, pending);
    } else {
      const stored = this.#exactlyOnce.store(message, sending);
      const pending: Pending = { type: PacketType.PUBREC, packetId };
      this.#pending.push(pending);
      this.#track(stored, size, pending);
    }
  }

  /** The client is told, in its turn, that a message is not taken in and need not come again. */
  refuse(qos: 1 | 2, packetId: number, reasonCode: ReasonCode): void {
    const type = qos === 1 ? PacketType.PUBACK : PacketType.PUBREC;
    this.#deps.takenIn.refused.inc();
    this.#pending.push({ type, packetId, reasonCode });
    this.#acknowledge();
  }

  /** PUBREL: its packet identifier is free, when that is noted, too. */
  release(packetId: number): void {
    const released = this.#exactlyOnce.release(packetId);
    if (typeof released === 'boolean') this.#complete(packetId, released);
    else void this.#completeWhen(released, packetId);
  }

  async #completeWhen(released: Promise<void>, packetId: number): Promise<void> {
    const { onFailure, onSettled } = this.#deps;
    this.#add(OVERHEAD);
    this.#releases++;
    try {
      await released;
      this.#complete(packetId, true);
    } catch (error) {
      if (!this.#isOver) onFailure(error);
    }
    this.#releases--;
    this.#remove(OVERHEAD);
    onSettled();
  }

  #complete(packetId: number, isKnown: boolean): void {
    const reasonCode = isKnown ? ReasonCode.SUCCESS : ReasonCode.PACKET_IDENTIFIER_NOT_FOUND;
    this.#deps.outgoing.acknowledge(PacketType.PUBCOMP, packetId, reasonCode);
  }

  /** What comes again may be on its way already: only when it has arrived, or has not, is it known what to do with it. */
  #beginAnew(session: Session): void {
    session.lane = new Lane();
    session.received.leaveBehind();
    this.#awaitEarlier();
  }

  /** Also for a connection that comes after the one that began anew. */
  #awaitEarlier(): void {
    void this.#session.received.earlier?.then(() => this.#deps.onSettled());
  }

  async #store(message: PublishedMessage, there?: Set<string>): Promise<number> {
    const { takeIn, takenIn, shares } = this.#deps;
    const { qos } = message;
    const sent = shares.sent();
    try {
      const matches = await takeIn(message, this.#session.lane, there);
      if (matches > 0) shares.arrived(sent);
      (matches === 0 ? takenIn.unmatched : takenIn.stored).inc();
      return matches;
    } catch (error) {
      (qos === 0 ? takenIn.dropped : takenIn.failed).inc();
      throw error;
    }
  }

  #track(stored: Promise<number>, size: number, pending: Pending | undefined): void {
    const { onSettled } = this.#deps;
    const bytes = size + OVERHEAD;
    this.#add(bytes);
    stored.then(
      (matches) => {
        this.#remove(bytes);
        if (pending !== undefined) {
          pending.reasonCode = matches === 0 ? ReasonCode.NO_MATCHING_SUBSCRIBERS : ReasonCode.SUCCESS;
          this.#acknowledge();
        }
        onSettled();
      },
      (error) => {
        this.#remove(bytes);
        if (!this.#isOver) this.#fail(error, pending !== undefined);
        onSettled();
      },
    );
  }

  /** One more is in flight. */
  #add(bytes: number): void {
    const { inFlightBytes, shares } = this.#deps;
    if (this.#inFlight++ === 0) shares.joined();
    shares.added();
    this.#bytes += bytes;
    inFlightBytes.add(bytes);
  }

  #remove(bytes: number): void {
    const { inFlightBytes, shares } = this.#deps;
    shares.settled();
    if (--this.#inFlight === 0) shares.left();
    this.#bytes -= bytes;
    inFlightBytes.remove(bytes);
  }

  /**
   * A message comes again, and with it all after it: none of those may be written before. One of QoS 0 does not; those after
   * it may pass, where none was refused with it that does.
   */
  #fail(error: unknown, comesAgain: boolean): void {
    const session = this.#session;
    if (comesAgain || (session.lane.refusal && this.#pending.length > 0)) {
      session.lane.refusal ??= error instanceof Error ? error : new Error('a message was not stored');
      this.#deps.onFailure(error);
    } else if (session.lane.refusal) {
      this.#beginAnew(session);
    }
  }

  /** Acknowledges from the oldest on, up to the first that Kafka does not have. */
  #acknowledge(): void {
    for (let next = this.#pending[0]; next?.reasonCode !== undefined; next = this.#pending[0]) {
      this.#pending.shift();
      this.#deps.outgoing.acknowledge(next.type, next.packetId, next.reasonCode);
    }
  }
}
