import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { patchKafkajs } from '../../src/kafkajs/patches.ts';
import { produceExchange } from '../../src/kafkajs/produce-request.ts';
import { onEnd } from '../helpers/on-end.ts';

const kafkajs = createRequire(import.meta.url);

interface Connection {
  connect(): Promise<boolean>;
  send(exchange: object): Promise<unknown>;
  disconnect(): Promise<boolean>;
}

const Connection = kafkajs('kafkajs/src/network/connection') as new (options: object) => Connection;
const logger = { namespace: () => logger, debug() {}, error() {}, warn() {} };

/** A node of Kafka that does with a connection as it is told. */
async function node(t: TestContext, accept: (socket: Socket) => void): Promise<number> {
  const server = createServer(accept).listen(0, '127.0.0.1');
  onEnd(t, () => server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** @param opened is given its socket */
async function connected(port: number, opened: (socket: Socket) => void = () => {}): Promise<Connection> {
  const connection = new Connection({
    ...{ host: '127.0.0.1', port, logger, clientId: 'ünit', requestTimeout: 300, connectionTimeout: 10_000 },
    socketFactory: ({ onConnect }: { onConnect(): void }) => {
      const socket = connect({ host: '127.0.0.1', port }, onConnect);
      opened(socket);
      return socket;
    },
  });
  await connection.connect();
  return connection;
}

/** The steps that kafkajs takes between a call and what it writes are fewer. */
const STEPS = 50;

test('what is sent while a connection is being closed fails, at whichever step it comes', {
  timeout: 10_000,
}, async (t) => {
  patchKafkajs();
  patchKafkajs();
  const port = await node(t, (socket) => socket.resume()); // answers nothing
  const { requests } = kafkajs('kafkajs/src/protocol/requests') as {
    requests: { ApiVersions: { protocol(options: { version: number }): () => object } };
  };
  const produce = produceExchange({ acks: -1, timeout: 1, batches: [] }, 7);
  const sendAndClose = async (exchange: object, steps: number) => {
    const connection = await connected(port);
    const failed = assert.rejects(
      connection.send(exchange),
      /Closed connection|Not connected|timed out/,
      `after ${steps} steps`,
    );
    for (let i = 0; i < steps; i++) await undefined;
    await connection.disconnect();
    await failed;
  };
  const exchanges = [requests.ApiVersions.protocol({ version: 0 })(), produce];
  const all = exchanges.flatMap((exchange) =>
    Array.from({ length: STEPS }, (_, steps) => sendAndClose(exchange, steps)),
  );
  await Promise.all(all);
});

test('the parts of a request leave as they are, and the request is the one that kafkajs would send', async (t) => {
  patchKafkajs();
  const received: Buffer[] = [];
  // Kafka's answer: which request it is for, one topic with the name `t`, partition 7, error 6.
  const answer = Buffer.from(
    '0000002d00000000000000010001740000000100000007000600000000000000000000000000000000000000000000000000',
    'hex',
  );
  answer.writeInt32BE(answer.length - 4);
  const port = await node(t, (socket) =>
    socket.on('data', (data) => {
      received.push(data);
      socket.write(answer);
    }),
  );
  const bytes = Buffer.from('a batch of records');
  const exchange = produceExchange(
    { acks: -1, timeout: 1, batches: [{ topic: 't', partition: 7, bytes }] },
    7,
  );

  const written: unknown[] = [];
  const ours = await connected(port, (socket) => {
    const { write } = socket;
    socket.write = (...args: unknown[]) => {
      written.push(args[0]);
      return write.apply(socket, args as never);
    };
  });
  onEnd(t, () => ours.disconnect());
  assert.deepEqual(await ours.send(exchange), [{ topic: 't', partition: 7, errorCode: 6 }]);
  assert.ok(written.includes(bytes), 'without a copy');

  const { parts, ...request } = exchange.request;
  const buffer = Buffer.concat(parts!());
  const theirs = await connected(port);
  onEnd(t, () => theirs.disconnect());
  const encode = async () => ({ buf: buffer, buffer });
  await theirs.send({ response: exchange.response, request: { ...request, encode } });
  assert.equal(received.length, 2, 'each in one piece');
  assert.deepEqual(received[0], received[1]);
});

test('a request that nothing answers is over when it is written', async (t) => {
  patchKafkajs();
  const received = Promise.withResolvers<Buffer>();
  const connection = await connected(await node(t, (socket) => socket.on('data', received.resolve)));
  onEnd(t, () => connection.disconnect());
  const bytes = Buffer.from('a batch of records');
  const exchange = produceExchange(
    { acks: 0, timeout: 1, batches: [{ topic: 't', partition: 7, bytes }] },
    7,
  );
  assert.equal(await connection.send(exchange), undefined);
  assert.ok((await received.promise).includes(bytes));
});
