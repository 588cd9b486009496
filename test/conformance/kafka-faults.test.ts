import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import {
  KafkaAcks,
  type KafkaConfiguration,
  type KafkaConfigurationSchema,
} from '../../gen/penstock/v1/kafka_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { Sockets } from '../../src/executor/handlers/kafka/sockets.ts';
import { createTargetGuard, type TargetGuard } from '../../src/runtime/target-guard.ts';
import { noneLeft } from '../helpers/conforms.ts';
import { connected, contextOf, failureOf, never, outbound } from '../helpers/handler.ts';
import { kafka } from '../helpers/kafka-peer.ts';
import { onEnd } from '../helpers/on-end.ts';
import type { Configuration, Peer } from '../helpers/peer.ts';
import { waitUntil } from '../helpers/wait-until.ts';

type Config = Exclude<MessageInitShape<typeof KafkaConfigurationSchema>, KafkaConfiguration>;

/** The peer's configuration, with other properties of the Java producer. */
function withProperties(
  { configuration }: Peer,
  otherProperties: Record<string, string>,
  config: Config = {},
) {
  assert.equal(configuration.case, 'kafka');
  const value = configuration.value as Config;
  const properties = { ...value.otherProperties, ...otherProperties };
  return { ...configuration, value: { ...value, ...config, otherProperties: properties } } as Configuration;
}

test('a connection that breaks before the answer costs neither the record nor a second one', async (t) => {
  const peer = await kafka.start(t);
  const handler = await connected(t, peer.configuration);
  assert.deepEqual(await handler.deliver([outbound('first')], never), [DELIVERED]);
  await peer.network.set({ downstream: { timeout: true } });
  const sending = handler.deliver([outbound('once')], never);
  await waitUntil('the broker has it', async () => (await peer.payloads()).includes('once'));
  await peer.network.set({}); // which cuts the connection that lacks an answer
  assert.deepEqual(await sending, [DELIVERED]);
  assert.deepEqual(await peer.payloads(), ['first', 'once']);
});

test('a batch after one that was written but not acknowledged is not taken for its repetition', async (t) => {
  const peer = await kafka.start(t);
  const handler = await connected(t, peer.configuration);
  assert.deepEqual(await handler.deliver([outbound('first')], never), [DELIVERED]);
  for (let i = 0; i < 3; i++) {
    await peer.network.set({ downstream: { resetPeer: true } });
    const [outcome] = await handler.deliver([outbound(`lost ${i}`)], never);
    const { failureClass, cut } = failureOf(outcome);
    assert.equal(failureClass, FailureClass.DISCONNECTED);
    assert.deepEqual(cut, { isShared: true, isForOne: 'no' }, 'it was no try of what was on it');
    await peer.network.set({});
    await waitUntil('the next one is delivered', async () => {
      const [next] = await handler.deliver([outbound(`next ${i}`)], never);
      return next === DELIVERED;
    });
    assert.ok((await peer.payloads()).includes(`next ${i}`));
  }
});

test('a broker that cannot be reached fails what was to leave, each a try', async (t) => {
  const peer = await kafka.start(t);
  const handler = await connected(t, peer.configuration);
  assert.deepEqual(await handler.deliver([outbound('first')], never), [DELIVERED]);
  await peer.network.set({ down: true });
  await waitUntil('no connection is left to lose', async () => {
    const [outcome] = await handler.deliver([outbound('never')], never);
    return failureOf(outcome).cut === undefined;
  });
});

test('a broker that does not answer is a timeout, after request.timeout.ms', async (t) => {
  const peer = await kafka.start(t);
  const handler = await connected(t, withProperties(peer, { 'request.timeout.ms': '300' }));
  assert.deepEqual(await handler.deliver([outbound('first')], never), [DELIVERED]);
  await peer.network.set({ downstream: { timeout: true } });
  const { failureClass, reason } = failureOf((await handler.deliver([outbound('late')], never))[0]);
  assert.equal(failureClass, FailureClass.TIMEOUT);
  assert.match(reason, /timed out/);
});

test('delivery.timeout.ms ends an attempt before the engine does', async (t) => {
  const peer = await kafka.start(t);
  const properties = { 'request.timeout.ms': '300', 'delivery.timeout.ms': '1000', retries: '50' };
  const handler = await connected(t, withProperties(peer, properties));
  await peer.network.set({ downstream: { timeout: true } });
  const { failureClass, reason } = failureOf((await handler.deliver([outbound('late')], never))[0]);
  assert.equal(failureClass, FailureClass.TIMEOUT);
  assert.match(reason, /delivery\.timeout\.ms/);
  await peer.network.set({});
  await waitUntil(
    'it goes on',
    async () => (await handler.deliver([outbound('next')], never))[0] === DELIVERED,
  );
});

test('retries of the client bridge a broker that is away for a moment', async (t) => {
  const peer = await kafka.start(t);
  const handler = await connected(t, withProperties(peer, { retries: '50', 'retry.backoff.max.ms': '200' }));
  assert.deepEqual(await handler.deliver([outbound('first')], never), [DELIVERED]);
  await peer.network.set({ down: true });
  const sending = handler.deliver([outbound('patient')], never);
  await sleep(1000);
  await peer.network.set({});
  assert.deepEqual(await sending, [DELIVERED]);
  assert.deepEqual(await peer.payloads(), ['first', 'patient']);
});

test('an idle connection is closed, and made again for the next record', async (t) => {
  const peer = await kafka.start(t);
  const properties = { 'request.timeout.ms': '900', 'connections.max.idle.ms': '1000' };
  const handler = await connected(t, withProperties(peer, properties));
  assert.deepEqual(await handler.deliver([outbound('one')], never), [DELIVERED]);
  assert.ok(peer.network.connections > 0);
  await noneLeft(peer);
  assert.deepEqual(await handler.deliver([outbound('two')], never), [DELIVERED]);
  assert.deepEqual(await peer.payloads(), ['one', 'two']);
});

test('every connection goes through the guard, also to the addresses that brokers name', async (t) => {
  const peer = await kafka.start(t);
  const guard = createTargetGuard(true);
  const hosts = new Set<string>();
  const recording: TargetGuard = {
    ...guard,
    connect(options) {
      hosts.add(options.host);
      return guard.connect(options);
    },
  };
  const handler = await connected(t, peer.at('localhost'), { guard: recording });
  assert.deepEqual(await handler.deliver([outbound('hello')], never), [DELIVERED]);
  assert.deepEqual([...hosts].toSorted(), ['127.0.0.1', 'localhost']);
});

test('without acknowledgements a broker that reads nothing stops the sending', async (t) => {
  const received: Socket[] = [];
  const server = createServer((socket) => received.push(socket.pause()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, () => {
    for (const socket of received) socket.destroy();
    server.close();
  });
  const context = contextOf();
  const sockets = new Sockets({ connectTimeout: 5000, maxIdle: 60_000 }, context);
  const connectedTo = Promise.withResolvers<void>();
  const { port } = server.address() as AddressInfo;
  const socket = sockets.open({
    host: '127.0.0.1',
    port,
    ssl: undefined as never,
    onConnect: connectedTo.resolve,
  });
  onEnd(t, () => sockets.close(new Error('over')));
  await connectedTo.promise;
  await sockets.drained();
  socket.write(Buffer.alloc(50_000_000));
  let isDrained = false;
  const draining = sockets.drained().then(() => {
    isDrained = true;
  });
  await sleep(100);
  assert.equal(isDrained, false);
  await waitUntil('it is accepted', () => received.length > 0);
  received[0]!.resume();
  await draining;
  socket.on('error', () => {}).write(Buffer.alloc(50_000_000));
  received[0]!.pause();
  const lost = assert.rejects(sockets.drained(), /the connection was lost/);
  received[0]!.resetAndDestroy();
  await lost;
});

test('without acknowledgements records arrive all the same', async (t) => {
  const peer = await kafka.start(t);
  const handler = await connected(t, withProperties(peer, {}, { acks: KafkaAcks.NONE }));
  const payloads = Array.from({ length: 300 }, (_, i) => `m${i}`);
  await handler.deliver(
    payloads.map((payload) => outbound(payload)),
    never,
  );
  await waitUntil('they arrive', async () => (await peer.payloads()).length === 300);
  assert.deepEqual(await peer.payloads(), payloads);
});
