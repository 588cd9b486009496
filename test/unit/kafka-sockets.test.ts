import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { DEFAULTS } from '../../src/executor/handlers/kafka/options.ts';
import { Sockets } from '../../src/executor/handlers/kafka/sockets.ts';
import type { TargetGuard } from '../../src/runtime/target-guard.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

test('of brokers under ever new names, the latest lost connections are remembered', async () => {
  const guard = { connect: () => new Socket() } as unknown as TargetGuard;
  const sockets = new Sockets(DEFAULTS, { guard, clock: new ManualClock() });
  const lose = async (port: number) => {
    const socket = sockets.open({ host: 'broker', port, ssl: undefined, onConnect() {} } as never);
    const closed = once(socket, 'close');
    socket.destroy();
    await closed;
  };
  for (let port = 1; port <= 100; port++) await lose(port);
  await lose(1);
  await lose(101);
  assert.deepEqual([sockets.lost.size, sockets.lost.has('broker:2')], [100, false]);
  for (const port of [1, 3, 101]) {
    assert.match(sockets.lost.get(`broker:${port}`)!.message, new RegExp(`broker:${port} was lost`));
  }
});
