import type { ConnectionOptions } from 'node:tls';
import { targetOf } from '../../runtime/authority.ts';
import type { Clock } from '../../runtime/clock.ts';
import { timeoutSignal, withDeadline } from '../../runtime/deadline.ts';
import type { Dial } from '../../runtime/dial.ts';
import { messageOf } from '../../runtime/logger.ts';
import { askForToken, type GrantedToken, type OAuth2Client } from './token-request.ts';

/** How long a token may take, in milliseconds. */
const DEADLINE = 10_000;
/** A token is renewed this long before it expires, or after 4/5 of its time when that is later. */
const RENEW_BEFORE = 60_000;
/** Nobody asks again so soon after a failure: a busy integration is not to flood the token endpoint. */
const PAUSE_AFTER_FAILURE = 1000;
/** A token that came in place of a refused one is not replaced so soon for being refused, too. */
const PAUSE_AFTER_REFUSAL = 10_000;

interface Deps {
  readonly dial: Dial;
  /** How to reach a token endpoint with TLS. */
  readonly tls: ConnectionOptions;
  readonly clock: Clock;
}

/** There is no token. The message says why, and holds no secret. */
export class TokenError extends Error {
  override readonly name = 'TokenError';
}

interface Token {
  readonly value: string;
  /** Monotonic milliseconds. */
  readonly since: number;
  readonly renewAt: number;
  readonly expiresAt: number;
  /** It came in place of one that was refused. */
  readonly afterRefusal: boolean;
}

/** The access tokens of one client: kept until they are about to expire or are refused, asked for once at a time. */
export class OAuth2Tokens implements Disposable {
  readonly #client: OAuth2Client;
  readonly #deps: Deps;
  readonly #stop = new AbortController();
  #token: Token | undefined;
  #asking: Promise<Token> | undefined;
  #failure: { readonly error: TokenError; readonly until: number } | undefined;
  #wasRefused = false;

  constructor(client: OAuth2Client, deps: Deps) {
    this.#client = client;
    this.#deps = deps;
  }

  /** A token that has not expired. Rejects with a `TokenError`, or with the signal's reason when that aborts. */
  async token(signal: AbortSignal): Promise<string> {
    const { clock } = this.#deps;
    const kept = this.#token;
    if (kept && clock.monotonic() < kept.expiresAt) {
      // Nobody waits for the next one as long as this one lives, and nobody is told that there is none.
      if (clock.monotonic() >= kept.renewAt) this.#renewed().catch(() => {});
      return kept.value;
    }
    try {
      return (await withDeadline(clock, DEADLINE, 'the token endpoint', this.#renewed(), signal)).value;
    } catch (error) {
      if (signal.aborted || error instanceof TokenError) throw error;
      throw new TokenError(messageOf(error), { cause: error });
    }
  }

  /**
   * A token that is not about to expire, as far as one can be had: for what lasts as long as its token. Rejects as `token`
   * does.
   */
  async freshToken(signal: AbortSignal): Promise<string> {
    const { clock } = this.#deps;
    const kept = this.#token;
    if (kept && clock.monotonic() >= kept.renewAt) {
      // Without an answer the old one has to do.
      await withDeadline(clock, DEADLINE, 'the token endpoint', this.#renewed(), signal).catch(() => {});
    }
    return this.token(signal);
  }

  /** This token was refused: says whether asking for another one may help. */
  refused(token: string): boolean {
    const kept = this.#token;
    if (kept?.value !== token) return true; // another one is there, or on its way
    if (kept.afterRefusal && this.#deps.clock.monotonic() < kept.since + PAUSE_AFTER_REFUSAL) return false;
    this.#token = undefined;
    this.#wasRefused = true;
    return true;
  }

  /** Ends a request that is on its way. */
  [Symbol.dispose](): void {
    this.#stop.abort(new TokenError('the client is closed'));
  }

  #renewed(): Promise<Token> {
    const failure = this.#failure;
    if (failure && this.#deps.clock.monotonic() < failure.until) return Promise.reject(failure.error);
    this.#asking ??= this.#renew().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #renew(): Promise<Token> {
    const { clock } = this.#deps;
    try {
      const since = clock.monotonic();
      const { value, lifetime } = await this.#ask();
      const early = Math.min(RENEW_BEFORE, lifetime / 5);
      const afterRefusal = this.#wasRefused;
      this.#wasRefused = false;
      this.#failure = undefined;
      this.#token = {
        value,
        since,
        renewAt: since + lifetime - early,
        expiresAt: since + lifetime,
        afterRefusal,
      };
      return this.#token;
    } catch (error) {
      const reason = `${withoutQuery(this.#client.tokenUrl)} gave no token: ${messageOf(error)}`;
      const told = new TokenError(reason);
      this.#failure = { error: told, until: clock.monotonic() + PAUSE_AFTER_FAILURE };
      throw told;
    }
  }

  /** One request; everything of it has ended when the promise is settled. */
  async #ask(): Promise<GrantedToken> {
    const { clock, dial, tls } = this.#deps;
    using deadline = timeoutSignal(clock, DEADLINE, 'the token endpoint', this.#stop.signal);
    const { signal } = deadline;
    signal.throwIfAborted();
    const url = new URL(this.#client.tokenUrl);
    const target = targetOf(url);
    const socket = await dial(url.protocol === 'https:' ? { ...target, tls } : target, signal);
    try {
      return await askForToken(socket, this.#client, signal);
    } finally {
      socket.destroy();
    }
  }
}

function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
