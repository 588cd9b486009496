import assert from 'node:assert/strict';
import { DELIVERED, type Handler } from '../../../src/executor/handlers/handler.ts';
import { conforms, noneLeft } from '../../helpers/conforms.ts';
import { connected, outbound } from '../../helpers/handler.ts';
import { CountingClock, leavesNothing } from '../../helpers/leaks.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const untilDelivered = (handler: Handler, signal: AbortSignal) =>
  waitUntil('a message is delivered', async () => {
    const [outcome] = await handler.deliver([outbound('hello')], signal);
    return outcome === DELIVERED;
  });

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
  { timeout: 240_000 },
);
