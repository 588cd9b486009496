import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { runOutage } from '../helpers/outage.ts';
import { dataDirectory, startDevForTests } from '../helpers/penstock.ts';

const MESSAGES = 4000;

test('an endpoint that is away for a while costs no message', async (t) => {
  const penstock = await startDevForTests(t, await dataDirectory(t));
  const run = (strategy: AckStrategy) =>
    runOutage(penstock.address('gRPC'), penstock.address('MQTT'), {
      messages: MESSAGES,
      seconds: 3,
      strategy,
    });

  await t.test('RETRY_ALL delivers all of them, in order by client', async () => {
    const result = await run(AckStrategy.RETRY_ALL);
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.arrived >= MESSAGES);
    assert.equal(result.outOfOrder, 0);
    assert.equal(result.deadLetters, 0);
  });

  await t.test('SKIP_ALL delivers or keeps all of them, and a redrive delivers the rest', async () => {
    const result = await run(AckStrategy.SKIP_ALL);
    t.diagnostic(JSON.stringify(result));
    assert.ok(result.arrived < MESSAGES, 'the outage was felt');
    assert.ok(result.arrived + result.deadLetters >= MESSAGES);
    assert.ok(result.arrivedAtLast >= MESSAGES);
  });
});
