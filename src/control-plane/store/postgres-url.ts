import type { SecureContext } from 'node:tls';
import { Client, type ClientConfig } from 'pg';
import { type CertificateFiles, followCertificates } from '../../runtime/certificate-files.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { NameResolver } from '../../runtime/name-resolver.ts';
import { withoutDot } from '../../runtime/open-socket.ts';
import { isThisMachine } from '../../runtime/this-machine.ts';
import { UserError } from '../../runtime/user-error.ts';
import { postgresStream } from './postgres-stream.ts';

/** Parameters of the URL that are about TLS. pg does not see them: it gives some of them another meaning than PostgreSQL. */
const SSL = ['ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslnegotiation'] as const;
/** Those of PostgreSQL's own clients that promise something, and are not kept here; written as they may be. */
const PROMISES = /ssl|channelbinding|gssenc|requireauth/;
type SslParameter = (typeof SSL)[number];
type SslParameters = { readonly [P in SslParameter]?: string };

const MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;
type Mode = (typeof MODES)[number];

/** As `sslrootcert`: the authorities of the system. */
const SYSTEM = 'system';
const SETTING = 'PENSTOCK_POSTGRES_URL';

interface Deps {
  readonly logger: Logger;
  readonly resolver: Pick<NameResolver, 'lookUp'>;
}

/** What pg needs to reach the PostgreSQL of a URL, with TLS as PostgreSQL's own clients understand it. */
export class PostgresUrl {
  readonly #config: ClientConfig;
  readonly #host: string;
  readonly #mode: Mode | undefined;
  readonly #context: (() => SecureContext) | undefined;

  /** @throws UserError when what the URL says of TLS cannot be done */
  constructor(url: string, { logger, resolver }: Deps) {
    const { rest, ssl } = split(url);
    requireKnown(rest);
    const { text, isFull } = withoutRootDot(rest);
    this.#host = hostOf(rest);
    this.#mode = this.#host.startsWith('/') ? 'disable' : modeOf(ssl);
    requireNegotiation(ssl, this.#mode);
    this.#context = isSecure(this.#mode) ? followCertificates(filesOf(ssl, this.#mode), logger) : undefined;
    this.#config = {
      connectionString: text,
      stream: postgresStream(resolver.lookUp, isFull),
      ...(ssl.sslnegotiation && { sslnegotiation: ssl.sslnegotiation as 'direct' }),
    };
  }

  /** For a new connection: certificates are as their files are now. */
  config(): ClientConfig {
    const ssl = this.#ssl();
    return { ...this.#config, ...(ssl !== undefined && { ssl }) };
  }

  /** What to warn of: that somebody on the way may read, or be, what is spoken to. Undefined: nothing. */
  get warning(): string | undefined {
    const isSafe = this.#mode === 'verify-ca' || this.#mode === 'verify-full';
    if (isSafe || this.#host.startsWith('/') || isThisMachine(this.#host)) return undefined;
    const what = this.#mode === 'require' ? 'is not checked to be itself' : 'is reached in clear text';
    return `PostgreSQL at ${this.#host} ${what}: say sslmode=verify-full in ${SETTING}`;
  }

  /** Undefined: the URL says nothing, and pg looks at PGSSLMODE. */
  #ssl(): ClientConfig['ssl'] {
    if (!this.#context) return this.#mode === 'disable' ? false : undefined;
    return {
      secureContext: this.#context(),
      rejectUnauthorized: this.#mode !== 'require',
      ...(this.#mode === 'verify-ca' && { checkServerIdentity: () => undefined }),
    };
  }
}

const isSecure = (mode: Mode | undefined): boolean => mode !== undefined && mode !== 'disable';

/** What a URL says of TLS, and the rest of it, letter by letter. */
function split(url: string): { readonly rest: string; readonly ssl: SslParameters } {
  const [before = '', query] = url.split(/\?(.*)/s);
  if (query === undefined) return { rest: url, ssl: {} };
  const isSsl = (name: string): name is SslParameter => SSL.some((one) => one === name);
  const others = query.split('&').filter((one) => ![...new URLSearchParams(one).keys()].some(isSsl));
  const ssl = [...new URLSearchParams(query)].filter(([name]) => isSsl(name));
  return { rest: others.length > 0 ? `${before}?${others.join('&')}` : before, ssl: Object.fromEntries(ssl) };
}

/** The name goes into TLS without the dot that a full one may end with: pg takes it as it is. */
function withoutRootDot(url: string): { readonly text: string; readonly isFull: boolean } {
  if (!URL.canParse(url)) return { text: url, isFull: false };
  const parsed = new URL(url);
  const { hostname } = parsed;
  if (!hostname.endsWith('.')) return { text: url, isFull: false };
  parsed.hostname = withoutDot(hostname);
  return { text: parsed.href, isFull: true };
}

/** Which host pg takes the URL to name; over a Unix socket, whose path it is then, PostgreSQL speaks no TLS. */
function hostOf(url: string): string {
  try {
    return new Client({ connectionString: url }).host;
  } catch {
    return ''; // it says so when it connects
  }
}

/** A name that is misspelt, or that is not known here, would be a connection less safe than it was meant. */
function requireKnown(rest: string): void {
  const query = rest.split(/\?(.*)/s)[1] ?? '';
  for (const name of new URLSearchParams(query).keys()) {
    if (!PROMISES.test(name.toLowerCase().replaceAll(/[-_]/g, ''))) continue;
    throw wrong(
      `${name} is not taken: say sslmode=verify-full, with sslrootcert where it takes one, and leave it out`,
    );
  }
}

function requireNegotiation({ sslnegotiation = 'postgres' }: SslParameters, mode: Mode | undefined): void {
  if (!['postgres', 'direct'].includes(sslnegotiation)) {
    throw wrong(`sslnegotiation=${sslnegotiation} is not taken: say postgres or direct`);
  }
  if (sslnegotiation === 'direct' && !isSecure(mode)) {
    throw wrong('sslnegotiation=direct needs TLS: say sslmode=verify-full');
  }
}

/** @throws UserError for what is not a mode, or one that protects nobody */
function modeOf({ ssl, sslmode, sslrootcert, sslcert, sslkey }: SslParameters): Mode | undefined {
  const mode = MODES.find((one) => one === sslmode);
  if (mode === 'require' && sslrootcert) return 'verify-ca'; // as PostgreSQL's own clients have it
  if (mode !== undefined) return mode;
  if (sslmode !== undefined) {
    throw wrong(`sslmode=${sslmode} is not taken: say verify-full, verify-ca, require or disable`);
  }
  if (ssl === 'true' || ssl === '1') return 'verify-full';
  if (ssl === 'false' || ssl === '0') return 'disable';
  if (ssl !== undefined) throw wrong(`ssl=${ssl} is not taken: say sslmode=verify-full, or sslmode=require`);
  if (sslrootcert ?? sslcert ?? sslkey) throw wrong('sslmode is missing: say sslmode=verify-full');
  return undefined;
}

/** @throws UserError when they do not go together */
function filesOf({ sslrootcert, sslcert, sslkey }: SslParameters, mode: Mode | undefined): CertificateFiles {
  if (Boolean(sslcert) !== Boolean(sslkey)) throw wrong('sslcert and sslkey go together: say both, or none');
  if (mode === 'verify-ca' && (!sslrootcert || sslrootcert === SYSTEM)) {
    throw wrong(
      'this sslmode needs a file of authorities in sslrootcert: name one, or say sslmode=verify-full',
    );
  }
  const file = (name: string, path: string | undefined) => path && { path, from: `${name} of ${SETTING}` };
  const ca = sslrootcert === SYSTEM ? undefined : file('sslrootcert', sslrootcert);
  const cert = file('sslcert', sslcert);
  const key = file('sslkey', sslkey);
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

const wrong = (what: string): UserError => new UserError(`${SETTING}: ${what}`);
