import * as oauth from 'oauth4webapi';
import { CallerKind } from '../../gen/penstock/v1/access_pb.ts';
import type { Caller } from '../rpc/caller.ts';
import { addressKey } from '../rpc/caller-key.ts';
import { RpcError } from '../rpc/error.ts';
import type { Page, PageAsked, Pages } from '../rpc/pages.ts';
import { sessionCookie } from '../rpc/session-cookie.ts';
import type { Clock } from '../runtime/clock.ts';
import { timeoutSignal } from '../runtime/deadline.ts';
import { type Logger, messageOf } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { RateLimit } from '../runtime/rate-limit.ts';
import { localPath } from './local-path.ts';
import { endedLoginCookie, type LoginAttempt, loginAttempt, loginCookie } from './login-cookie.ts';
import { onwardPage, problemPage, redirect } from './login-page.ts';
import type { Oidc } from './oidc.ts';
import { isSafe, type OidcClient } from './oidc-config.ts';
import type { Person } from './oidc-tokens.ts';

const START = '/login/oidc';
const CALLBACK = '/login/oidc/callback';
/** What the provider may take to exchange a code, in milliseconds. */
const DEADLINE = 5000;
/** Codes that are exchanged at a time: whoever shows made-up ones makes Penstock ask the provider. */
const MAX_EXCHANGES = 20;
/** Of one address, so that whoever shows made-up ones does not take all of these for long. */
const EXCHANGES_OF_ADDRESS = { atOnce: 10, perMinute: 30 };
/** Of the provider's clock and this one's, in seconds. */
const CLOCK_TOLERANCE = 30;

interface LoginDeps {
  /** Unset: there is none. */
  readonly oidc?: Oidc | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'logins'>;
  /** Whether browsers reach the HTTP port over TLS. */
  readonly isCookieSecure: boolean;
  /** Begins a session. Rejects when that is not possible now. */
  startSession(caller: Caller): Promise<{ readonly session: string }>;
}

/** Nobody is logged in; the text is for the one who tried. */
class LoginError extends Error {
  override readonly name = 'LoginError';
  readonly status: number;
  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** The pages by which people log in at an OpenID Connect provider: the authorization code flow with PKCE. */
export function oidcLoginPages({ oidc, ...deps }: LoginDeps): Pages {
  const client = oidc?.config.client;
  if (oidc === undefined || client === undefined) return new Map();
  const login = new OidcLogin(client, { ...deps, oidc });
  return new Map([
    [START, (asked: PageAsked) => login.start(asked)],
    [CALLBACK, (asked: PageAsked) => login.finish(asked)],
  ]);
}

type Deps = LoginDeps & { readonly oidc: Oidc };

class OidcLogin {
  readonly #client: OidcClient;
  readonly #deps: Deps;
  readonly #ofAddress: RateLimit;
  #exchanges = 0;

  constructor(client: OidcClient, deps: Deps) {
    this.#client = client;
    this.#deps = deps;
    this.#ofAddress = new RateLimit(EXCHANGES_OF_ADDRESS, deps.clock);
  }

  /** Sends the browser to the provider. */
  async start(asked: PageAsked): Promise<Page> {
    const { isCookieSecure } = this.#deps;
    const attempt: LoginAttempt = {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
      next: localPath(asked.query.get('next')),
    };
    try {
      const url = endpoint(await this.#server(), 'authorization_endpoint');
      for (const [name, value] of Object.entries({
        client_id: this.#client.id,
        redirect_uri: this.#redirectUrl(asked),
        response_type: 'code',
        scope: this.#client.scopes.join(' '),
        state: attempt.state,
        nonce: attempt.nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: 'S256',
      })) {
        url.searchParams.set(name, value);
      }
      return redirect(url.href, loginCookie(attempt, isCookieSecure));
    } catch (error) {
      return this.#refuse(error, asked);
    }
  }

  /** Takes the browser back, and begins a session. A code is tried once: the browser forgets what it came with. */
  async finish(asked: PageAsked): Promise<Page> {
    const { isCookieSecure, startSession, logger, metrics } = this.#deps;
    try {
      const attempt = loginAttempt(asked.headers.cookie, isCookieSecure);
      if (attempt === undefined) throw new LoginError(400, BEGIN_AGAIN);
      const { name, role } = await this.#person(attempt, asked);
      const { session } = await startSession({ name, role, kind: CallerKind.OIDC, address: asked.address });
      metrics.logins.inc({ result: 'succeeded' });
      logger.info('somebody logged in by OpenID Connect', { name, address: asked.address });
      return onwardPage(attempt.next, [
        sessionCookie(session, isCookieSecure),
        endedLoginCookie(isCookieSecure),
      ]);
    } catch (error) {
      return this.#refuse(error, asked);
    }
  }

  async #person(attempt: LoginAttempt, asked: PageAsked): Promise<Person> {
    const wait = this.#ofAddress.take(addressKey(asked.address));
    if (wait > 0) throw new LoginError(429, tooMany(wait));
    if (this.#exchanges >= MAX_EXCHANGES)
      throw new LoginError(503, 'Too many people log in at once: try again.');
    this.#exchanges++;
    try {
      const token = await this.#idToken(attempt, asked);
      const { tokens } = this.#deps.oidc;
      const claims = await tokens.claimsOf(token, this.#client.id);
      if (claims === undefined) throw new LoginError(502, BROKEN);
      const person = tokens.personOf(claims);
      if (person === undefined) throw new LoginError(403, NO_ROLE);
      return person;
    } finally {
      this.#exchanges--;
    }
  }

  /** What the provider gives for the code, everything but its signature checked. */
  async #idToken(attempt: LoginAttempt, asked: PageAsked): Promise<string> {
    const { oidc, clock } = this.#deps;
    const server = await this.#server();
    endpoint(server, 'token_endpoint');
    const client: oauth.Client = { client_id: this.#client.id, [oauth.clockTolerance]: CLOCK_TOLERANCE };
    const parameters = broughtBack(server, client, asked, attempt);
    using deadline = timeoutSignal(clock, DEADLINE, 'the token endpoint');
    const response = await oauth.authorizationCodeGrantRequest(
      server,
      client,
      this.#authentication(server),
      parameters,
      this.#redirectUrl(asked),
      attempt.verifier,
      {
        [oauth.customFetch]: (url, { method, headers, body }) =>
          oidc.ask(url, { method, headers, body, signal: deadline.signal }),
        [oauth.allowInsecureRequests]: true, // `endpoint` has looked at it
      },
    );
    const checks = { expectedNonce: attempt.nonce, requireIdToken: true };
    const { id_token } = await oauth.processAuthorizationCodeResponse(server, client, response, checks);
    if (id_token === undefined) throw new LoginError(502, BROKEN);
    return id_token;
  }

  async #server(): Promise<oauth.AuthorizationServer> {
    const { metadata } = await this.#deps.oidc.provider.current();
    return metadata as unknown as oauth.AuthorizationServer; // of what is used the types are looked at there
  }

  #authentication({ token_endpoint_auth_methods_supported: methods }: oauth.AuthorizationServer) {
    const secret = this.#client.secret();
    if (secret === undefined) return oauth.None();
    const takesBasic = methods === undefined || methods.includes('client_secret_basic');
    return takesBasic ? oauth.ClientSecretBasic(secret) : oauth.ClientSecretPost(secret);
  }

  /** Of a host that may be called: no other one comes here. */
  #redirectUrl({ headers: { host } }: PageAsked): string {
    const scheme = this.#deps.isCookieSecure ? 'https' : 'http';
    return this.#client.redirectUrl ?? `${scheme}://${host}${CALLBACK}`;
  }

  #refuse(error: unknown, { address }: PageAsked): Page {
    const { status, message } = toldOf(error);
    this.#deps.metrics.logins.inc({ result: resultOf(status) });
    this.#deps.logger.info('somebody could not log in by OpenID Connect', { address, why: whyOf(error) });
    return problemPage(status, message, [endedLoginCookie(this.#deps.isCookieSecure)]);
  }
}

/** @throws LoginError when it is not what this browser was sent for */
function broughtBack(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  { query }: PageAsked,
  { state }: LoginAttempt,
): URLSearchParams {
  try {
    return oauth.validateAuthResponse(server, client, query, state);
  } catch (cause) {
    if (cause instanceof oauth.AuthorizationResponseError) throw cause;
    throw new LoginError(400, BEGIN_AGAIN, { cause });
  }
}

const BEGIN_AGAIN = 'This login took longer than ten minutes, or was begun in another window or browser.';
const NO_ROLE =
  'You are known to the provider, but have no role here: ask an admin of Penstock to give you one (PENSTOCK_OIDC_ROLES).';
const BROKEN =
  'The provider answered, but not as it should: try again. If that does not help, the log of this node says more.';

const tooMany = (wait: number) =>
  `Too many logins came from your address: try again in ${Math.ceil(wait / 1000)} s.`;

const resultOf = (status: number) => (status === 429 ? 'limited' : status < 500 ? 'wrong' : 'failed');

/** What whoever tried is told. */
function toldOf(error: unknown): { readonly status: number; readonly message: string } {
  if (error instanceof LoginError) return error;
  if (error instanceof RpcError) return { status: 503, message: error.message };
  if (error instanceof oauth.AuthorizationResponseError) {
    const what = error.error_description ?? error.error;
    return { status: 403, message: `The provider does not let you in: ${what.slice(0, 300)}` };
  }
  // What the browser brought back is not what this node sent it for.
  const isOfBrowser =
    error instanceof oauth.OperationProcessingError && error.code === oauth.INVALID_RESPONSE;
  return isOfBrowser ? { status: 400, message: BEGIN_AGAIN } : { status: 502, message: BROKEN };
}

const whyOf = (error: unknown): string =>
  error instanceof oauth.ResponseBodyError
    ? `the token endpoint answers ${error.status}: ${error.error}`
    : messageOf(error);

/** @throws LoginError when the provider has no such endpoint, or one that others can listen to */
function endpoint(server: oauth.AuthorizationServer, name: 'authorization_endpoint' | 'token_endpoint'): URL {
  const text = server[name];
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url === null || !isSafe(url))
    throw new LoginError(502, `The provider has no ${name} that is an https URL.`);
  return url;
}
