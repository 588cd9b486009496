import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import { int16, int32, text } from './bytes.ts';
import type { Exchange } from './cluster.ts';

/** A connection of kafkajs, as far as it is used here. */
interface Connection {
  readonly clientId: string;
  readonly socket: Socket;
  readonly requestQueue: { push(request: QueuedRequest): void };
  isAuthenticated(): boolean;
  authenticate(): Promise<void>;
  failIfNotConnected(): void;
  nextCorrelationId(): number;
  send(exchange: Exchange<unknown>): Promise<unknown>;
}

interface Answer {
  /** Null: none was expected. */
  readonly payload: Buffer | null;
}

interface QueuedRequest {
  readonly entry: {
    readonly apiKey: number;
    readonly apiName: string;
    readonly apiVersion: number;
    readonly correlationId: number;
    resolve(answer: Answer): void;
    reject(error: unknown): void;
  };
  readonly expectResponse: boolean;
  readonly requestTimeout: number | null;
  sendRequest(): void;
}

/**
 * kafkajs 2.2.4 copies each request into two buffers of the next power of two, cleared before. V8 counts such memory: with what
 * is fetched it was so much that V8 collected all of its heap several times a second. A request that has `parts` leaves as
 * these are. kafkajs is pinned, and a test says whether this still takes hold.
 */
export function sendPartsAsTheyAre(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/connection') as {
    prototype: Connection & { readonly sendsParts?: true };
  };
  if (prototype.sendsParts) return;
  const { send } = prototype;
  Object.defineProperty(prototype, 'sendsParts', { value: true });
  prototype.send = async function (this: Connection, exchange: Exchange<unknown>): Promise<unknown> {
    return await (exchange.request.parts ? sendParts(this, exchange) : send.call(this, exchange));
  };
}

/** As kafkajs' own `send`, but for the copies and the log. */
async function sendParts<T>(
  connection: Connection,
  { request, response, requestTimeout = null }: Exchange<T>,
): Promise<T | undefined> {
  const { apiKey, apiName, apiVersion } = request;
  if (!connection.isAuthenticated()) await connection.authenticate();
  connection.failIfNotConnected();
  const correlationId = connection.nextCorrelationId();
  const parts = request.parts?.() ?? [];
  const head = Buffer.concat([
    int16(apiKey),
    int16(apiVersion),
    int32(correlationId),
    text(connection.clientId),
  ]);
  const length = parts.reduce((sum, part) => sum + part.length, head.length);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  connection.requestQueue.push({
    entry: { apiKey, apiName, apiVersion, correlationId, resolve, reject },
    expectResponse: request.expectResponse?.() ?? true,
    requestTimeout,
    sendRequest: () => write(connection.socket, [int32(length), head, ...parts]),
  });
  const { payload } = await promise;
  return payload === null ? undefined : await response.parse(await response.decode(payload));
}

/** Hands all of it to the system at once. */
function write(socket: Socket, parts: readonly Buffer[]): void {
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
}
