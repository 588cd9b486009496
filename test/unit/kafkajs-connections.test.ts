import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { endRequestsWithConnections } from '../../src/kafkajs/connection-ends.ts';
import { onEnd } from '../helpers/on-end.ts';

const kafkajs = createRequire(import.meta.url);

interface Connection {
  connect(): Promise<boolean>;
  send(exchange: object): Promise<unknown>;
  disconnect(): Promise<boolean>;
}

/** The steps that kafkajs takes between a call and what it writes are fewer. */
const STEPS = 50;

test('what is sent while a connection is being closed fails, at whichever step it comes', {
  timeout: 10_000,
}, async (t) => {
  endRequestsWithConnections();
  endRequestsWithConnections();
  // A node that answers nothing.
  const server = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  onEnd(t, () => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const Connection = kafkajs('kafkajs/src/network/connection') as new (options: object) => Connection;
  const { requests } = kafkajs('kafkajs/src/protocol/requests') as {
    requests: { ApiVersions: { protocol(options: { version: number }): () => object } };
  };
  const logger = { namespace: () => logger, debug() {}, error() {}, warn() {} };
  const sendAndClose = async (steps: number) => {
    const connection = new Connection({
      ...{ host: '127.0.0.1', port, logger, requestTimeout: 300, connectionTimeout: 10_000 },
      socketFactory: ({ onConnect }: { onConnect(): void }) =>
        connect({ host: '127.0.0.1', port }, onConnect),
    });
    await connection.connect();
    const answer = connection.send(requests.ApiVersions.protocol({ version: 0 })());
    const failed = assert.rejects(
      answer,
      /Closed connection|Not connected|timed out/,
      `after ${steps} steps`,
    );
    for (let i = 0; i < steps; i++) await undefined;
    await connection.disconnect();
    await failed;
  };
  await Promise.all(Array.from({ length: STEPS }, (_, steps) => sendAndClose(steps)));
});
