import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { FailureClass } from '../../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED, type Handler } from '../../../src/executor/handlers/handler.ts';
import { conforms, noneLeft } from '../../helpers/conforms.ts';
import { engine } from '../../helpers/engine.ts';
import { bound, connected, contextOf, failureOf, never, outbound } from '../../helpers/handler.ts';
import { onEnd } from '../../helpers/on-end.ts';
import type { Peer } from '../../helpers/peer.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

const SILENT = { downstream: { timeout: true } };

/** Delivers a first message, so that whatever the handler asks before it has been answered. */
async function warm(handler: Handler): Promise<void> {
  assert.deepEqual(await handler.deliver([outbound('first')], never), [DELIVERED]);
}

/** Waits until the peer has taken a payload. */
const has = (peer: Peer, payload: string) =>
  waitUntil(`the peer has ${payload}`, async () => (await peer.payloads()).includes(payload));

/** Tries a message again until it is delivered. */
const untilDelivered = (handler: Handler, payload: string) =>
  waitUntil(`${payload} is delivered`, async () => {
    const [outcome] = await handler.deliver([outbound(payload)], never);
    return outcome === DELIVERED;
  });

const only = async (peer: Peer, payload: string) =>
  (await peer.payloads()).filter((one) => one === payload).length;

conforms(
  'an attempt that is aborted rejects with the reason, and the next one is delivered',
  async (t, start) => {
    const peer = await start();
    const handler = await connected(t, peer.configuration, { maxInFlight: 1 });
    await warm(handler);
    await peer.network.set(SILENT);
    const deadline = new AbortController();
    const hanging = handler.deliver([outbound('late')], deadline.signal);
    await has(peer, 'late');
    deadline.abort(new Error('too late'));
    await assert.rejects(hanging, /too late/);
    await peer.network.set({});
    await untilDelivered(handler, 'next');
  },
);

conforms('what is aborted before it begins never leaves', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  const aborted = AbortSignal.abort(new Error('over'));
  await assert.rejects(handler.deliver([outbound('never')], aborted), /over/);
  await handler.deliver([outbound('next')], never);
  assert.deepEqual(await peer.payloads(), ['next']);
});

conforms('a peer that is away is a lost connection, and gets messages when it is back', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  await warm(handler);
  await peer.network.set({ down: true });
  for (const payload of ['lost', 'lost again']) {
    const { failureClass, reason } = failureOf((await handler.deliver([outbound(payload)], never))[0]);
    assert.equal(failureClass, FailureClass.DISCONNECTED);
    assert.notEqual(reason, '');
  }
  await peer.network.set({});
  await untilDelivered(handler, 'after');
  assert.deepEqual(await peer.payloads(), ['first', 'after']);
});

conforms(
  'a connection that is reset before the request is lost, and the peer has nothing',
  async (t, start) => {
    const peer = await start();
    const handler = await connected(t, peer.configuration);
    await warm(handler);
    await peer.network.set({ upstream: { resetPeer: true } });
    const [outcome] = await handler.deliver([outbound('cut')], never);
    assert.equal(failureOf(outcome).failureClass, FailureClass.DISCONNECTED);
    await peer.network.set({});
    assert.equal(await only(peer, 'cut'), 0);
    await untilDelivered(handler, 'cut');
    assert.equal(await only(peer, 'cut'), 1);
  },
);

conforms('a connection that is reset before the answer is lost, though the peer has it', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  await warm(handler);
  await peer.network.set({ downstream: { resetPeer: true } });
  const [outcome] = await handler.deliver([outbound('cut')], never);
  assert.equal(failureOf(outcome).failureClass, FailureClass.DISCONNECTED);
  await peer.network.set({});
  await has(peer, 'cut');
  await untilDelivered(handler, 'next');
});

conforms('a connection that breaks while the answer is due is a lost connection', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  await warm(handler);
  await peer.network.set(SILENT);
  let isOver = false;
  const sending = handler.deliver([outbound('cut')], never).finally(() => {
    isOver = true;
  });
  await has(peer, 'cut');
  // What leaves once more by a new connection loses that, too.
  const cut = () => {
    if (!isOver) peer.network.cut();
    return isOver;
  };
  await waitUntil('it has failed', cut, 60_000);
  assert.equal(failureOf((await sending)[0]).failureClass, FailureClass.DISCONNECTED);
});

conforms(
  'a peer that restarts in mid-pack has what was told delivered, and gets the rest in order',
  async (t, start) => {
    const peer = await start();
    const { told, take, settled } = await engine(t, peer.configuration);
    const sent: string[] = [];
    let isBack = false;
    const sending = (async () => {
      for (let afterwards = 0; afterwards < 100; isBack && afterwards++) {
        const client = sent.length % 32;
        sent.push(`${client}/${sent.length}`);
        await take(outbound(sent.at(-1)!, 0, `${client}`));
        if (sent.length % 10 === 0) await sleep(1);
      }
    })();
    await waitUntil('messages arrive', () => told.delivered.length > 100);
    await peer.stop();
    await waitUntil('it is felt', () => told.failures > 0);
    await peer.start();
    isBack = true;
    await sending;
    await settled();
    const arrived = new Set(await peer.payloads()); // in the order of the first arrivals
    assert.deepEqual(told.delivered.toSorted(), sent.toSorted());
    assert.deepEqual([...arrived].toSorted(), sent.toSorted());
    for (let client = 0; client < 32; client++) {
      const firsts = [...arrived].filter((payload) => payload.startsWith(`${client}/`));
      const inOrder = firsts.toSorted((a, b) => Number(a.split('/')[1]) - Number(b.split('/')[1]));
      assert.deepEqual(firsts, inOrder);
    }
  },
);

conforms(
  'a connection that breaks in the middle of a run leaves first arrivals in order',
  async (t, start) => {
    const peer = await start();
    const { told, take, settled } = await engine(t, peer.configuration);
    const sent = Array.from({ length: 800 }, (_, i) => `m${i}`);
    const sending = (async () => {
      for (const payload of sent) await take(outbound(payload, 0, 'one client'));
    })();
    for (const delivered of [100, 250, 400]) {
      await waitUntil('messages arrive', () => told.delivered.length > delivered);
      peer.network.cut();
    }
    await sending;
    await settled();
    assert.deepEqual(told.delivered, sent);
    assert.deepEqual([...new Set(await peer.payloads())], sent);
  },
);

conforms('disposing ends what is on its way and leaves no connection', async (t, start) => {
  const peer = await start();
  const handler = await connected(t, peer.configuration);
  await warm(handler);
  await peer.network.set(SILENT);
  const sending = handler.deliver([outbound('cut')], never);
  await has(peer, 'cut');
  await handler[Symbol.asyncDispose]();
  assert.equal(failureOf((await sending)[0]).failureClass, FailureClass.DISCONNECTED);
  await noneLeft(peer);
  await handler[Symbol.asyncDispose]();
});

conforms('disposing while it connects ends that, too', async (t, start) => {
  const peer = await start();
  await peer.network.set(SILENT);
  const handler = bound(peer.configuration).create(contextOf());
  onEnd(t, () => handler[Symbol.asyncDispose]());
  const trying = handler.connect(never).then(() => handler.deliver([outbound('early')], never));
  const ended = Promise.allSettled([trying]);
  await waitUntil('it connects', () => peer.network.connections > 0);
  await handler[Symbol.asyncDispose]();
  await ended;
  await noneLeft(peer);
});
