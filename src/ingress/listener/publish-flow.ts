import { Lane } from '../../bus/lane.ts';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import type { ByteLimit } from '../../runtime/byte-limit.ts';
import type { TakeIn } from '../fan-out.ts';
import { type FairShares, MAX_IN_FLIGHT } from './fair-shares.ts';
import type { OutgoingPackets } from './outgoing-packets.ts';
import { MqttError, PacketType, protocolError, ReasonCode } from './protocol.ts';
import { digestOf, isAnother, type ReceivedNotes } from './received-notes.ts';
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
  readonly #pending: Pending[] = [];
  #isOver = false;
  #inFlight = 0;
  #bytes = 0;

  constructor(session: Session, deps: Deps) {
    this.#session = session;
    this.#deps = deps;
    if (session.lane.refusal) this.#beginAnew(session);
    else this.#awaitEarlier();
  }

  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /** Whether no message waits for its acknowledgement. */
  get isAcknowledged(): boolean {
    return this.#pending.length === 0;
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
  publish(message: PublishedMessage, packetId: number, size: number): void {
    if (message.qos === 0) {
      this.#track(this.#store(message), size, undefined);
    } else if (message.qos === 1) {
      const pending: Pending = { type: PacketType.PUBACK, packetId };
      this.#pending.push(pending);
      this.#track(this.#store(message), size, pending);
    } else {
      const stored = this.#storeOnce(message, packetId);
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

  /** PUBREL: the client will not send the message again, so its packet identifier is free. */
  release(packetId: number): void {
    const received = this.#session.received.get(packetId);
    if (received !== undefined && received !== 'stored') throw protocolError('PUBREL before PUBREC');
    if (this.#session.noted.has(packetId)) {
      void this.#takeBack(packetId);
      return;
    }
    this.#session.received.delete(packetId);
    const reasonCode = received ? ReasonCode.SUCCESS : ReasonCode.PACKET_IDENTIFIER_NOT_FOUND;
    this.#deps.outgoing.acknowledge(PacketType.PUBCOMP, packetId, reasonCode);
  }

  /** Its packet identifier is free when that is noted, too. */
  async #takeBack(packetId: number): Promise<void> {
    const { clientId, notes, outgoing, onFailure } = this.#deps;
    const { noted, received } = this.#session;
    try {
      await notes.released(clientId, packetId);
      noted.delete(packetId);
      received.delete(packetId);
      outgoing.acknowledge(PacketType.PUBCOMP, packetId, ReasonCode.SUCCESS);
    } catch (error) {
      if (!this.#isOver) onFailure(error);
    }
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

  async #store(message: PublishedMessage): Promise<number> {
    const { takeIn, takenIn } = this.#deps;
    const { qos } = message;
    try {
      const matches = await takeIn(message, this.#session.lane);
      (matches === 0 ? takenIn.unmatched : takenIn.stored).inc();
      return matches;
    } catch (error) {
      (qos === 0 ? takenIn.dropped : takenIn.failed).inc();
      throw error;
    }
  }

  /** A session that outlives its connection outlives this process, too. */
  async #storeAndNote(message: PublishedMessage, packetId: number): Promise<number> {
    const { clientId, notes, origin } = this.#deps;
    const session = this.#session;
    if (session.expiry === 0) return this.#store(message);
    const digest = digestOf(message); // the message is valid during this call only
    const matches = await this.#store(message);
    if (matches > 0 && !session.isOver) {
      session.noted.set(packetId, undefined);
      await notes.stored(clientId, packetId, { digest, expiry: session.expiry, origin });
    }
    return matches;
  }

  /** A QoS 2 message that comes again before its PUBREL is the same one: it is acknowledged, not stored again. */
  #storeOnce(message: PublishedMessage, packetId: number): Promise<number> {
    const { received, noted } = this.#session;
    const { version } = this.#deps.outgoing.to;
    const known = received.get(packetId);
    if (known === 'stored' && !isAnother(message, noted.get(packetId))) return Promise.resolve(1);
    if (known !== undefined && known !== 'stored') return known.stored;
    // Only 5.0 is told a maximum; older clients may use every packet identifier before they release one.
    if (version === 5 && received.size >= MAX_IN_FLIGHT) {
      throw new MqttError(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED, `${received.size} messages without PUBREL`);
    }
    const stored = this.#storeAndNote(message, packetId);
    received.set(packetId, { stored });
    stored.then(
      () => received.set(packetId, 'stored'),
      () => received.delete(packetId),
    );
    return stored;
  }

  #track(stored: Promise<number>, size: number, pending: Pending | undefined): void {
    const { inFlightBytes, shares, onSettled } = this.#deps;
    const bytes = size + OVERHEAD;
    if (this.#inFlight++ === 0) shares.joined();
    const sent = shares.sent();
    this.#bytes += bytes;
    inFlightBytes.add(bytes);
    const settled = () => {
      shares.arrived(sent);
      if (--this.#inFlight === 0) shares.left();
      this.#bytes -= bytes;
      inFlightBytes.remove(bytes);
    };
    stored.then(
      (matches) => {
        settled();
        if (pending !== undefined) {
          pending.reasonCode = matches === 0 ? ReasonCode.NO_MATCHING_SUBSCRIBERS : ReasonCode.SUCCESS;
          this.#acknowledge();
        }
        onSettled();
      },
      (error) => {
        settled();
        if (!this.#isOver) this.#fail(error, pending !== undefined);
        onSettled();
      },
    );
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
