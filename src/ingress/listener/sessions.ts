import type { Clock } from '../../runtime/clock.ts';

/** What a client's session holds: a publish-only server has nothing but QoS 2 messages that await their PUBREL. */
export interface Session {
  /** By packet identifier: on its way to Kafka, or there. What Kafka did not take is not here. */
  readonly received: Map<number, Promise<number> | 'stored'>;
}

/** Someone who can lose a client id to a newer connection. */
interface Owner {
  takenOver(): void;
}

interface Deps {
  readonly clock: Clock;
  /** A session was forgotten before its time, to make room. */
  onForgotten(): void;
}

/** The longest a session outlives its connection, in seconds. */
export const MAX_SESSION_EXPIRY = 3600;

/** The sessions of this node: one connection each at most, and for some time without one. */
export class Sessions {
  readonly #maxOffline: number;
  readonly #deps: Deps;
  readonly #online = new Map<string, { readonly owner: Owner; readonly session: Session }>();
  /** The longest gone first. `expires` is by the monotonic clock. */
  readonly #offline = new Map<string, { readonly session: Session; readonly expires: number }>();

  constructor(maxOffline: number, deps: Deps) {
    this.#maxOffline = maxOffline;
    this.#deps = deps;
  }

  get online(): number {
    return this.#online.size;
  }

  isOnline(clientId: string): boolean {
    return this.#online.has(clientId);
  }

  /** Gives the client id to `owner`; an older connection that has it is told, and ends. */
  open(clientId: string, isClean: boolean, owner: Owner): { session: Session; isPresent: boolean } {
    this.#online.get(clientId)?.owner.takenOver(); // it closes, which leaves its session among those offline
    const kept = this.#offline.get(clientId);
    this.#offline.delete(clientId);
    const isPresent = !isClean && kept !== undefined && kept.expires > this.#deps.clock.monotonic();
    const session = isPresent ? kept.session : { received: new Map() };
    this.#online.set(clientId, { owner, session });
    return { session, isPresent };
  }

  /** The connection has ended; its session stays for `expiry` seconds. */
  close(clientId: string, owner: Owner, expiry: number): void {
    const open = this.#online.get(clientId);
    if (open?.owner !== owner) return;
    this.#online.delete(clientId);
    this.#forgetExpired();
    if (expiry === 0) return;
    const expires = this.#deps.clock.monotonic() + Math.min(expiry, MAX_SESSION_EXPIRY) * 1000;
    this.#offline.set(clientId, { session: open.session, expires });
    if (this.#offline.size <= this.#maxOffline) return;
    const [longestGone] = this.#offline.keys();
    this.#offline.delete(longestGone!);
    this.#deps.onForgotten();
  }

  #forgetExpired(): void {
    const now = this.#deps.clock.monotonic();
    for (const [clientId, { expires }] of this.#offline) {
      if (expires > now) return; // those with a shorter expiry behind it wait; the bound holds all the same
      this.#offline.delete(clientId);
    }
  }
}
