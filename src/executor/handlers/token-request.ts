import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { masked } from '../../contract/masked.ts';
import { boundedBytes } from '../../runtime/bounded-bytes.ts';

const MAX_ANSWER_BYTES = 262_144;
/** Of what the token endpoint says about a refusal, this much is told. */
const MAX_REASON = 300;
/** How long a token is good that does not say it itself, in milliseconds. */
const DEFAULT_LIFETIME = 300_000;

/** A client that gets tokens for itself: the client credentials grant (RFC 6749 section 4.4). */
export interface OAuth2Client {
  /** An absolute http or https URL without user information. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scopes: readonly string[];
  /** Empty: none is sent. */
  readonly audience: string;
  /** Whether id and secret go into the Authorization header (RFC 6749 section 2.3.1) or into the body. */
  readonly authentication: 'header' | 'body';
}

export interface GrantedToken {
  readonly value: string;
  /** Milliseconds from now. */
  readonly lifetime: number;
}

/**
 * Asks the token endpoint at the other end of the socket, which the caller closes. Rejects with the reason, which holds no
 * secret, or with the signal's.
 */
export async function askForToken(
  socket: Socket,
  client: OAuth2Client,
  signal: AbortSignal,
): Promise<GrantedToken> {
  const url = new URL(client.tokenUrl);
  const inHeader = client.authentication === 'header';
  const body = form(client);
  const headers = {
    host: url.host,
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(body),
    ...(inHeader ? { authorization: `Basic ${basic(client)}` } : {}),
  };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const options = { method: 'POST', path: url.pathname + url.search, headers };
  const asking = request({ ...options, createConnection: () => socket }, resolve);
  asking.on('error', reject);
  const abort = () => asking.destroy(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  asking.end(body);
  try {
    const response = await promise;
    const answer = await boundedBytes(response, MAX_ANSWER_BYTES);
    return tokenIn(response.statusCode ?? 0, answer.toString(), client);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function form({ authentication, clientId, clientSecret, scopes, audience }: OAuth2Client): string {
  return new URLSearchParams({
    grant_type: 'client_credentials',
    ...(scopes.length > 0 ? { scope: scopes.join(' ') } : {}),
    ...(audience === '' ? {} : { audience }),
    ...(authentication === 'body' ? { client_id: clientId, client_secret: clientSecret } : {}),
  }).toString();
}

function tokenIn(status: number, text: string, client: OAuth2Client): GrantedToken {
  const answer = jsonObject(text);
  if (status !== 200) {
    const why = [answer.error, answer.error_description].filter((one) => typeof one === 'string').join(': ');
    const { clientSecret } = client;
    const secrets = [clientSecret, formEncoded(clientSecret), basic(client)];
    throw new Error(
      masked(`it answered ${status}${why === '' ? '' : `: ${why.slice(0, MAX_REASON)}`}`, secrets),
    );
  }
  const { access_token: value, token_type: type = 'Bearer', expires_in: seconds } = answer;
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new Error('its answer holds no access_token');
  }
  if (String(type).toLowerCase() !== 'bearer') throw new Error('its token is not of type Bearer');
  const lifetime = Number(seconds) * 1000;
  return { value, lifetime: lifetime > 0 && Number.isFinite(lifetime) ? lifetime : DEFAULT_LIFETIME };
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Id and secret are form-encoded first (RFC 6749 section 2.3.1). */
const basic = ({ clientId, clientSecret }: OAuth2Client) =>
  Buffer.from(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`).toString('base64');
const formEncoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);
