// Devices without a client library's own cost: connections of MQTT 3.1.1 that keep `window` messages of QoS 1 on their way each.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generate } from 'mqtt-packet';

const [port = '', clients, window, bytes, warmUp, total] = process.argv.slice(2);
const payload = 'x'.repeat(Number(bytes));
let acknowledged = 0;

function publish(socket: Socket, topic: string, messageId: number): void {
  socket.write(generate({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: false }));
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
  socket.write(
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
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
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
