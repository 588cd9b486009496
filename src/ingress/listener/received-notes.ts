import { crc32 } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { ReceivedMessageSchema } from '../../../gen/penstock/v1/session_pb.ts';
import { type Bus, BusError, type IncomingRecord } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import type { Topics } from '../../bus/topics.ts';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
import { EndedNotes } from './ended-notes.ts';
import { Occasional } from './occasional.ts';
import { MAX_SESSION_EXPIRY } from './session-expiry.ts';

/** A session as a run of this node before has left it. */
export interface NotedSession {
  /** What is left of it, in seconds. */
  readonly expiry: number;
  readonly origin: string;
  /** Digests of messages that are stored and not released, by packet identifier. */
  readonly received: Map<number, number>;
}

/** What a note says beside the packet identifier and the client. */
export interface Note {
  readonly digest: number;
  /** In seconds. */
  readonly expiry: number;
  readonly origin: string;
}

/** A note as it is read; `expiry` is what is left of it, and negative where it is over. */
interface ReadNote extends Note {
  readonly clientId: string;
  readonly packetId: number;
}

interface Deps {
  readonly bus: Pick<Bus, 'createTopics' | 'send' | 'offsets' | 'read'>;
  readonly topics: Pick<Topics, 'sessions'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly serviceId: string;
}

/** What the listener needs of them. */
export type SessionNotes = Pick<ReceivedNotes, 'stored' | 'released' | 'forget' | 'found'>;

/** Tells a message from others. */
export function digestOf({ topicName, payload }: Pick<PublishedMessage, 'topicName' | 'payload'>): number {
  return crc32(payload, crc32(topicName));
}

type Digested = Parameters<typeof digestOf>[0];

/**
 * Whether it is another message than the one of this digest, which a run before has noted; unset: none has. That one comes
 * again as a duplicate (MQTT-3.3.1-1); one that does not is another, whatever it says: the note may be of a session that is over.
 */
export function isAnother(message: Digested, isDup: boolean, digest: number | undefined): boolean {
  return digest !== undefined && (!isDup || digest !== digestOf(message));
}

/**
 * What sessions hold, noted on Kafka for the next run of this node: a message of QoS 2 is noted when it is stored, before it is
 * acknowledged, and the note is taken back before the client may use its packet identifier again.
 */
export class ReceivedNotes {
  /** Sessions of the run before, by client id. */
  readonly found: Map<string, NotedSession> = new Map();
  readonly #deps: Deps;
  readonly #prefix: string;
  readonly #failed: Occasional;
  readonly #ended: EndedNotes;
  #isOff = false;
  #error: unknown;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#prefix = `${encodeURIComponent(deps.serviceId)}/`;
    const { name: topic } = deps.topics.sessions;
    this.#failed = new Occasional(deps.clock, (notes) =>
      deps.logger.warn(
        'Kafka did not take notes of messages of QoS 2, or not take them back: after a restart some may come twice. See that ' +
          'the topic is there (an ingress that starts makes it), that its partitions have leaders, and that it may be written',
        { topic, notes, error: messageOf(this.#error) },
      ),
    );
    this.#ended = new EndedNotes({
      clock: deps.clock,
      takeBack: (clientId, packetId) => this.released(clientId, packetId),
      onLeft: () => this.#hasFailed(new Error('too many notes of ended sessions wait to be taken back')),
    });
  }

  /** Reads the notes of the run before. Without them, and without new ones, sessions end with the process. */
  async restore(signal: AbortSignal): Promise<void> {
    const { bus, topics, logger } = this.#deps;
    const { name: topic, schema } = topics.sessions;
    const decode = decoder(schema, this.#deps);
    const notes = new Map<string, ReadNote>();
    try {
      await bus.createTopics([topics.sessions]);
      const ranges = await bus.offsets(topic);
      const eachBatch = async (records: readonly IncomingRecord[]) => {
        for (const record of records) this.#read(record, decode, notes);
      };
      await bus.read({ topic, ranges, signal, isCompacted: true, eachBatch });
    } catch (error) {
      signal.throwIfAborted();
      this.#isOff = true;
      logger.warn('sessions of MQTT clients end with this process: the topic of sessions cannot be used', {
        topic,
        error: messageOf(error),
      });
      return;
    }
    for (const note of notes.values()) this.#restoreNote(note);
  }

  #read(
    record: IncomingRecord,
    decode: ReturnType<typeof decoder<typeof ReceivedMessageSchema>>,
    notes: Map<string, ReadNote>,
  ): void {
    const { key, timestamp } = record;
    if (!key?.startsWith(this.#prefix)) return;
    notes.delete(key);
    const note = record.value === null ? undefined : decode(record);
    if (!note) return;
    const rest = key.slice(this.#prefix.length);
    const packetId = Number.parseInt(rest, 10);
    const clientId = rest.slice(rest.indexOf('/') + 1);
    const { digest, origin, sessionExpiry } = note;
    const age = Math.max(0, this.#deps.clock.now() - timestamp); // the wall clock may have been set back
    const whole = Math.min(sessionExpiry ? durationMs(sessionExpiry) / 1000 : 0, MAX_SESSION_EXPIRY);
    notes.set(key, { clientId, packetId, digest, origin, expiry: whole - age / 1000 });
  }

  /** However long the node was gone: the client has been elsewhere meanwhile, and uses its packet identifiers again. */
  #restoreNote({ clientId, packetId, digest, expiry, origin }: ReadNote): void {
    if (expiry <= 0) {
      this.forget(clientId, [packetId]);
      return;
    }
    const session = this.found.get(clientId);
    const received = session?.received ?? new Map<number, number>();
    received.set(packetId, digest);
    this.found.set(clientId, { expiry: Math.max(expiry, session?.expiry ?? 0), origin, received });
  }

  /**
   * A message is stored. Where that cannot be noted, it is known to this process alone. Answers whether Kafka may have the
   * note, and thus must take it back.
   */
  async stored(clientId: string, packetId: number, { digest, expiry, origin }: Note): Promise<boolean> {
    if (this.#isOff) return false;
    const isOwed = this.#ended.replace(clientId, packetId);
    const sessionExpiry = durationFromMs(expiry * 1000);
    const note = create(ReceivedMessageSchema, { digest, sessionExpiry, origin });
    try {
      await this.#send(clientId, packetId, toBinary(ReceivedMessageSchema, note));
      return true;
    } catch (error) {
      this.#hasFailed(error);
      if (isOwed) this.forget(clientId, [packetId]);
      return mayBeThere(error);
    }
  }

  /** The client has released it. Rejects when that cannot be noted: another message would be taken for this one. */
  async released(clientId: string, packetId: number): Promise<void> {
    if (this.#isOff) return;
    try {
      await this.#send(clientId, packetId, null);
    } catch (error) {
      if (error instanceof BusError && error.reason === 'unknown-topic') return; // the note is gone with the topic
      this.#hasFailed(error);
      throw error;
    }
  }

  /** The session has ended with all that is noted of it. */
  forget(clientId: string, packetIds: Iterable<number>): void {
    if (!this.#isOff) this.#ended.add(clientId, packetIds);
  }

  #hasFailed(error: unknown): void {
    this.#error = error;
    this.#deps.metrics.mqttNotesFailed.inc();
    this.#failed.happened();
  }

  #send(clientId: string, packetId: number, value: Uint8Array | null): Promise<void> {
    const { bus, topics } = this.#deps;
    const key = `${this.#prefix}${packetId}/${clientId}`;
    return bus.send(topics.sessions.name, { key, value, isOnce: true });
  }
}

/** What Kafka may have is not refused for an hour, by `isOnce`, and then the note is over; but for a bus that closes. */
const mayBeThere = (error: unknown) =>
  !(error instanceof BusError) || error.reason === 'closed' || error.reason === 'failed';
