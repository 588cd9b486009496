import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type Logger, messageOf } from '../runtime/logger.ts';
import { certificateOf } from './grpc-presented.ts';
import { isServedUnder } from './own-page.ts';

export interface Refusal {
  readonly status: keyof typeof CODES;
  readonly message: string;
  /** Beside those of every refusal. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a request is judged by. */
type Judged = Pick<IncomingMessage, 'headersDistinct' | 'socket'>;

/** Why a request is not to be answered; undefined: it may be. */
export type Judge = (request: Judged) => Refusal | undefined;

/** As URLs have them: in lower case, beyond ASCII in Punycode; a port does not matter. */
export const hostsOf = (hosts: readonly string[]): ReadonlySet<string> =>
  new Set(hosts.map((host) => URL.parse(`http://${host}`)?.hostname ?? host));

interface Callers {
  /** Names with a dot that may be called, and whose pages may call. */
  readonly hosts: ReadonlySet<string>;
  /** Other origins whose pages may call, as browsers send them. */
  readonly corsOrigins: readonly string[];
  /** Whether a client has to show a certificate. */
  readonly needsClients: boolean;
}

export function judgeOf(callers: Callers): Judge {
  return (request) =>
    callers.needsClients && !isCertified(request) ? UNCERTIFIED : refusedOf(request, callers);
}

const isCertified = ({ socket }: Judged): boolean => certificateOf(socket as TLSSocket) !== undefined;

const UNCERTIFIED: Refusal = {
  status: 401,
  message:
    'this node asks its callers for a certificate: call it with one that PENSTOCK_TLS_CLIENT_CA_FILE has signed',
};

/**
 * The listener behind a check of which host a request calls, and from which page. Where no login is configured nothing else
 * keeps a web page from it: neither one from elsewhere, nor one under a name of its own that it points at this machine (DNS
 * rebinding). Nothing that the listener throws ends the process: one request is not to take everybody's node away.
 */
export function guardedListener(
  listener: RequestListener,
  { judge, logger }: { readonly judge: Judge; readonly logger: Logger },
): RequestListener {
  return (request, response) => {
    try {
      const refusal = isProbe(request) ? refusedOfProbe(request) : judge(request);
      if (refusal === undefined) return listener(request, response);
      logger.debug('an HTTP request was refused', { status: refusal.status, why: refusal.message });
      refuse(response, refusal);
    } catch (error) {
      logger.error('an HTTP request could not be handled', { error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else refuse(response, { status: 500, message: 'internal error' });
    }
  };
}

/**
 * Whether a node is well is no secret: by whatever name it is asked, and by a load balancer that speaks HTTP/1.0 without any.
 * Why it is not is told only where everything else is.
 */
export const isProbe = ({ url }: Pick<IncomingMessage, 'url'>) => url?.startsWith('/health/') ?? false;

const BROKEN: Refusal = {
  status: 400,
  message: 'the Host header is missing or broken: it must be one name or address',
};

function refusedOfProbe({ headers, headersDistinct }: IncomingMessage): Refusal | undefined {
  return headers.host === undefined || authorityOf(headersDistinct.host) ? undefined : BROKEN;
}

function refusedOf(
  { headersDistinct }: Pick<IncomingMessage, 'headersDistinct'>,
  { hosts, corsOrigins }: Callers,
): Refusal | undefined {
  const called = authorityOf(headersDistinct.host);
  if (called === undefined) return BROKEN;
  if (!isOfNobodyElse(called.hostname) && !hosts.has(called.hostname)) return misdirected(called.hostname);
  const foreign = headersDistinct.origin?.find(
    (origin) => !corsOrigins.includes(origin) && !isOwn(origin, headersDistinct.host![0]!, hosts),
  );
  return foreign === undefined ? undefined : foreignPage(foreign);
}

/** Addresses, and names that no DNS server outside has: nobody can point them here to have his page let in. */
const isOfNobodyElse = (hostname: string) =>
  !hostname.includes('.') || isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0;

/** Whether a page of this origin is served under the host it calls, or under one that may be called. */
function isOwn(origin: string, host: string, hosts: ReadonlySet<string>): boolean {
  return hosts.has(URL.parse(origin)?.hostname ?? '') || isServedUnder(origin, host);
}

/** What the Host headers of a request name; undefined when it is not one thing, or nothing that fits into a URL. */
function authorityOf(headers: readonly string[] | undefined): URL | undefined {
  const [host = '', ...more] = headers ?? [];
  // A parser of URLs would take these for the end of the host.
  if (more.length > 0 || host === '' || /[\s/?#@\\]/.test(host)) return undefined;
  return URL.parse(`http://${host}/`) ?? undefined;
}

const misdirected = (hostname: string): Refusal => ({
  status: 421,
  message: `there is no Penstock of the name ${hostname}: call it by an IP address, by localhost or by a name without a dot, or add ${hostname} to PENSTOCK_HTTP_HOSTS`,
});

const foreignPage = (origin: string): Refusal => ({
  status: 403,
  message: `pages of the origin ${origin} may not call: if it is yours, add its host to PENSTOCK_HTTP_HOSTS, or the origin to PENSTOCK_HTTP_CORS_ORIGINS`,
});

const CODES = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'unimplemented',
  415: 'invalid_argument',
  421: 'permission_denied',
  426: 'failed_precondition',
  500: 'internal',
  503: 'unavailable',
};

/** Answers with an error as Connect writes it. */
export function refuse(response: ServerResponse, { status, message, headers: own }: Refusal): void {
  const body = `${JSON.stringify({ code: CODES[status], message })}\n`;
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  response.writeHead(status, { ...headers, ...challenge, ...own, connection: 'close' });
  response.end(body);
}
