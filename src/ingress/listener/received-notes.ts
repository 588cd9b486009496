import { crc32 } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import { ReceivedMessageSchema } from '../../../gen/penstock/v1/session_pb.ts';
import type { Bus, IncomingRecord } from '../../bus/bus.ts';
import { decoder } from '../../bus/codec.ts';
import type { Topics } from '../../bus/topics.ts';
import type { PublishedMessage } from '../../contract/encode-envelope.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import type { Metrics } from '../../runtime/metrics.ts';
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

/** Between two tries to take back a note, in milliseconds. */
const PAUSE = 5000;
/** Notes of ended sessions that are taken back at once. */
const AT_ONCE = 1000;
/** Sessions that have ended and whose notes are not taken back yet; of more their notes stay. */
const MAX_ENDED = 1000;

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
  /** Of sessions that have ended, what is to be taken back, by client id. */
  readonly #ended = new Map<string, Set<number>>();
  #isTakingBack = false;
  #isOff = false;
  #error: unknown;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#prefix = `${encodeURIComponent(deps.serviceId)}/`;
    this.#failed = new Occasional(deps.clock, (messages) =>
      deps.logger.warn('messages of QoS 2 are not kept from coming twice after a restart', {
        messages,
        error: messageOf(this.#error),
      }),
    );
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

  /** A message is stored. Where that cannot be noted, it is known to this process alone. */
  async stored(clientId: string, packetId: number, { digest, expiry, origin }: Note): Promise<void> {
    if (this.#isOff) return;
    this.#ended.get(clientId)?.delete(packetId); // this note takes the place of that of an earlier session
    const sessionExpiry = durationFromMs(expiry * 1000);
    const note = create(ReceivedMessageSchema, { digest, sessionExpiry, origin });
    try {
      await this.#send(clientId, packetId, toBinary(ReceivedMessageSchema, note));
    } catch (error) {
      this.#error = error;
      this.#deps.metrics.mqttNotesFailed.inc();
      this.#failed.happened();
    }
  }

  /** The client has released it. Rejects when that cannot be noted: another message would be taken for this one. */
  async released(clientId: string, packetId: number): Promise<void> {
    if (!this.#isOff) await this.#send(clientId, packetId, null);
  }

  /** The session has ended with all that is noted of it. */
  forget(clientId: string, packetIds: Iterable<number>): void {
    if (this.#isOff) return;
    const ended = this.#ended.get(clientId) ?? new Set<number>();
    for (const packetId of packetIds) ended.add(packetId);
    // Where notes stay, the digest keeps another message from being taken for one of them after a restart.
    if (ended.size === 0 || this.#ended.size >= MAX_ENDED) return;
    this.#ended.set(clientId, ended);
    if (!this.#isTakingBack) void this.#takeBack();
  }

  /** Some at a time: one session may have tens of thousands. */
  async #takeBack(): Promise<void> {
    this.#isTakingBack = true;
    for (const [clientId, packetIds] of this.#ended) {
      while (packetIds.size > 0) await this.#takeBackSome(clientId, packetIds);
      this.#ended.delete(clientId);
    }
    this.#isTakingBack = false;
  }

  async #takeBackSome(clientId: string, packetIds: Set<number>): Promise<void> {
    const takeBack = async (packetId: number) => {
      await this.released(clientId, packetId);
      packetIds.delete(packetId);
    };
    try {
      await Promise.all([...packetIds].slice(0, AT_ONCE).map(takeBack));
    } catch {
      const { clock } = this.#deps;
      await new Promise<void>((resolve) => clock.setTimer(resolve, PAUSE, { unref: true }));
    }
  }

  #send(clientId: string, packetId: number, value: Uint8Array | null): Promise<void> {
    const { bus, topics } = this.#deps;
    const key = `${this.#prefix}${packetId}/${clientId}`;
    return bus.send(topics.sessions.name, { key, value, isOnce: true });
  }
}
