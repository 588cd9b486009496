import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { type Role, RoleSchema } from '../../../gen/penstock/v1/access_pb.ts';
import { TokenSchema } from '../../../gen/penstock/v1/token_service_pb.ts';
import type { Bus } from '../../bus/bus.ts';
import { topicsOf } from '../../bus/topics.ts';
import { closest } from '../../contract/closest.ts';
import { violationsOf } from '../../contract/validate.ts';
import { RpcError } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { type Logger, messageOf } from '../../runtime/logger.ts';
import { NameResolver } from '../../runtime/name-resolver.ts';
import type { Settings } from '../../runtime/settings.ts';
import { UserError } from '../../runtime/user-error.ts';
import { newToken } from '../access/new-token.ts';
import { publishAccess } from '../access/publish-access.ts';
import { tokenDifferences } from '../audit/access-differences.ts';
import { trailOfCommand } from '../audit/audit-trail.ts';
import { Database } from '../store/database.ts';
import { requireUpToDate } from '../store/migrate.ts';

const HOUR = 3_600_000;
/** Who made it, as lists of tokens say. */
const COMMAND = 'penstock admin create-token';

/** As the options of the command have them. */
export interface TokenOptions {
  readonly name?: string | undefined;
  readonly role?: string | undefined;
  /** `90d` or `12h`; unset: it does not end. */
  readonly expires?: string | undefined;
  readonly note?: string | undefined;
}

interface Deps {
  /** Writes a line for people. */
  say(line: string): void;
  complain(line: string): void;
  /** Kafka, to make the token known to the nodes that run. */
  reachKafka(): Promise<Bus>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Makes an API token past the API, for whoever may use the database: the first one of an installation. Prints its value alone
 * to stdout.
 * @throws UserError when an option is wrong, or PostgreSQL cannot be used
 */
export async function createToken(settings: Settings, options: TokenOptions, deps: Deps): Promise<void> {
  const { say, complain, clock, logger, reachKafka } = deps;
  const draft = draftOf(options, clock.now());
  const resolver = new NameResolver({ servers: settings.PENSTOCK_DNS_SERVERS, clock });
  await using db = new Database(settings.PENSTOCK_POSTGRES_URL, { clock, logger, resolver });
  try {
    await requireUpToDate(db);
    const { value } = await newToken(db, draft, COMMAND, clock.now(), async (queries, token) => {
      const trail = trailOfCommand(COMMAND, settings.TB_SERVICE_ID, clock);
      await trail.changed(queries, `tokens/${token.id}`, tokenDifferences(undefined, token));
    });
    say(value);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    const where = error.code === Code.UNAVAILABLE ? ' (PENSTOCK_POSTGRES_URL says where it is)' : '';
    throw new UserError(error.message + where, { cause: error });
  }
  complain('it is shown this once: keep it where secrets are kept');
  try {
    await using bus = await reachKafka();
    await publishAccess({ db, bus, topics: topicsOf(settings.PENSTOCK_KAFKA_PREFIX) });
  } catch (error) {
    complain(`nodes that run know it some 30 s after Kafka is back: ${messageOf(error)}`);
  }
}

/** @throws UserError naming every option that is wrong */
function draftOf({ name = '', role, expires, note = '' }: TokenOptions, now: number) {
  const draft = create(TokenSchema, { name, note, role: roleOf(role) });
  const end = expires === undefined ? undefined : now + durationOf(expires);
  if (end !== undefined) draft.expireTime = timestampFromMs(end);
  const violations = violationsOf(TokenSchema, draft);
  if (violations.length === 0) return draft;
  const texts = violations.map(({ field, description }) => `--${field}: ${description}`);
  throw new UserError(texts.join('\n'));
}

function roleOf(text: string | undefined): Role {
  const roles = RoleSchema.values.slice(1);
  const found = roles.find(({ localName }) => localName.toLowerCase() === text);
  if (found) return found.number as Role;
  const names = roles.map(({ localName }) => localName.toLowerCase());
  const [near] = text === undefined ? [] : closest(text, names);
  throw new UserError(`--role must be one of ${names.join(', ')}${near ? `: did you mean ${near}?` : ''}`);
}

function durationOf(text: string): number {
  const [, count, unit] = /^([1-9]\d{0,4})([dh])$/.exec(text) ?? [];
  if (count === undefined) throw new UserError('--expires must be days or hours from now, e.g. 90d or 12h');
  return Number(count) * (unit === 'd' ? 24 * HOUR : HOUR);
}
