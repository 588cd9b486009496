import { Lane } from '../../bus/lane.ts';
import type { CancelTimer, Clock } from '../../runtime/clock.ts';
import { Origins } from './origins.ts';
import { Received } from './received.ts';
import type { ReceivedNotes } from './received-notes.ts';
import { MAX_SESSION_EXPIRY } from './session-expiry.ts';
import { type Will, type Wills, willMemory } from './wills.ts';

/** What a client's session holds: a publish-only server has nothing but QoS 2 messages that await their PUBREL. */
export interface Session {
  /** What Kafka did not take is not here. */
  readonly received: Received;
  /** What its connections send, in order: a message of QoS 2 may be on its way for an earlier one. */
  lane: Lane;
  /** How long it outlives its connection, in seconds. */
  expiry: number;
  /** The client has no use for it any more. */
  isOver: boolean;
  /** Packet identifiers of which there is a note; of those from a run before, the digest of the message. */
  readonly noted: Map<number, number | undefined>;
  /** Packet identifiers whose PUBREL has come and whose note is on its way back. */
  readonly releasing: Map<number, Promise<void>>;
}

/** A session without a connection. */
interface Offline {
  readonly session: Session;
  /** Where its last connection came from. */
  readonly origin: string;
  /** By the monotonic clock. */
  readonly expires: number;
  /** What it keeps in memory. */
  bytes: number;
  /** Waits for its delay to pass, or for the session's end. */
  will?: { readonly will: Will; readonly cancel: CancelTimer } | undefined;
}

/** Someone who can lose a client id to a newer connection. */
interface Owner {
  /** Where it comes from. */
  readonly origin: string;
  takenOver(): void;
}

interface Deps {
  readonly clock: Clock;
  readonly notes: Pick<ReceivedNotes, 'forget' | 'found'>;
  readonly wills: Pick<Wills, 'publish' | 'keep' | 'takeBack' | 'back'>;
  /** A session was forgotten before its time, to make room. */
  onForgotten(): void;
}

interface Limits {
  /** Sessions without a connection. */
  readonly maxOffline: number;
  /** What they keep in memory. */
  readonly maxBytes: number;
}

/** How the connection of a session ended. */
interface Departure {
  /** How long the session stays, in seconds. */
  readonly expiry: number;
  /** Unset: the client said goodbye. */
  readonly will: Will | undefined;
  /** It was us who ended it, because Kafka does not take its messages. */
  readonly isOurs: boolean;
}

/** What a session keeps in memory besides what is in it, about, in bytes. */
const OVERHEAD = 512;
/** What is known of a note, about. */
const NOTE_BYTES = 64;

/** What a client's session keeps in memory. */
export function sessionMemory(clientId: string, session: Pick<Session, 'received' | 'noted'>): number {
  return OVERHEAD + 2 * clientId.length + session.received.bytes + NOTE_BYTES * session.noted.size;
}

const newSession = (): Session => ({
  received: new Received(),
  lane: new Lane(),
  expiry: 0,
  isOver: false,
  noted: new Map(),
  releasing: new Map(),
});

/** The sessions of this node: one connection each at most, and for some time without one. */
export class Sessions {
  readonly #limits: Limits;
  readonly #deps: Deps;
  readonly #online = new Map<string, { readonly owner: Owner; readonly session: Session }>();
  /** The longest gone first. */
  readonly #offline = new Map<string, Offline>();
  /** Client ids, by where they were last connected from. */
  readonly #origins = new Origins<string>();
  #offlineBytes = 0;

  constructor(limits: Limits, deps: Deps) {
    this.#limits = limits;
    this.#deps = deps;
    this.#restore();
  }

  get online(): number {
    return this.#online.size;
  }

  isOnline(clientId: string): boolean {
    return this.#online.has(clientId);
  }

  /** Gives the client id to `owner`; an older connection that has it is told, and ends. */
  open(clientId: string, isClean: boolean, owner: Owner): { session: Session; isPresent: boolean } {
    const { clock, wills } = this.#deps;
    wills.takeBack(clientId); // before the takeover or the end of the session, whose will is meant to be published
    this.#online.get(clientId)?.owner.takenOver(); // it closes, which leaves its session among those offline
    const kept = this.#offline.get(clientId);
    const isPresent = !isClean && kept !== undefined && kept.expires > clock.monotonic();
    if (kept && isPresent) this.#resume(clientId, kept);
    else if (kept) this.#end(clientId, kept);
    wills.back(clientId);
    const session = isPresent ? kept.session : newSession();
    this.#online.set(clientId, { owner, session });
    return { session, isPresent };
  }

  /** The connection has ended; its session stays for a while. */
  close(clientId: string, owner: Owner, { expiry, will, isOurs }: Departure): void {
    const open = this.#online.get(clientId);
    if (open?.owner !== owner) return;
    this.#online.delete(clientId);
    this.#endExpired();
    const stays = Math.min(expiry, MAX_SESSION_EXPIRY);
    const delay = Math.min(will?.delay ?? 0, stays);
    if (will && delay === 0) this.#deps.wills[isOurs ? 'keep' : 'publish'](will);
    if (stays === 0) {
      this.#discard(clientId, open.session);
      return;
    }
    const offline = this.#offlineOf(clientId, open.session, owner.origin, stays);
    if (will && delay > 0) this.#delay(clientId, will, delay, offline);
    this.#keep(clientId, offline);
  }

  /** The node stops: wills that wait are due. What is noted of the sessions is for its next run. */
  endOffline(): void {
    for (const [clientId, offline] of this.#offline) {
      const will = this.#takeWill(clientId, offline);
      if (will) this.#deps.wills.publish(will);
    }
  }

  #restore(): void {
    const { found } = this.#deps.notes;
    for (const [clientId, { expiry, origin, received }] of found) {
      const session = { ...newSession(), expiry, noted: received };
      for (const packetId of received.keys()) session.received.set(packetId, 'stored');
      this.#keep(clientId, this.#offlineOf(clientId, session, origin, expiry));
    }
    found.clear();
  }

  #offlineOf(clientId: string, session: Session, origin: string, stays: number): Offline {
    const expires = this.#deps.clock.monotonic() + stays * 1000;
    return { session, origin, expires, bytes: sessionMemory(clientId, session) };
  }

  #keep(clientId: string, offline: Offline): void {
    this.#offline.set(clientId, offline);
    this.#origins.add(offline.origin, clientId, offline.bytes);
    this.#offlineBytes += offline.bytes;
    this.#makeRoom();
  }

  /** Nobody comes back to it. */
  #discard(clientId: string, session: Session): void {
    session.isOver = true;
    this.#deps.notes.forget(clientId, session.noted.keys());
  }

  #delay(clientId: string, will: Will, delay: number, offline: Offline): void {
    const { clock, wills } = this.#deps;
    const onDue = () => {
      this.#takeWill(clientId, offline);
      wills.publish(will);
    };
    offline.will = { will, cancel: clock.setTimer(onDue, delay * 1000, { unref: true }) };
    offline.bytes += willMemory(will);
  }

  /** The will is not the session's any more. */
  #takeWill(clientId: string, offline: Offline): Will | undefined {
    if (!offline.will) return undefined;
    const { will, cancel } = offline.will;
    cancel();
    offline.will = undefined;
    offline.bytes -= willMemory(will);
    this.#origins.resize(offline.origin, clientId, offline.bytes);
    this.#offlineBytes -= willMemory(will);
    return will;
  }

  /** The client is back within the delay of its will, which is void. */
  #resume(clientId: string, offline: Offline): void {
    this.#takeWill(clientId, offline);
    this.#forget(clientId, offline);
  }

  /** A will that still waits is due with the end of its session. */
  #end(clientId: string, offline: Offline): void {
    const will = this.#takeWill(clientId, offline);
    this.#forget(clientId, offline);
    this.#discard(clientId, offline.session);
    if (will) this.#deps.wills.publish(will);
  }

  #forget(clientId: string, offline: Offline): void {
    this.#offline.delete(clientId);
    this.#origins.delete(offline.origin, clientId);
    this.#offlineBytes -= offline.bytes;
  }

  #makeRoom(): void {
    const { maxOffline, maxBytes } = this.#limits;
    for (;;) {
      const isTooMany = this.#offline.size > maxOffline;
      if (!isTooMany && this.#offlineBytes <= maxBytes) return;
      const clientId = this.#origins.oldestOfMost(isTooMany ? 'number' : 'bytes');
      const offline = clientId === undefined ? undefined : this.#offline.get(clientId);
      if (clientId === undefined || !offline) return;
      this.#end(clientId, offline);
      this.#deps.onForgotten();
    }
  }

  #endExpired(): void {
    const now = this.#deps.clock.monotonic();
    for (const [clientId, offline] of this.#offline) {
      if (offline.expires > now) return; // those with a shorter expiry behind it wait; the bounds hold all the same
      this.#end(clientId, offline);
    }
  }
}
