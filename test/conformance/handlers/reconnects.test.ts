import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { TestContext } from 'node:test';
import { DELIVERED, type Handler } from '../../../src/executor/handlers/handler.ts';
import { conforms, noneLeft } from '../../helpers/conforms.ts';
import { bound, connected, contextOf, outbound } from '../../helpers/handler.ts';
import { CountingClock, openResources, reachableBytes } from '../../helpers/leaks.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

/** A day of an integration that starts anew each five minutes, the default of INTEGRATIONS_REINIT_FREQUENCY_MS. */
const DAY = (24 * 60) / 5;
/** Not measured: what is made once and kept, such as compiled code and caches of names, is made in this time. */
const WARM_UP = DAY / 2;
/** Kept each time, at most: a handler that is kept takes 20 KiB and more; noise and what a peer writes down take 1 to 3. */
const BYTES = 6 * 1024;
const TIMEOUT = 240_000;

const untilDelivered = (handler: Handler, signal: AbortSignal) =>
  waitUntil('a message is delivered', async () => {
    const [outcome] = await handler.deliver([outbound('hello')], signal);
    return outcome === DELIVERED;
  });

/** Runs `once` for a day, and fails when something is left of it afterwards: sockets, timers, listeners, memory. */
async function leavesNothing(t: TestContext, once: (signal: AbortSignal) => Promise<void>) {
  const { signal } = new AbortController();
  for (let i = 0; i < WARM_UP; i++) await once(signal);
  const before = openResources();
  const bytes = await reachableBytes();
  for (let i = 0; i < DAY; i++) await once(signal);
  await waitUntil('no more is open than before', () =>
    Object.entries(openResources()).every(([name, count]) => count <= (before[name] ?? 0)),
  ).catch(() => assert.deepEqual(openResources(), before));
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
  const grown = (await reachableBytes()) - bytes;
  t.diagnostic(`${DAY} times: ${Math.round(grown / DAY)} bytes each`);
  assert.ok(grown / DAY < BYTES, `${Math.round(grown / DAY)} bytes were kept each time`);
}

conforms(
  'a day of starts and stops leaves no socket, timer or memory behind',
  async (t, start) => {
    const peer = await start();
    const clock = new CountingClock();
    await leavesNothing(t, async (signal) => {
      const handler = bound(peer.configuration).create(contextOf({ clock }));
      await handler.connect(signal);
      assert.deepEqual(await handler.deliver([outbound('hello')], signal), [DELIVERED]);
      await handler[Symbol.asyncDispose]();
      assert.equal(clock.timers, 0);
      await noneLeft(peer);
    });
  },
  { timeout: TIMEOUT },
);

conforms(
  'a day of cut connections leaves no socket, timer or memory behind',
  async (t, start) => {
    const peer = await start();
    const clock = new CountingClock();
    const handler = await connected(t, peer.configuration, { clock });
    await leavesNothing(t, async (signal) => {
      await untilDelivered(handler, signal);
      await peer.network.set({ downstream: { resetPeer: true } });
      const [outcome] = await handler.deliver([outbound('cut')], signal);
      assert.notEqual(outcome, DELIVERED);
      await peer.network.set({});
    });
    await handler[Symbol.asyncDispose]();
    assert.equal(clock.timers, 0);
    await noneLeft(peer);
  },
  { timeout: TIMEOUT },
);
