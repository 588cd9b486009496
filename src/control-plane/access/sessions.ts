import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { CallerKind } from '../../../gen/penstock/v1/access_pb.ts';
import type { Caller } from '../../rpc/caller.ts';
import { addressKey } from '../../rpc/caller-key.ts';
import { failed } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { Periodic, type PeriodicDeps } from '../periodic.ts';
import type { Database, Queries } from '../store/database.ts';
import {
  deleteEndedSessions,
  deleteSession,
  findSession,
  insertSession,
  noteSessionUse,
  type SessionDraft,
  type SessionTimes,
  type StoredSession,
} from '../store/sessions.ts';

/** How long what was found of a session is taken to be so, in milliseconds. */
const KNOWN_FOR = 2000;
/** Those of this many sessions at the most. */
const MAX_KNOWN = 10_000;
/** Of what is nobody's session: a stranger makes up as many as he likes, which take no place of the others. */
const MAX_NOBODYS = 1000;
/** Of questions to PostgreSQL about sessions: more are refused. */
const MAX_ASKED = 100;
/** Of those from one address: whoever shows made-up sessions keeps nobody else out. */
const MAX_ASKED_OF_ADDRESS = 20;
/** How often the use of a session is noted, in milliseconds. */
const NOTE_AFTER = 60_000;
const CLEANUP_INTERVAL = 60_000;
const CLEANUP_BATCH = 1000;

interface Deps {
  readonly db: Database;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly logger: Logger;
  /** SHA-256 of the bootstrap token of this node, as it is now. */
  readonly bootstrapHash?: (() => Buffer) | undefined;
  /** Of the OpenID Connect provider of this node. */
  readonly issuer?: string | undefined;
}

export interface StartedSession {
  /** What the browser keeps; nobody else does. */
  readonly session: string;
  /** When it ends at the latest. */
  readonly expireTime: Date;
}

type Known = Omit<Caller, 'address'> | undefined;
type Found = Map<string, { readonly caller: Known; readonly until: number }>;

/** Sessions of browsers, in PostgreSQL. */
export class Sessions {
  readonly #deps: Deps;
  readonly #times: SessionTimes;
  readonly #knownFor: number;
  readonly #noteAfter: number;
  /** What was found of sessions, by their ids; the one that was asked for longest ago first. */
  #known: Found = new Map();
  /** The same of those that are nobody's. */
  #nobodys: Found = new Map();
  #asked = new Map<string, Promise<Known>>();
  /** How many questions there are from where. */
  readonly #askedFrom = new Map<string, number>();

  constructor(deps: Deps, times: SessionTimes) {
    this.#deps = deps;
    this.#times = times;
    // Together shorter than it may be idle: who calls all the time stays.
    this.#knownFor = Math.min(KNOWN_FOR, times.idle / 4);
    this.#noteAfter = Math.min(NOTE_AFTER, times.idle / 2);
  }

  /** Begins one. Within a transaction it is there when that is. */
  async start(draft: SessionDraft, queries: Queries = this.#deps.db): Promise<StartedSession> {
    const session = randomBytes(32).toString('base64url');
    const own = draft.kind === CallerKind.OIDC ? { ...draft, issuer: this.#deps.issuer } : draft;
    const expireTime = await insertSession(queries, hashOf(session), own, this.#times.lifetime);
    return { session, expireTime };
  }

  /** The same, for who has the bootstrap token: no node lets it in whose settings have another one. */
  async startByBootstrap(draft: SessionDraft, queries: Queries): Promise<StartedSession> {
    const session = randomBytes(32).toString('base64url');
    const own = { ...draft, bootstrapProof: this.#proofOf(session) };
    const expireTime = await insertSession(queries, hashOf(session), own, this.#times.lifetime);
    return { session, expireTime };
  }

  /** Whose session it is; undefined: nobody's, or it has ended. Rejects when PostgreSQL does not say. */
  async callerOf(session: string, address: string): Promise<Caller | undefined> {
    if (!/^[\w-]{43}$/.test(session)) return undefined;
    const id = hashOf(session).toString('base64');
    const known = this.#known.get(id) ?? this.#nobodys.get(id);
    const isKnown = known !== undefined && this.#deps.clock.monotonic() < known.until;
    const caller = isKnown ? known.caller : await this.#ask(id, session, addressKey(address));
    return caller && { ...caller, address };
  }

  /** @param keep what is to be stored with it, in its transaction */
  async end(id: string, keep: (queries: Queries) => Promise<void>): Promise<void> {
    await this.#deps.db.transaction(async (queries) => {
      await deleteSession(queries, idToHash(id));
      await keep(queries);
    });
    this.forget();
  }

  /** Asks PostgreSQL again for every session: something that sessions end with has changed. */
  forget(): void {
    this.#known = new Map();
    this.#nobodys = new Map();
    this.#asked = new Map(); // what was asked before knows nothing of it
  }

  /** Removes those that have ended, again and again. */
  startCleanup(deps: PeriodicDeps): Periodic {
    const { idle } = this.#times;
    const work = async () =>
      (await deleteEndedSessions(this.#deps.db, idle, CLEANUP_BATCH)) === CLEANUP_BATCH;
    return new Periodic({ name: 'deleting old sessions', interval: CLEANUP_INTERVAL, work }, deps);
  }

  /** Who calls with one that many of its calls ask for at once is asked for once. */
  async #ask(id: string, session: string, from: string): Promise<Known> {
    const [asked, askedFrom] = [this.#asked, this.#askedFrom];
    const pending = asked.get(id);
    if (pending) return pending;
    const ofAddress = askedFrom.get(from) ?? 0;
    if (asked.size >= MAX_ASKED || ofAddress >= MAX_ASKED_OF_ADDRESS) throw tooManyAsked();
    askedFrom.set(from, ofAddress + 1);
    const answer = this.#find(id, session);
    asked.set(id, answer);
    try {
      return await answer;
    } finally {
      asked.delete(id);
      const left = askedFrom.get(from)! - 1;
      if (left > 0) askedFrom.set(from, left);
      else askedFrom.delete(from);
    }
  }

  async #find(id: string, session: string): Promise<Known> {
    const { db, clock } = this.#deps;
    const [known, nobodys] = [this.#known, this.#nobodys];
    const [begun, hash] = [clock.monotonic(), hashOf(session)];
    const found = await findSession(db, hash, { idle: this.#times.idle, noteAfter: this.#noteAfter });
    if (found?.isUseDue) await this.#noteUse(hash);
    const caller = found && this.#isOpen(session, found) ? callerIn(found, id) : undefined;
    const until = begun + Math.min(this.#knownFor, found?.left ?? this.#knownFor);
    known.delete(id);
    nobodys.delete(id);
    if (caller) keep(known, id, { caller, until }, MAX_KNOWN);
    else keep(nobodys, id, { caller, until }, MAX_NOBODYS);
    return caller;
  }

  /** A PostgreSQL that takes nothing at present does not keep anybody out. */
  async #noteUse(hash: Buffer): Promise<void> {
    await noteSessionUse(this.#deps.db, hash).catch((error) => {
      this.#deps.logger.debug('the use of a session was not noted', { why: messageOf(error) });
    });
  }

  /** A scope by what only a newer version knows is wider here than it is. */
  #isOpen(session: string, found: StoredSession): boolean {
    const isKnown = found.scope?.$unknown === undefined;
    return isKnown && this.#isOfBootstrap(session, found.bootstrapProof) && this.#isOfProvider(found);
  }

  /** Who logged in at a provider that the settings name no more has to log in again. */
  #isOfProvider({ kind, issuer }: StoredSession): boolean {
    return kind !== CallerKind.OIDC || (issuer !== undefined && issuer === this.#deps.issuer);
  }

  #isOfBootstrap(session: string, proof: Buffer | undefined): boolean {
    if (proof === undefined) return true;
    const own = this.#proofOf(session);
    return own !== undefined && timingSafeEqual(own, proof);
  }

  /** A database that is read gives nobody a way to try bootstrap tokens. */
  #proofOf(session: string): Buffer | undefined {
    const { bootstrapHash } = this.#deps;
    return bootstrapHash && createHmac('sha256', session).update(bootstrapHash()).digest();
  }
}

function keep<V>(map: Map<string, V>, id: string, value: V, most: number): void {
  map.set(id, value);
  if (map.size > most) map.delete(map.keys().next().value!);
}

const callerIn = ({ name, kind, role, scope, tokenId }: StoredSession, sessionId: string): Known => ({
  name,
  kind,
  role,
  scope,
  tokenId,
  sessionId,
});

const hashOf = (session: string): Buffer => createHash('sha256').update(session).digest();

/** What is kept of a session, by the id that a caller has. */
export const idToHash = (id: string): Buffer => Buffer.from(id, 'base64');

const tooManyAsked = () =>
  failed(Code.UNAVAILABLE, 'BUSY', 'this node is asked for too many sessions at once: try again');
