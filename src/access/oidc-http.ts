import { type IncomingMessage, request } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import { targetOf } from '../runtime/authority.ts';
import { boundedBytes } from '../runtime/bounded-bytes.ts';
import type { LookUp } from '../runtime/name-resolver.ts';
import { openSocket } from '../runtime/open-socket.ts';

/** Of an answer: providers' keys and tokens are far shorter. */
const MAX_ANSWER_BYTES = 512 << 10;

interface Asked {
  readonly method?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: URLSearchParams | undefined;
  readonly signal: AbortSignal;
}

/** One request to the provider. It rejects with the reason, or with the signal's. */
export type Ask = (url: string, asked: Asked) => Promise<Response>;

interface HttpDeps {
  readonly lookUp: LookUp;
  /** How connections are secured; unset: as Node does by itself. */
  readonly tls: (() => ConnectionOptions) | undefined;
}

/** As `fetch`, by names that are looked up here, with the operator's authorities, and without following redirects. */
export const askOver =
  ({ lookUp, tls }: HttpDeps): Ask =>
  async (text, { method = 'GET', headers = {}, body, signal }) => {
    signal.throwIfAborted();
    const url = new URL(text);
    const socket = openSocket(
      { ...targetOf(url), ...(url.protocol === 'https:' && { tls: tls?.() ?? {} }) },
      lookUp,
    );
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const asking = request(
      {
        method,
        path: url.pathname + url.search,
        headers: { ...headers, host: url.host },
        createConnection: () => socket,
      },
      resolve,
    );
    asking.on('error', reject);
    const abort = () => asking.destroy(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    asking.end(body?.toString());
    try {
      return await answerOf(await promise);
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    } finally {
      signal.removeEventListener('abort', abort);
      socket.destroy();
    }
  };

async function answerOf(response: IncomingMessage): Promise<Response> {
  const bytes = await boundedBytes(response, MAX_ANSWER_BYTES);
  const { statusCode: status = 0, headers } = response;
  const type = headers['content-type'];
  const hasBody = status !== 204 && status !== 205 && status !== 304;
  return new Response(hasBody ? Uint8Array.from(bytes) : null, {
    status,
    headers: type === undefined ? {} : { 'content-type': type },
  });
}
