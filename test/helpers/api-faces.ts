import { once } from 'node:events';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

type Headers = Readonly<Record<string, string>>;

/** One message as gRPC frames it. */
export function grpcFrame(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** All that a call over gRPC is answered, but for the time: headers and trailers, and the bytes between. */
export async function askGrpc(
  session: ClientHttp2Session,
  path: string,
  headers: Headers,
  body: Uint8Array,
): Promise<string> {
  const fixed = { ':method': 'POST', 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ...fixed, ...headers, ':path': path });
  let answered: IncomingHttpHeaders = {};
  const take = ({ date: _, ...more }: IncomingHttpHeaders) => {
    answered = { ...answered, ...more };
  };
  stream.on('response', take).on('trailers', take);
  stream.setTimeout(20_000, () => stream.destroy(new Error(`no answer to ${path} within 20 s`)));
  stream.end(body);
  const bytes = await buffer(stream);
  return JSON.stringify([answered, bytes.toString('base64')]);
}

/** All that a request over HTTP/1 is answered, byte for byte, but for the time. */
export async function askHttp(
  address: string,
  request: { readonly line: string; readonly headers: Headers; readonly body: Uint8Array },
  tls?: ConnectionOptions,
): Promise<string> {
  const { hostname, port } = new URL(`http://${address}`);
  const to = { host: hostname, port: Number(port) };
  const socket = tls ? connectTls({ ...to, ...tls }) : connect(to);
  socket.setTimeout(20_000, () => socket.destroy(new Error(`no answer to ${request.line} within 20 s`)));
  const { line, headers, body } = request;
  const all = { host: address, connection: 'close', 'content-length': String(body.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  // A header is read as Latin-1.
  const head = Buffer.from(`${[`${line} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`, 'latin1');
  socket.write(Buffer.concat([head, body]));
  const answer = await buffer(socket);
  if (!socket.closed) await once(socket, 'close');
  return answer.toString('latin1').replace(/\r\nDate: [^\r]*/, '');
}

/** Does it for all, so many at a time. */
export async function eachOf<T>(
  items: readonly T[],
  atATime: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}
