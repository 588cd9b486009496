import { addressKey } from '../../rpc/caller-key.ts';
import { rateLimited } from '../../rpc/require-rate.ts';
import type { Clock } from '../../runtime/clock.ts';
import { RateLimit } from '../../runtime/rate-limit.ts';

/** Of names that did not log in from there, and of tokens, from one address. */
const OF_ADDRESS = { atOnce: 30, perMinute: 30 };
/** Of one name from one address. */
const OF_BOTH = { atOnce: 10, perMinute: 6 };
/** Of one name from wherever it did not log in from. */
const OF_NAME = { atOnce: 100, perMinute: 20 };
/** From where names logged in is remembered of so many of both. */
const MAX_KNOWN = 10_000;

/**
 * How often passwords and tokens may be tried on this node. Who tries a name from many addresses, or many names from one, keeps
 * nobody out who has logged in from his own before.
 */
export class LoginLimits {
  readonly #ofAddress: RateLimit;
  readonly #ofBoth: RateLimit;
  readonly #ofName: RateLimit;
  /** Where names have logged in from; the one that did so longest ago first. */
  readonly #known = new Set<string>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#ofAddress = new RateLimit(OF_ADDRESS, clock);
    this.#ofBoth = new RateLimit(OF_BOTH, clock);
    this.#ofName = new RateLimit(OF_NAME, clock);
  }

  /**
   * A try to log in. Answers whether the name has logged in from there before.
   * @param name of a user; unset: with a token
   * @throws RpcError RESOURCE_EXHAUSTED when there were too many
   */
  take(address: string, name?: string): boolean {
    const from = addressKey(address);
    const isKnown = this.#knows(from, name);
    const wait = isKnown
      ? this.#ofBoth.take(keyOf(from, name))
      : this.#ofAddress.take(from) || (name === undefined ? 0 : this.#takeName(from, name));
    if (wait > 0) throw limited(wait);
    return isKnown;
  }

  /** From there the tries of others do not keep the name out. */
  succeeded(address: string, name: string): void {
    const both = keyOf(addressKey(address), name);
    this.#known.delete(both);
    this.#known.add(both);
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.values().next().value!);
  }

  #knows(from: string, name: string | undefined): name is string {
    return name !== undefined && this.#known.has(keyOf(from, name));
  }

  #takeName(from: string, name: string): number {
    return this.#ofBoth.take(keyOf(from, name)) || this.#ofName.take(name);
  }
}

const keyOf = (from: string, name: string) => `${from} ${name}`;

function limited(wait: number) {
  const seconds = Math.ceil(wait / 1000);
  const text = `there were too many tries to log in, for this name or from this address: try again in ${seconds} s`;
  return rateLimited(wait, text);
}
