// Devices without a client library's own cost: connections of MQTT 3.1.1 that keep `window` messages of QoS 1 on their way each,
// over TCP or, with `websocket`, in a frame for each packet.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generate } from 'mqtt-packet';

const [port = '', clients, window, bytes, warmUp, total, transport] = process.argv.slice(2);
const payload = 'x'.repeat(Number(bytes));
let acknowledged = 0;

const isOverWebSocket = transport === 'websocket';
const HANDSHAKE = [
  'GET /mqtt HTTP/1.1',
  'host: localhost',
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol: mqtt',
  '\r\n',
].join('\r\n');

/** Writes a packet; over WebSocket with a mask that changes nothing. */
function send(socket: Socket, packet: Buffer): void {
  if (!isOverWebSocket) {
    socket.write(packet);
    return;
  }
  const { length } = packet;
  const size = length < 126 ? [0x80 | length] : [0xfe, length >> 8, length & 0xff];
  socket.write(Buffer.concat([Buffer.from([0x82, ...size, 0, 0, 0, 0]), packet]));
}

/** The payload of the whole frames that came, and how many bytes they took. */
function unframed(data: Buffer): { payload: Buffer; taken: number } {
  if (!isOverWebSocket) return { payload: data, taken: data.length };
  const payloads: Buffer[] = [];
  let at = 0;
  while (at + 4 <= data.length) {
    const isLong = data[at + 1] === 126;
    const start = at + (isLong ? 4 : 2);
    const end = start + (isLong ? data.readUInt16BE(at + 2) : data[at + 1]!);
    if (end > data.length) break;
    payloads.push(data.subarray(start, end));
    at = end;
  }
  return { payload: Buffer.concat(payloads), taken: at };
}

function publish(socket: Socket, topic: string, messageId: number): void {
  send(socket, generate({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false }));
}

/** Each PUBACK, which has four bytes, lets one more message leave under its number. */
function answered(socket: Socket, topic: string, data: Buffer): void {
  socket.cork();
  for (let at = 0; at < data.length; at += 4) {
    acknowledged++;
    if (acknowledged === Number(warmUp)) process.send?.({ warm: true });
    if (acknowledged === Number(total)) process.send?.({ end: true });
    publish(socket, topic, data.readUInt16BE(at + 2));
  }
  socket.uncork();
}

async function device(n: number): Promise<() => void> {
  const socket = connect(Number(port), '127.0.0.1');
  if (isOverWebSocket) {
    socket.write(HANDSHAKE);
    await once(socket, 'data');
  }
  send(
    socket,
    generate({
      cmd: 'connect',
      protocolId: 'MQTT',
      protocolVersion: 4,
      clientId: `client-${n}`,
      clean: true,
      keepalive: 60,
    }),
  );
  await once(socket, 'data'); // CONNACK
  const topic = `sensors/${n}/temperature`;
  let framed: Buffer = Buffer.alloc(0);
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const bytes = framed.length > 0 ? Buffer.concat([framed, chunk]) : chunk;
    const { payload: came, taken } = unframed(bytes);
    framed = bytes.subarray(taken);
    const data = rest.length > 0 ? Buffer.concat([rest, came]) : came;
    const whole = data.length - (data.length % 4);
    rest = data.subarray(whole);
    answered(socket, topic, data.subarray(0, whole));
  });
  return () => {
    for (let id = 1; id <= Number(window); id++) publish(socket, topic, id);
  };
}

process.on('disconnect', () => process.exit());
const starts = await Promise.all(Array.from({ length: Number(clients) }, (_, n) => device(n)));
process.on('message', () => {
  for (const start of starts) start();
});
process.send?.({ ready: true });
