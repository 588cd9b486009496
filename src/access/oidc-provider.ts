import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { failed } from '../rpc/error.ts';
import type { Clock } from '../runtime/clock.ts';
import { timeoutSignal } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import type { Warnings } from '../runtime/warnings.ts';
import { isSafe } from './oidc-config.ts';
import type { Ask } from './oidc-http.ts';

const SECOND = 1000;
/** What the provider may take to say what it is and which keys it has, in milliseconds, as all that follow. */
const DEADLINE = 5 * SECOND;
/** Then they are read anew. */
const FRESH = 600 * SECOND;
/** Then they are good for nothing, if they could not be read anew. */
const USABLE = 3600 * SECOND;
/** Between two tries: whoever shows tokens of keys that do not exist makes Penstock ask no more often. */
const PAUSE = 30 * SECOND;
const PAUSE_AFTER_FAILURE = 5 * SECOND;

/** What the provider says of itself, of which these are looked at here. */
export interface Metadata extends Readonly<Record<string, unknown>> {
  readonly issuer: string;
  readonly jwks_uri: string;
}

/** The provider at one moment. */
export interface Provider {
  readonly metadata: Metadata;
  /** The key of a token. Rejects with `JWKSNoMatchingKey` when it has none. */
  readonly key: JWTVerifyGetKey;
}

interface Deps {
  readonly ask: Ask;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'oidcFailures'>;
  readonly warnings: Warnings;
}

/**
 * What is known of an OpenID Connect provider, read by its discovery document, and anew every 10 minutes in which it is
 * needed. When that fails, what was read before goes on for an hour.
 */
export class OidcProvider implements Disposable {
  readonly issuer: string;
  readonly #deps: Deps;
  readonly #stopping = new AbortController();
  #read: { readonly provider: Provider; readonly time: number } | undefined;
  #reading: Promise<void> | undefined;
  #tried = Number.NEGATIVE_INFINITY;
  /** Of the last try. */
  #failure: string | undefined;

  constructor(issuer: string, deps: Deps) {
    this.issuer = issuer;
    this.#deps = deps;
  }

  /** @throws RpcError UNAVAILABLE when nothing is known of it now */
  async current(): Promise<Provider> {
    const age = this.#age();
    if (age < FRESH) return this.#read!.provider;
    const reading = this.#readAnew();
    // While it does not answer nobody waits for it who need not.
    if (age >= USABLE || this.#failure === undefined) await reading;
    if (this.#age() < USABLE) return this.#read!.provider;
    const text = `who calls cannot be found out now, as ${this.issuer} does not answer as it should: try again`;
    throw failed(Code.UNAVAILABLE, 'PROVIDER_UNAVAILABLE', text);
  }

  /** The provider as it is after `provider`, which lacks a key; undefined: it is still the same, or was just asked. */
  async after(provider: Provider): Promise<Provider | undefined> {
    if (this.#read?.provider === provider) await this.#readAnew();
    return this.#read?.provider === provider ? undefined : this.#read?.provider;
  }

  [Symbol.dispose](): void {
    this.#stopping.abort(new Error('the process ends'));
  }

  #age(): number {
    return this.#read === undefined
      ? Number.POSITIVE_INFINITY
      : this.#deps.clock.monotonic() - this.#read.time;
  }

  /** For all who ask meanwhile, and not again at once. */
  #readAnew(): Promise<void> {
    if (this.#reading) return this.#reading;
    const pause = this.#failure === undefined ? PAUSE : PAUSE_AFTER_FAILURE;
    if (this.#deps.clock.monotonic() - this.#tried < pause) return Promise.resolve();
    this.#reading = this.#tryToRead().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #tryToRead(): Promise<void> {
    const { clock, logger, metrics, warnings } = this.#deps;
    try {
      using deadline = timeoutSignal(clock, DEADLINE, this.issuer, this.#stopping.signal);
      const provider = await this.#ask(deadline.signal);
      this.#read = { provider, time: clock.monotonic() };
      if (this.#failure !== undefined) logger.info('the OpenID Connect provider answers again');
      this.#failure = undefined;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      metrics.oidcFailures.inc();
      const why = messageOf(error);
      if (why !== this.#failure)
        logger.warn('the OpenID Connect provider does not answer as it should', { why });
      this.#failure = why;
    }
    this.#tried = clock.monotonic();
    warnings.set(
      'oidc',
      this.#failure && `the OpenID Connect provider does not answer as it should: ${this.#failure}`,
    );
  }

  async #ask(signal: AbortSignal): Promise<Provider> {
    const document = `${this.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const metadata = await this.#json(document, signal);
    const { issuer, jwks_uri } = metadata;
    if (issuer !== this.issuer) {
      throw new Error(
        `${document} is of the issuer ${String(issuer).slice(0, 300)}: set PENSTOCK_OIDC_ISSUER to exactly that, if it is yours`,
      );
    }
    const url = typeof jwks_uri === 'string' ? URL.parse(jwks_uri) : null;
    if (typeof jwks_uri !== 'string' || url === null || !isSafe(url)) {
      throw new Error(`${document} has no jwks_uri that is an https URL`);
    }
    const keys = await this.#json(jwks_uri, signal);
    if (!Array.isArray(keys.keys)) throw new Error(`${jwks_uri} has no list of keys`);
    const key = createLocalJWKSet({ keys: keys.keys });
    return { metadata: { ...metadata, issuer, jwks_uri }, key };
  }

  async #json(url: string, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    try {
      const answer = await this.#deps.ask(url, { headers: { accept: 'application/json' }, signal });
      if (answer.status !== 200) throw new Error(`it answers ${answer.status}`);
      const value: unknown = await answer.json();
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
      throw new Error('it answers no JSON object');
    } catch (cause) {
      throw new Error(`${url}: ${messageOf(cause)}`, { cause });
    }
  }
}
