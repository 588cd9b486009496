import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { Code } from '../../../gen/google/rpc/code_pb.ts';
import { failed } from '../../rpc/error.ts';
import type { Clock } from '../../runtime/clock.ts';
import { Limit } from '../../runtime/limit.ts';

/** What a hash costs: 2^ln rounds of r blocks of 128 bytes in memory, p times over. */
export interface Cost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** Derives 32 bytes. */
export type Derive = (password: string, salt: Buffer, cost: Cost) => Promise<Buffer>;

/** OWASP's for scrypt in 32 MiB. */
const COST: Cost = { ln: 15, r: 8, p: 3 };
const KEY_BYTES = 32;
const SALT_BYTES = 16;
/** Each takes 32 MiB, and one of the four threads that look up files and names, too. */
const AT_ONCE = 2;
/** Of strangers, and as many of those who are known, those at work among them: some seconds of it. */
const MAX_WAITING = 20;
/** Far longer than any takes, in milliseconds. */
const HOLD = 60_000;
const STORED = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([\w+/]{22})\$([\w+/]{43})$/;

/** Whether it is for somebody who has logged in, or has done so from where he is before: strangers take no places of theirs. */
export type Asker = 'known' | 'stranger';

/** Hashes passwords, a few at a time, as only so much memory and work is to spare. */
export class Passwords {
  readonly #derive: Derive;
  readonly #limit: Limit;
  readonly #waiting = { known: 0, stranger: 0 };

  constructor(clock: Pick<Clock, 'setTimer'>, derive: Derive = scryptKey) {
    this.#derive = derive;
    this.#limit = new Limit(AT_ONCE, HOLD, clock);
  }

  /**
   * What is stored of a password that somebody who has logged in sets: its hash, with how it was made.
   * @throws RpcError RESOURCE_EXHAUSTED when too many wait, as does `matches`
   */
  async hash(password: string, signal: AbortSignal): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const key = await this.#run({ password, salt, cost: COST, asker: 'known' }, signal);
    const { ln, r, p } = COST;
    return `$scrypt$ln=${ln},r=${r},p=${p}$${base64(salt)}$${base64(key)}`;
  }

  /** Whether it is the password of this hash. Without one it is not, after the same work. */
  async matches(
    password: string,
    stored: string | undefined,
    asker: Asker,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { cost, salt, key } = stored === undefined ? nobodys() : read(stored);
    const own = await this.#run({ password, salt, cost, asker }, signal);
    return timingSafeEqual(own, key) && stored !== undefined;
  }

  async #run({ password, salt, cost, asker }: Run, signal: AbortSignal): Promise<Buffer> {
    if (this.#waiting[asker] >= MAX_WAITING) throw busy();
    this.#waiting[asker]++;
    try {
      // The same letters, whichever way a keyboard makes them.
      return await this.#limit.run(() => this.#derive(password.normalize('NFKC'), salt, cost), signal);
    } finally {
      this.#waiting[asker]--;
    }
  }
}

interface Run {
  readonly password: string;
  readonly salt: Buffer;
  readonly cost: Cost;
  readonly asker: Asker;
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

const nobodys = () => ({ cost: COST, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) });

function read(stored: string) {
  const [, ln, r, p, salt = '', key = ''] = STORED.exec(stored) ?? [];
  if (ln === undefined) throw new Error('the stored hash of a password is broken: give the user a new one');
  const cost: Cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  return { cost, salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
}

function scryptKey(password: string, salt: Buffer, { ln, r, p }: Cost): Promise<Buffer> {
  const N = 2 ** ln;
  const options = { N, r, p, maxmem: 256 * N * r };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, KEY_BYTES, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

const busy = () =>
  failed(Code.RESOURCE_EXHAUSTED, 'LOGINS_BUSY', 'too many log in at once: try again in some seconds');
