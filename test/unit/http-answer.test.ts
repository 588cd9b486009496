import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import type { Dispatcher } from 'undici';
import { Answer, type HttpAnswer } from '../../src/executor/handlers/http/answer.ts';
import type { Connection } from '../../src/executor/handlers/http/connection.ts';
import type { Connections } from '../../src/executor/handlers/http/connections.ts';
import type { Statuses } from '../../src/executor/handlers/http/statuses.ts';
import { Wire } from '../../src/executor/handlers/http/wire.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const CONTROLLER = { abort() {} } as unknown as Dispatcher.DispatchController;

test('a request that begins anew on another connection, as after a goodbye, is not on the old one any more', async () => {
  const [old, next] = [new Wire(new Socket()), new Wire(new Socket())];
  const connections = { take: () => ({ dispatch: () => true }), give() {} } as unknown as Connections;
  const limits = {
    statuses: { isSuccess: () => true } as unknown as Statuses,
    maxBytes: 100,
    clock: new FakeClock(),
  };
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const request = { method: 'POST', path: '/' } as const;
  const answer = new Answer(connections, request, limits, new AbortController().signal, resolve, reject);
  old.begin(); // another's
  for (const [wire, isShared] of [
    [old, true],
    [next, false],
  ] as const) {
    answer.connection = { wire } as Connection;
    answer.onRequestStart(CONTROLLER);
    assert.equal(old.isShared, isShared);
  }
  answer.onResponseStart(CONTROLLER, 200, {});
  answer.onResponseEnd();
  assert.equal((await promise).status, 200);
  for (const wire of [old, next]) {
    const alone = wire === next;
    wire.begin();
    assert.equal(wire.isShared, !alone);
  }
});
