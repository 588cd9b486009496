import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type Logger, messageOf } from '../runtime/logger.ts';

/**
 * The listener behind a check of what each request says of its host. Nothing that it throws ends the process: one request
 * is not to take everybody's node away.
 */
export function guardedListener(listener: RequestListener, logger: Logger): RequestListener {
  return (request, response) => {
    try {
      if (isProbe(request) || hostOf(request) !== undefined) listener(request, response);
      else refuse(response, 400, 'the Host header is missing or broken: it must be a name or an address');
    } catch (error) {
      logger.error('an HTTP request could not be handled', { error: messageOf(error) });
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'internal error');
    }
  };
}

/** Load balancers that speak HTTP/1.0 send no Host. */
const isProbe = ({ url, headers }: IncomingMessage) =>
  headers.host === undefined && (url?.startsWith('/health/') ?? false);

/** The host that is called, without its port; undefined when it is not said, or not in a way that fits into a URL. */
function hostOf({ headersDistinct }: IncomingMessage): string | undefined {
  const [host = '', ...more] = headersDistinct.host ?? [];
  // A parser of URLs would take these for the end of the host.
  if (more.length > 0 || host === '' || /[\s/?#@\\]/.test(host)) return undefined;
  return URL.parse(`http://${host}/`)?.hostname;
}

const CODES = { 400: 'invalid_argument', 500: 'internal' } as const;

/** Answers with an error as Connect writes it. */
function refuse(response: ServerResponse, status: keyof typeof CODES, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(`${JSON.stringify({ code: CODES[status], message })}\n`);
}
