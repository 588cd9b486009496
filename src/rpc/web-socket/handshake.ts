import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Refusal } from '../http-guard.ts';
import type { WebSocketStream } from './web-socket-stream.ts';

/** What is served over WebSocket at a path of the HTTP port. */
export interface WebSocketService {
  readonly path: string;
  /** The subprotocols that it speaks. */
  readonly subprotocols: readonly string[];
  /** Connections that it bounds by itself, at most: sockets beside those of requests. */
  readonly maxConnections: number;
  /** Why it takes none at the moment; undefined: it does. */
  trouble(): string | undefined;
  /** Takes over a connection that is open. */
  accept(socket: WebSocketStream): void;
  /** Ends its connections in order. */
  shutDown(): void;
}

/** What a request for a WebSocket is answered with. */
export interface Agreed {
  readonly service: WebSocketService;
  readonly subprotocol: string;
  readonly key: string;
}

const VERSION = '13';
/** RFC 6455 §1.3 */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export const pathOf = ({ url = '' }: Pick<IncomingMessage, 'url'>): string => url.split('?', 1)[0]!;

export const wantsWebSocket = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket';

type Asking = Pick<IncomingMessage, 'method' | 'url' | 'headers' | 'httpVersion'>;

/** What is agreed on with who asks for a WebSocket, or why nothing is. */
export function handshakeOf(request: Asking, services: readonly WebSocketService[]): Agreed | Refusal {
  const { headers } = request;
  const service = services.find(({ path }) => path === pathOf(request));
  if (service === undefined) return NO_SERVICE;
  if (!wantsWebSocket(request) || headers['sec-websocket-version'] !== VERSION) return upgradeTo(service);
  const key = headers['sec-websocket-key'] ?? '';
  if (!isPlainGet(request) || Buffer.from(key, 'base64').length !== 16) return BROKEN;
  const offered = headers['sec-websocket-protocol']?.split(',').map((one) => one.trim()) ?? [];
  const subprotocol = offered.find((one) => service.subprotocols.includes(one));
  if (subprotocol === undefined) return wrongSubprotocol(service, offered);
  const trouble = service.trouble();
  return trouble === undefined ? { service, subprotocol, key } : { status: 503, message: trouble };
}

/** What would be behind a body is not told from it. */
const isPlainGet = ({ method, httpVersion, headers }: Asking) =>
  method === 'GET' &&
  httpVersion === '1.1' &&
  headers['transfer-encoding'] === undefined &&
  (headers['content-length'] ?? '0') === '0';

/** The beginning of the answer, after which both sides send frames. Nothing is compressed: no extension is agreed on. */
export function acceptance({ key, subprotocol }: Agreed): string {
  const accept = createHash('sha1').update(`${key}${GUID}`).digest('base64');
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    `Sec-WebSocket-Protocol: ${subprotocol}`,
    '\r\n',
  ].join('\r\n');
}

const NO_SERVICE: Refusal = {
  status: 404,
  message: 'there is no WebSocket here: MQTT is at /mqtt, on nodes with the role ingress',
};

const BROKEN: Refusal = {
  status: 400,
  message:
    'no handshake of a WebSocket: it is a GET of HTTP/1.1 without a body, with 16 bytes in Sec-WebSocket-Key',
};

const upgradeTo = ({ path, subprotocols }: WebSocketService): Refusal => ({
  status: 426,
  message: `${path} is a WebSocket: connect to it by version ${VERSION}, with the subprotocol ${subprotocols[0]}`,
  headers: { upgrade: 'websocket', 'sec-websocket-version': VERSION },
});

const wrongSubprotocol = ({ path, subprotocols }: WebSocketService, offered: readonly string[]): Refusal => ({
  status: 400,
  message: `${path} speaks ${subprotocols.join(' and ')}, and the client offers ${offered.join() || 'no subprotocol'}: offer ${subprotocols[0]} in Sec-WebSocket-Protocol`,
});
