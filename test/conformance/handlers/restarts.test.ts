import assert from 'node:assert/strict';
import { DELIVERED } from '../../../src/executor/handlers/handler.ts';
import { conforms, noneLeft } from '../../helpers/conforms.ts';
import { bound, contextOf, outbound } from '../../helpers/handler.ts';
import { CountingClock, leavesNothing } from '../../helpers/leaks.ts';

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
    });
    await noneLeft(peer);
  },
  { timeout: 240_000 },
);
