import type { RequestListener, ServerResponse } from 'node:http';
import { isServedUnder } from './own-page.ts';

/** What the API is called with, and what of its answers a page may read beside what every page may. */
const METHODS = 'GET, POST, PATCH, DELETE';
const HEADERS = 'authorization, content-type, connect-protocol-version, connect-timeout-ms, if-none-match';
const EXPOSED = 'connect-content-encoding, content-encoding, etag, retry-after, www-authenticate';
/** How long a browser need not ask again, in seconds: the longest that all of them grant. */
const MAX_AGE = '7200';

/**
 * The listener, with leave for the pages of these origins to call it and to read what it answers. Stands behind the check of
 * hosts and origins, which lets nobody else's page through.
 * @param origins as browsers send them
 */
export function corsListener(origins: readonly string[], listener: RequestListener): RequestListener {
  if (origins.length === 0) return listener;
  const allowed = new Set(origins);
  return (request, response) => {
    response.setHeader('vary', 'origin');
    const { origin, host = '' } = request.headers;
    // For a browser another port, or another name, is another origin, whoever it belongs to.
    if (origin === undefined || !allowed.has(origin) || isServedUnder(origin, host)) {
      return listener(request, response);
    }
    response.setHeader('access-control-allow-origin', origin);
    if (request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined) {
      return permit(response);
    }
    response.setHeader('access-control-expose-headers', EXPOSED);
    // Whoever is logged in here is not so on behalf of a page that is served elsewhere.
    delete request.headers.cookie;
    delete request.headersDistinct.cookie;
    listener(request, response);
  };
}

/** Answers the question that a browser asks first. */
function permit(response: ServerResponse): void {
  response.writeHead(204, {
    'access-control-allow-methods': METHODS,
    'access-control-allow-headers': HEADERS,
    'access-control-max-age': MAX_AGE,
  });
  response.end();
}
