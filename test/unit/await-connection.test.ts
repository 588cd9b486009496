import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { awaitConnection } from '../../src/kafkajs/await-connection.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const TARGET = { host: 'kafka', port: 9093 };

test('a socket for kafkajs that is not connected in time is closed: over TLS, also one that hangs in its handshake', async () => {
  const clock = new ManualClock();
  let connected = 0;
  const options = { clock, timeout: 3000, onConnect: () => connected++ };
  const [plain, secure] = [new Socket(), new Socket()];
  awaitConnection(plain, TARGET, options);
  awaitConnection(secure, { ...TARGET, tls: {} }, options);
  for (const socket of [plain, secure]) socket.emit('connect');
  assert.equal(connected, 1);
  const failed = once(secure, 'error');
  clock.advance(3000);
  assert.match(String(await failed), /no connection to kafka:9093 within 3000 ms/);
  assert.deepEqual([plain.destroyed, secure.destroyed], [false, true]);
});
