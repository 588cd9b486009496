import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import { MAX_IN_FLIGHT } from './fair-shares.ts';
import { MqttError, type ProtocolVersion, protocolError, ReasonCode } from './protocol.ts';
import type { PublishPacket } from './publish-packet.ts';
import { digestOf, isAnother, type ReceivedNotes } from './received-notes.ts';
import type { Session } from './sessions.ts';

interface Deps {
  readonly clientId: string;
  readonly version: ProtocolVersion;
  /** Where the client comes from. */
  readonly origin: string;
  readonly notes: Pick<ReceivedNotes, 'stored' | 'released'>;
  /** Resolves with the number of integrations that want the message. `there`: as of `TakeIn`. */
  store(message: PublishedMessage, there?: Set<string>): Promise<number>;
}

/** How a message is sent. */
export type Sending = Pick<PublishPacket, 'packetId' | 'isDup'>;

/** The messages of QoS 2 of one connection: of those with one packet identifier only the first is stored, until its PUBREL. */
export class ExactlyOnce {
  readonly #session: Session;
  readonly #deps: Deps;

  constructor(session: Session, deps: Deps) {
    this.#session = session;
    this.#deps = deps;
  }

  /**
   * A message that comes again before its PUBREL is the same one: it is acknowledged, not stored again.
   * @throws MqttError when the client has too many that it does not release
   */
  store(message: PublishedMessage, { packetId, isDup }: Sending): Promise<number> {
    const { received, noted, releasing } = this.#session;
    const known = received.get(packetId);
    const digest = noted.get(packetId);
    if (known === 'stored' && !isAnother(message, isDup, digest)) return Promise.resolve(1);
    if (known !== undefined && known !== 'stored') return known.stored;
    // Only 5.0 is told a maximum; older clients may use every packet identifier before they release one.
    const replaced = known === 'stored' && !releasing.has(packetId) ? 1 : 0;
    const unreleased = received.size - releasing.size - replaced;
    if (this.#deps.version === 5 && unreleased >= MAX_IN_FLIGHT) {
      throw new MqttError(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED, `${unreleased} messages without PUBREL`);
    }
    const stored = this.#storeAndNote(message, { packetId, isDup });
    received.set(packetId, { stored });
    stored.then(
      () => received.set(packetId, 'stored'),
      () => received.delete(packetId),
    );
    return stored;
  }

  /**
   * PUBREL: the client will not send the message again, so its packet identifier is free: at once, or where there is a note of
   * it, when that is taken back. Answers whether there was one.
   * @throws MqttError when the message is not acknowledged yet
   */
  release(packetId: number): boolean | Promise<void> {
    const { received, noted, releasing } = this.#session;
    const known = received.get(packetId);
    if (known !== undefined && known !== 'stored') throw protocolError('PUBREL before PUBREC');
    if (noted.has(packetId)) return releasing.get(packetId) ?? this.#takeBack(packetId);
    received.delete(packetId);
    return known === 'stored';
  }

  /** A PUBREL that comes again meanwhile waits for the same: a second answer would come when the identifier is another's. */
  #takeBack(packetId: number): Promise<void> {
    const { clientId, notes } = this.#deps;
    const { received, noted, releasing } = this.#session;
    const takenBack = notes.released(clientId, packetId).then(
      () => {
        releasing.delete(packetId);
        noted.delete(packetId);
        received.delete(packetId);
      },
      (error) => {
        releasing.delete(packetId);
        throw error;
      },
    );
    releasing.set(packetId, takenBack);
    return takenBack;
  }

  /** A session that outlives its connection outlives this process, too. */
  async #storeAndNote(message: PublishedMessage, { packetId, isDup }: Sending): Promise<number> {
    const { clientId, notes, origin, store } = this.#deps;
    const session = this.#session;
    if (session.expiry === 0) return store(message);
    const digest = digestOf(message); // the message is valid during this call only
    const there = session.received.takeThere(packetId, isDup, digest);
    const matches = await store(message, there).catch((error) => {
      session.received.setThere(packetId, { digest, there });
      throw error;
    });
    if (matches > 0 && !session.isOver) {
      const isReplaced = session.noted.has(packetId);
      session.noted.set(packetId, undefined);
      const isNoted = await notes.stored(clientId, packetId, { digest, expiry: session.expiry, origin });
      if (!isNoted && !isReplaced) session.noted.delete(packetId); // there is nothing to take back
    }
    return matches;
  }
}
