// The raw limit: a socket server with mqtt-packet's parser that hands what came to kafkajs, and acknowledges what it has written.
import { createServer, type Socket } from 'node:net';
import kafkajs from 'kafkajs';
import { generate, type IPublishPacket, parser } from 'mqtt-packet';
import { stopBusyTimer } from '../src/kafkajs/request-queue.ts';

const [broker = '', topic = '', bytes, port = ''] = process.argv.slice(2);

stopBusyTimer();
const { Kafka, logLevel, Partitioners } = kafkajs;
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });
const producer = kafka.producer({
  createPartitioner: Partitioners.DefaultPartitioner,
  idempotent: true,
  maxInFlightRequests: 1,
});
/** As large as what Penstock writes. */
const value = Buffer.alloc(Number(bytes), 'x');
const waiting: { readonly socket: Socket; readonly packet: IPublishPacket; readonly key: string }[] = [];
let isSending = false;

async function send(): Promise<void> {
  if (isSending || waiting.length === 0) return;
  isSending = true;
  const taken = waiting.splice(0, 500); // kafkajs takes the square of their number to sort them
  await producer.send({ topic, acks: -1, messages: taken.map(({ key }) => ({ key, value })) });
  for (const { socket, packet } of taken) {
    socket.write(generate({ cmd: 'puback', messageId: packet.messageId! }));
  }
  isSending = false;
  setImmediate(send);
}

const server = createServer((socket) => {
  const parse = parser({ protocolVersion: 4 });
  let key = '';
  parse.on('packet', (packet) => {
    if (packet.cmd === 'connect') {
      key = packet.clientId;
      socket.write(generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }));
    } else if (packet.cmd === 'publish') {
      waiting.push({ socket, packet, key });
      setImmediate(send);
    }
  });
  socket.on('data', (data: Buffer) => parse.parse(data));
  socket.on('error', () => {});
});
process.on('disconnect', () => process.exit());
await producer.connect();
server.listen(Number(port), '127.0.0.1', () => process.send?.({ ready: true }));
