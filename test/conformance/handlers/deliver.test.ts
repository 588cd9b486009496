import assert from 'node:assert/strict';
import { DELIVERED } from '../../../src/executor/handlers/handler.ts';
import { conforms } from '../../helpers/conforms.ts';
import { engine } from '../../helpers/engine.ts';
import { bound, connected, never, outbound } from '../../helpers/handler.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);

conforms('a message is delivered, with its payload', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  assert.deepEqual(await handler.deliver([outbound('grüße 🌊')], never), [DELIVERED]);
  assert.deepEqual(await peer.payloads(), ['grüße 🌊']);
});

conforms('the largest pack is delivered, each message once, with an outcome for each', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  const payloads = numbers(Math.min(bound(peer.configuration).pack().maxMessages, 1000));
  const pack = payloads.map((payload, i) => outbound(payload, i, `client ${i}`));
  const outcomes = await handler.deliver(pack, never);
  assert.deepEqual(
    outcomes,
    payloads.map(() => DELIVERED),
  );
  assert.deepEqual(await peer.payloads(), payloads);
});

conforms('as many packs as it takes at a time are delivered, each once', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration, { maxInFlight: 16 });
  assert.ok(handler.parallel >= 1 && handler.parallel <= 16);
  const payloads = numbers(200);
  const rest = [...payloads];
  const sendNext = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
      assert.deepEqual(await handler.deliver([outbound(next)], never), [DELIVERED]);
    }
  };
  await Promise.all(Array.from({ length: handler.parallel }, sendNext));
  assert.deepEqual((await peer.payloads()).toSorted(), payloads.toSorted());
});

conforms('the messages of a client keep their order', async (t, start) => {
  const peer = await start();
  const { told, take, settled } = await engine(t, peer.configuration);
  const sent = numbers(400);
  for (const [i, payload] of sent.entries()) await take(outbound(`${i % 8}/${payload}`, i, `${i % 8}`));
  await settled();
  assert.equal(told.failures, 0);
  const payloads = await peer.payloads();
  assert.equal(payloads.length, sent.length);
  for (let client = 0; client < 8; client++) {
    assert.deepEqual(
      payloads.filter((payload) => payload.startsWith(`${client}/`)),
      sent.filter((_, i) => i % 8 === client).map((payload) => `${client}/${payload}`),
    );
  }
});

conforms(
  'a message that the peer refuses fails alone',
  async (t, start) => {
    const peer = await start();
    const refused = peer.refused!;
    const { told, take, settled } = await engine(t, peer.configuration);
    const sent = numbers(30);
    for (const [i, payload] of sent.entries()) {
      if (i === 17) await take(refused);
      await take(outbound(payload, i, `client ${i}`));
    }
    await settled();
    const [[payload, reason] = []] = told.givenUp;
    assert.equal(payload, Buffer.from(refused.envelope.payload).toString());
    assert.notEqual(reason, '');
    assert.equal(told.givenUp.size, 1);
    assert.deepEqual(told.delivered.toSorted(), sent.toSorted());
    assert.deepEqual((await peer.payloads()).toSorted(), sent.toSorted());
  },
  { needs: 'refusal' },
);

conforms('a peer that is slow gets its messages', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  await peer.network.set({ upstream: { latency: 150 }, downstream: { latency: 150 } });
  assert.deepEqual(await handler.deliver([outbound('slow')], never), [DELIVERED]);
  assert.deepEqual(await peer.payloads(), ['slow']);
});

conforms('a network that is narrow and cuts everything in pieces loses nothing', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  await peer.network.set({ upstream: { bandwidth: 200_000, slicer: 1000 }, downstream: { slicer: 3 } });
  const payload = 'large '.repeat(10_000);
  assert.deepEqual(await handler.deliver([outbound(payload)], never), [DELIVERED]);
  assert.deepEqual(await peer.payloads(), [payload]);
});
