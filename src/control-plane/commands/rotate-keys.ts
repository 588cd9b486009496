import { topicsOf } from '../../bus/topics.ts';
import { type KeyRing, resealSecrets, type Unopened, unopenedText } from '../../contract/sealed-secrets.ts';
import { RpcError } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { NameResolver } from '../../runtime/name-resolver.ts';
import { followSecretKeys } from '../../runtime/secret-keys.ts';
import type { Settings } from '../../runtime/settings.ts';
import { UserError } from '../../runtime/user-error.ts';
import { trailOfCommand } from '../audit/audit-trail.ts';
import { downlinkRows } from '../outbox/downlink.ts';
import { Database } from '../store/database.ts';
import { findIntegration, replaceSecrets } from '../store/integrations.ts';
import { requireUpToDate } from '../store/migrate.ts';
import { insertOutbox, lastSeq, waitingRows } from '../store/outbox.ts';
import { idsToReseal } from '../store/secret-keys.ts';

/** Integrations that are looked for at a time; each is changed in a transaction of its own. */
const PAGE = 100;
/** How often progress is told, and what is published looked for, in milliseconds. */
const PROGRESS = 2000;
const POLL = 250;
/** How long control planes have to publish all of it. */
const PUBLISHING = 120_000;
/** Before all ids. */
const NIL = '00000000-0000-0000-0000-000000000000';

interface Deps {
  /** Writes a line for people. */
  say(line: string): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Work extends Deps {
  readonly db: Database;
  readonly topics: ReturnType<typeof topicsOf>;
  readonly keys: KeyRing;
}

/** What was done. */
interface Done {
  readonly resealed: number;
  /** Secrets that none of the keys opens, by the integration. */
  readonly lost: ReadonlyMap<string, readonly Unopened[]>;
}

/**
 * Encrypts the secrets of all integrations anew with the first key, in PostgreSQL, and has the control planes that run publish
 * them so. Nobody else sees a change. What was done stays when it is ended: it can be called again. Answers whether all
 * is done.
 * @throws UserError when there is no key, or PostgreSQL cannot be used
 */
export async function rotateKeys(settings: Settings, deps: Deps): Promise<boolean> {
  const { clock, logger, say } = deps;
  const keys = followSecretKeys(settings, logger)();
  const [keyId] = keys.keys();
  if (keyId === undefined) {
    throw new UserError(
      'there is no key to encrypt with: set PENSTOCK_SECRET_KEYS_FILE as for control planes',
    );
  }
  const resolver = new NameResolver({ servers: settings.PENSTOCK_DNS_SERVERS, clock });
  await using db = new Database(settings.PENSTOCK_POSTGRES_URL, { clock, logger, resolver });
  const work = { ...deps, db, topics: topicsOf(settings.PENSTOCK_KAFKA_PREFIX), keys };
  const trouble = await db.trouble();
  if (trouble !== undefined) throw new UserError(`${trouble}. Start it, or set PENSTOCK_POSTGRES_URL.`);
  try {
    await requireUpToDate(db);
    const trail = trailOfCommand('penstock admin rotate-keys', settings.TB_SERVICE_ID, clock);
    await trail.changed(db, '', [{ path: 'key', after: JSON.stringify(keyId) }]);
    const done = await resealAll(work, keyId);
    say(`encrypted with the key ${keyId}: the secrets of ${done.resealed} integrations`);
    const isPublished = await untilPublished(work);
    const later = await countOtherwise(work, keyId, done);
    for (const line of endText(done, isPublished, later, [...keys.keys()])) say(line);
    return isPublished && later === 0 && done.lost.size === 0;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    throw new UserError(`${error.message}; what was done is done, call it again for the rest`, {
      cause: error,
    });
  }
}

async function resealAll(work: Work, keyId: string): Promise<Done> {
  const { db, clock, say } = work;
  const lost = new Map<string, readonly Unopened[]>();
  let resealed = 0;
  let nextLine = clock.monotonic() + PROGRESS;
  for await (const id of allToReseal(db, keyId)) {
    const { isChanged, unopened } = await reseal(work, id);
    if (isChanged) resealed++;
    if (unopened.length > 0) lost.set(id, unopened);
    if (clock.monotonic() < nextLine) continue;
    say(`${resealed} integrations so far`);
    nextLine = clock.monotonic() + PROGRESS;
  }
  return { resealed, lost };
}

/** The ids of all that are sealed otherwise than with this key, each once, also those that stay so. */
async function* allToReseal(db: Database, keyId: string): AsyncGenerator<string> {
  for (let after = NIL; ; ) {
    const ids = await idsToReseal(db, keyId, after, PAGE);
    yield* ids;
    const last = ids.at(-1);
    if (last === undefined || ids.length < PAGE) return;
    after = last;
  }
}

/** One integration, and the records that tell of it: of the same generation, so that nobody does anything else. */
function reseal(
  { db, topics, keys }: Work,
  id: string,
): Promise<{ readonly isChanged: boolean; readonly unopened: readonly Unopened[] }> {
  return db.transaction(async (queries) => {
    const stored = await findIntegration(queries, id, true);
    if (!stored) return { isChanged: false, unopened: [] };
    const { integration, sealed, unopened } = resealSecrets(stored, keys);
    const isSame =
      sealed.length === stored.sealed.length && sealed.every((one) => stored.sealed.includes(one));
    const next = { ...stored, integration, sealed };
    // Also one without secrets is noted to be so, when it was not known.
    await replaceSecrets(queries, next);
    if (isSame) return { isChanged: false, unopened };
    await insertOutbox(queries, downlinkRows(topics, next));
    return { isChanged: true, unopened };
  });
}

/** False: not in time. What others save meanwhile does not count. */
async function untilPublished({ db, clock, say }: Work): Promise<boolean> {
  const last = await lastSeq(db);
  const end = clock.monotonic() + PUBLISHING;
  let nextLine = clock.monotonic() + PROGRESS;
  for (;;) {
    const count = await waitingRows(db, last);
    if (count === 0) return true;
    if (clock.monotonic() > end) return false;
    if (clock.monotonic() >= nextLine) {
      say(`${count} records are to be published by a control plane`);
      nextLine = clock.monotonic() + PROGRESS;
    }
    await clock.sleep(POLL);
  }
}

/** How many are sealed otherwise, although they could be read. */
async function countOtherwise({ db }: Work, keyId: string, { lost }: Done): Promise<number> {
  let count = 0;
  for await (const id of allToReseal(db, keyId)) if (!lost.has(id)) count++;
  return count;
}

function endText(
  { lost }: Done,
  isPublished: boolean,
  later: number,
  [first, ...others]: readonly string[],
): readonly string[] {
  const lines = [...lost].flatMap(([id, unopened]) =>
    unopened.map((one) => `integration ${id}: ${one.secret.path} ${unopenedText(one)}`),
  );
  if (!isPublished) {
    return [
      ...lines,
      'not all of it is on Kafka: start a control plane, or see why it does not publish (/health/ready), and call this again; until then keep the old keys',
    ];
  }
  lines.push('Kafka has all of it');
  if (later > 0) {
    return [
      ...lines,
      `${later} integrations were saved with another key meanwhile: give all control planes the keys in the same order, with ${first} first, and call this again`,
    ];
  }
  if (lost.size > 0) {
    return [
      ...lines,
      `${lost.size} integrations have secrets that cannot be decrypted: add their keys, or give the secrets again, and call this again; until then keep the old keys`,
    ];
  }
  if (others.length > 0) {
    lines.push(
      `control planes and executors need ${others.join(', ')} no more, once all of them have ${first} first; backups of PostgreSQL from before do`,
      'what was encrypted with old keys stays on Kafka until it is compacted, a day or more, and on validation topics for 10 minutes: where a key has leaked, change the secrets themselves',
    );
  }
  return lines;
}
