import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname } from 'node:path';

/** A file as it is sent: built once, kept in memory. */
interface WebFile {
  readonly type: string;
  readonly etag: string;
  /** Under a name that holds the hash of what is in it: it never changes. */
  readonly isImmutable: boolean;
  readonly plain: Buffer;
  readonly compressed: ReadonlyMap<Encoding, Buffer>;
}

/** The encodings that the build makes, the smallest first. */
const ENCODINGS = ['br', 'gzip'] as const;
type Encoding = (typeof ENCODINGS)[number];
const SUFFIXES: Readonly<Record<Encoding, string>> = { br: '.br', gzip: '.gz' };

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
};

/** Where `npm run build:web` writes. */
export const WEB_DIST = new URL('../../web/dist/', import.meta.url);
const ASSETS = '/assets/';
const INDEX = '/index.html';

/** Scripts and styles of its own alone, no markup out of text, framed by nobody, calling nobody else. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "worker-src 'self'",
  "base-uri 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  'trusted-types penstock',
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Everything else of the HTTP port: no page of the UI is under these. */
const NOT_PAGES = /^\/(penstock\.|grpc\.|api\/|metrics$|health\/|openapi\.json$|login\/oidc|mqtt$)/;

type Request = Pick<IncomingMessage, 'method' | 'url' | 'headers'>;

/** The web UI: the files of the build, and its first page at every path that a browser opens. Nothing of it is secret. */
export class WebUi {
  readonly #files: ReadonlyMap<string, WebFile>;

  /** @throws Error when there is no build in the directory */
  constructor(directory: URL) {
    const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
    const served = names.filter((name) => extname(name) in TYPES);
    const all = new Set(names);
    this.#files = new Map(served.map((name) => [`/${name}`, fileOf(directory, name, all)]));
    if (!this.#files.has(INDEX)) throw new Error(`there is no index.html in ${directory.pathname}`);
  }

  /** Whether the request is for a file or a page of the UI. */
  serves(request: Request): boolean {
    return this.#fileFor(request) !== undefined;
  }

  /** Sends what the request is for. False: it is not for the UI. */
  send(request: Request, response: ServerResponse): boolean {
    const file = this.#fileFor(request);
    if (file === undefined) return false;
    const { type, etag, isImmutable } = file;
    const cacheControl = isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache';
    const headers = { ...HEADERS, etag, 'cache-control': cacheControl, vary: 'accept-encoding' };
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, headers).end();
      return true;
    }
    const encoding = encodingFor(request.headers['accept-encoding'] ?? '', file);
    const body = (encoding && file.compressed.get(encoding)) ?? file.plain;
    response.writeHead(200, {
      ...headers,
      'content-type': type,
      'content-length': body.length,
      ...(encoding && { 'content-encoding': encoding }),
    });
    response.end(body); // of HEAD, Node leaves it out
    return true;
  }

  #fileFor({ method, url = '', headers }: Request): WebFile | undefined {
    if (method !== 'GET' && method !== 'HEAD') return undefined;
    const [path = ''] = url.split('?', 1);
    const file = this.#files.get(path);
    if (file || NOT_PAGES.test(path) || path.startsWith(ASSETS)) return file;
    // The state of a page is its path: each is opened, and opened again, by it.
    const isPage = path === '/' || (headers.accept?.includes('text/html') ?? false);
    return isPage ? this.#files.get(INDEX) : undefined;
  }
}

function fileOf(directory: URL, name: string, all: ReadonlySet<string>): WebFile {
  const plain = readFileSync(new URL(name, directory));
  const compressed = ENCODINGS.filter((encoding) => all.has(name + SUFFIXES[encoding])).map(
    (encoding) => [encoding, readFileSync(new URL(name + SUFFIXES[encoding], directory))] as const,
  );
  return {
    type: TYPES[extname(name)]!,
    etag: `"${createHash('sha256').update(plain).digest('base64url')}"`,
    isImmutable: `/${name}`.startsWith(ASSETS),
    plain,
    compressed: new Map(compressed),
  };
}

/** The smallest that the caller takes; what it takes less gladly than others does not matter here. */
function encodingFor(accepted: string, { compressed }: WebFile): Encoding | undefined {
  const taken = accepted
    .split(',')
    .filter((one) => !/;\s*q=0(\.0*)?\s*$/.test(one))
    .map((one) => one.split(';', 1)[0]!.trim());
  return ENCODINGS.find((encoding) => compressed.has(encoding) && taken.includes(encoding));
}
