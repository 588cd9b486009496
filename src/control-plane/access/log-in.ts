import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { CallerKind } from '../../../gen/penstock/v1/access_pb.ts';
import type { PasswordLogin } from '../../../gen/penstock/v1/auth_service_pb.ts';
import { callerOfToken, type Ways } from '../../access/access.ts';
import type { Caller } from '../../rpc/caller.ts';
import { failed } from '../../rpc/error.ts';
import { type Database, hasState, type Queries } from '../store/database.ts';
import type { SessionDraft } from '../store/sessions.ts';
import { findUser, noteLogin } from '../store/users.ts';
import type { LoginLimits } from './login-limits.ts';
import type { Passwords } from './passwords.ts';
import type { Sessions, StartedSession } from './sessions.ts';

const FOREIGN_KEY = /^23503$/;

export interface LogInDeps {
  readonly db: Database;
  readonly passwords: Pick<Passwords, 'matches'>;
  readonly sessions: Sessions;
  readonly loginLimits: LoginLimits;
  readonly ways: Pick<Ways, 'bootstrapHash' | 'grants'>;
}

export interface LoggedIn extends StartedSession {
  readonly caller: Caller;
}

/** Keeps that somebody logged in, in the transaction that begins the session. */
export type KeepLogin = (queries: Queries, caller: Caller) => Promise<void>;

/** Names of users are in lower case, however they are typed. */
export const loginNameOf = (typed: string): string => typed.toLowerCase();

/**
 * Begins a session of a user.
 * @throws RpcError UNAUTHENTICATED, the same after the same work whether there is such a user or not; RESOURCE_EXHAUSTED after
 * too many tries
 */
export async function logInByPassword(
  { db, passwords, sessions, loginLimits }: LogInDeps,
  login: PasswordLogin,
  address: string,
  signal: AbortSignal,
  keep: KeepLogin,
): Promise<LoggedIn> {
  const name = loginNameOf(login.name);
  const asker = loginLimits.take(address, name) ? 'known' : 'stranger';
  const stored = await findUser(db, name);
  const isRight = await passwords.matches(login.password, stored?.hash, asker, signal);
  if (stored === undefined || !isRight) throw wrong();
  const loggedIn = await db.transaction(async (queries) => {
    // What was changed meanwhile holds: another password ends the sessions that it finds.
    const allowed = await noteLogin(queries, name, stored.hash);
    if (allowed === undefined) throw wrong();
    const draft: SessionDraft = { name, kind: CallerKind.USER, userName: name, ...allowed };
    const caller = { ...draft, address };
    await keep(queries, caller);
    return { ...(await sessions.start(draft, queries)), caller };
  });
  loginLimits.succeeded(address, name);
  return loggedIn;
}

/**
 * Begins a session of who has an API token, or the bootstrap token. It may what the token may, and ends with it.
 * @throws RpcError UNAUTHENTICATED; RESOURCE_EXHAUSTED after too many tries
 */
export async function logInByToken(
  { db, sessions, loginLimits, ways }: LogInDeps,
  token: string,
  address: string,
  keep: KeepLogin,
): Promise<LoggedIn> {
  loginLimits.take(address);
  const caller = callerOfToken(token, address, ways);
  if (caller === undefined) throw wrong();
  const started = db.transaction(async (queries) => {
    await keep(queries, caller);
    const isBootstrap = caller.tokenId === undefined;
    return isBootstrap ? sessions.startByBootstrap(caller, queries) : sessions.start(caller, queries);
  });
  return {
    ...(await started.catch((error) => {
      throw hasState(error, FOREIGN_KEY) ? wrong() : error; // it was revoked, and this node does not know yet
    })),
    caller,
  };
}

const wrong = () =>
  failed(
    Code.UNAUTHENTICATED,
    'LOGIN_FAILED',
    'the name and the password do not fit together, or the token lets nobody in',
  );
