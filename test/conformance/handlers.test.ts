import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED, type Outcome } from '../../src/executor/handlers/handler.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { PEERS } from '../helpers/peers.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const classOf = (outcome: Outcome | undefined) =>
  outcome?.delivered === false ? outcome.failureClass : outcome;
const numbers = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);

for (const [type, startPeer] of Object.entries(PEERS)) {
  const conforms = (what: string, body: (t: TestContext) => Promise<void>) =>
    test(`${type}: ${what}`, { timeout: 60_000 }, body);

  conforms('a message is delivered, with its payload', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration);
    assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
    assert.deepEqual(peer.payloads(), ['hello']);
  });

  conforms('the largest pack is delivered, each message once, with an outcome for each', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration);
    const payloads = numbers(Math.min(bound(peer.configuration).pack().maxMessages, 1000));
    const outcomes = await handler.deliver(payloads.map(outbound), never);
    assert.deepEqual(
      outcomes,
      payloads.map(() => DELIVERED),
    );
    assert.deepEqual(peer.payloads(), payloads);
  });

  conforms('as many packs as it takes at a time are delivered, each once', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration, { maxInFlight: 16 });
    assert.ok(handler.parallel >= 1 && handler.parallel <= 16);
    const payloads = numbers(200);
    const sendNext = async (rest: string[]) => {
      for (let next = rest.shift(); next !== undefined; next = rest.shift()) {
        assert.deepEqual(await handler.deliver([outbound(next)], never), [DELIVERED]);
      }
    };
    const rest = [...payloads];
    await Promise.all(Array.from({ length: handler.parallel }, () => sendNext(rest)));
    assert.deepEqual(peer.payloads().toSorted(), payloads.toSorted());
  });

  conforms('an attempt that is aborted rejects with the reason, and the next one is delivered', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration, { maxInFlight: 1 });
    peer.hang(true);
    const deadline = new AbortController();
    const hanging = handler.deliver([outbound('late')], deadline.signal);
    await waitUntil('the peer has it', () => peer.payloads().includes('late'));
    deadline.abort(new Error('too late'));
    await assert.rejects(hanging, /too late/);
    peer.hang(false);
    assert.deepEqual(await handler.deliver([outbound('next')], never), [DELIVERED]);
  });

  conforms('what is aborted before it begins never leaves', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration);
    const aborted = AbortSignal.abort(new Error('over'));
    await assert.rejects(handler.deliver([outbound('never')], aborted), /over/);
    await handler.deliver([outbound('next')], never);
    assert.deepEqual(peer.payloads(), ['next']);
  });

  conforms('a peer that is away is a lost connection, and gets messages when it is back', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration);
    assert.deepEqual(await handler.deliver([outbound('before')], never), [DELIVERED]);
    await peer.stop();
    const [outcome] = await handler.deliver([outbound('lost')], never);
    assert.equal(classOf(outcome), FailureClass.DISCONNECTED);
    await peer.start();
    await waitUntil('it delivers again', async () => {
      const [next] = await handler.deliver([outbound('after')], never);
      return next === DELIVERED;
    });
    assert.deepEqual(peer.payloads().slice(0, 2), ['before', 'after']);
  });

  conforms('a connection that breaks while the answer is due is a lost connection', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration);
    peer.hang(true);
    const sending = handler.deliver([outbound('cut')], never);
    await waitUntil('the peer has it', () => peer.payloads().length === 1);
    await peer.stop();
    assert.equal(classOf((await sending)[0]), FailureClass.DISCONNECTED);
  });

  conforms('disposing ends what is on its way and leaves no connection', async (t) => {
    const peer = await startPeer(t);
    const handler = await connected(t, peer.configuration);
    peer.hang(true);
    const sending = handler.deliver([outbound('cut')], never);
    await waitUntil('the peer has it', () => peer.payloads().length === 1);
    await handler[Symbol.asyncDispose]();
    assert.equal(classOf((await sending)[0]), FailureClass.DISCONNECTED);
    await waitUntil('no connection is left', () => peer.connections() === 0);
  });

  conforms('a check finds a peer, leaving no connection and delivering nothing', async (t) => {
    const peer = await startPeer(t);
    const { reachable, message } = await bound(peer.configuration).check(contextOf(), never);
    assert.equal(reachable, true);
    assert.notEqual(message, '');
    await waitUntil('no connection is left', () => peer.connections() === 0);
    assert.equal(peer.payloads().filter((payload) => payload !== '').length, 0);
  });

  conforms('a check finds that a peer is away', async (t) => {
    const peer = await startPeer(t);
    await peer.stop();
    const { reachable, message } = await bound(peer.configuration).check(contextOf(), never);
    assert.equal(reachable, false);
    assert.match(message, /ECONNREFUSED/);
  });

  conforms('a check of a peer that hangs ends with its signal', async (t) => {
    const peer = await startPeer(t);
    peer.hang(true);
    const deadline = new AbortController();
    const checking = bound(peer.configuration).check(contextOf(), deadline.signal);
    await waitUntil('the peer is asked', () => peer.connections() > 0);
    deadline.abort(new Error('too late'));
    const { reachable, message } = await checking;
    assert.equal(reachable, false);
    assert.match(message, /too late/);
    await waitUntil('no connection is left', () => peer.connections() === 0);
  });
}
