import { cookieName, onlyCookie } from '../rpc/cookies.ts';
import { localPath } from './local-path.ts';

/** How long logging in at the provider may take, in seconds. */
const MAX_AGE = 600;
const NAME = 'penstock_login';

/** What a browser keeps while somebody logs in at the provider: no node has to remember it. */
export interface LoginAttempt {
  /** What the provider sends back. */
  readonly state: string;
  /** What the provider puts into the ID token. */
  readonly nonce: string;
  /** What proves to the provider that the code is for who began. */
  readonly verifier: string;
  /** The path of this host to go on to. */
  readonly next: string;
}

/**
 * The header `set-cookie` by which a browser keeps it, also when it comes back from another site. It is not signed: who can
 * change his own learns nothing by it, and of others nobody can over TLS (`__Host-`).
 */
export function loginCookie({ state, nonce, verifier, next }: LoginAttempt, isSecure: boolean): string {
  const value = [state, nonce, verifier, Buffer.from(next).toString('base64url')].join('.');
  return cookieOf(value, MAX_AGE, isSecure);
}

/** The header by which it forgets it. */
export const endedLoginCookie = (isSecure: boolean): string => cookieOf('', 0, isSecure);

/** What is in a header `cookie`; undefined: there is none, more than one, or one of another form. */
export function loginAttempt(cookies: string | undefined, isSecure: boolean): LoginAttempt | undefined {
  const found = onlyCookie(cookies, nameOf(isSecure)) ?? '';
  const form = /^([\w-]{43})\.([\w-]{43})\.([\w-]{43})\.([\w-]*)$/;
  const [, state, nonce, verifier, next = ''] = form.exec(found) ?? [];
  if (state === undefined || nonce === undefined || verifier === undefined) return undefined;
  return { state, nonce, verifier, next: localPath(Buffer.from(next, 'base64url').toString()) };
}

const nameOf = (isSecure: boolean) => cookieName(NAME, isSecure);

/** Whole paths are what `__Host-` asks for. */
const cookieOf = (value: string, age: number, isSecure: boolean) =>
  `${nameOf(isSecure)}=${value}; Max-Age=${age}; HttpOnly; SameSite=Lax; ${isSecure ? 'Path=/; Secure' : 'Path=/login'}`;
