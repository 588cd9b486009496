import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Policy } from '../../src/executor/delivery/policy.ts';
import type { PublishPacket } from '../../src/ingress/listener/publish-packet.ts';
import { engine } from '../helpers/engine.ts';
import { mosquitto } from '../helpers/mosquitto.ts';
import { type MqttInit, message, toBroker } from '../helpers/mqtt-handler.ts';
import { type RawBrokerClient, rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';

const CLIENTS = 8;
const nameOf = ({ payload }: Pick<PublishPacket, 'payload'>) => Buffer.from(payload).toString();

type Engine = Awaited<ReturnType<typeof engine>>;

/** Others go on until the bad one is given up: while nothing gets through, nobody knows that it is for the message. */
async function goOn({ told, take }: Engine, good: string[]): Promise<void> {
  while (!told.givenUp.has('bad') && good.length < 5000) {
    await sleep(5);
    await take(message({ payload: Buffer.from(`m${good.length}`), clientId: `c${good.length % CLIENTS}` }));
    good.push(`m${good.length}`);
  }
}

/** Delivers 100 good messages, or more, of some clients, with a bad one in their midst, to a broker that acknowledges in packs. */
async function deliver(
  t: TestContext,
  config: MqttInit,
  onBad: (client: RawBrokerClient) => void,
  policy: Partial<Policy> = {},
) {
  const broker = await rawMqttBroker(t);
  let unanswered: (() => void)[] = [];
  broker.onPublish = (packet, client) => {
    if (nameOf(packet) === 'bad') return onBad(client);
    if (unanswered.length === 0) {
      setTimeout(() => {
        for (const answer of unanswered.splice(0)) answer();
      }, 1);
    }
    unanswered.push(() => client.socket.writable && client.acknowledge(packet));
  };
  const value = { reconnectPeriod: { nanos: 5_000_000 }, ...config };
  const delivery = await engine(t, toBroker(broker.port, value), {}, policy);
  const { told, take, settled } = delivery;
  const good = Array.from({ length: 100 }, (_, i) => `m${i}`);
  for (const [i, payload] of good.entries()) {
    if (i === 30) await take(message({ payload: Buffer.from('bad'), clientId: 'c0' }));
    await take(message({ payload: Buffer.from(payload), clientId: `c${i % CLIENTS}` }));
  }
  await goOn(delivery, good);
  await settled();
  unanswered = [];
  return { broker, told, good };
}

/** Every good message was delivered, and those of each client came first in their order. */
function assertGood({ broker, told, good }: Awaited<ReturnType<typeof deliver>>): void {
  assert.deepEqual(told.delivered.toSorted(), good.toSorted());
  const firsts = [...new Set(broker.payloads)];
  for (let client = 0; client < CLIENTS; client++) {
    const own = firsts.filter((name) => name !== 'bad' && Number(name.slice(1)) % CLIENTS === client);
    assert.deepEqual(
      own,
      good.filter((_, i) => i % CLIENTS === client),
    );
  }
}

const timesOf = (payloads: readonly string[], name: string) => payloads.filter((one) => one === name).length;

for (const strategy of ['RETRY_ALL', 'SKIP_ALL'] as const)
  test(`MQTT 5: a code that speaks of what was sent costs the message at fault alone, at once (${strategy})`, async (t) => {
    for (const code of [0x81, 0x82, 0x90, 0x95, 0x99, 0x9a, 0x9b]) {
      const end = (client: RawBrokerClient) => {
        client.send({ cmd: 'disconnect', reasonCode: code, properties: { reasonString: 'why' } });
        client.socket.end();
      };
      const run = await deliver(t, { mqttVersion: 5 }, end, { strategy });
      assertGood(run);
      const [[name, reason] = [], ...others] = run.told.givenUp;
      assert.deepEqual([name, others], ['bad', []]);
      assert.match(
        reason!,
        new RegExp(`ended the connection: .*\\(code ${code}\\): why.*no other message was on it`),
      );
      assert.ok(timesOf(run.broker.payloads, 'bad') <= 2);
    }
  });

const ENDS = {
  'closes without a word': [4, (client: RawBrokerClient) => client.socket.end()],
  'resets the connection': [4, (client: RawBrokerClient) => client.socket.resetAndDestroy()],
  'has another code for it': [
    5,
    (client: RawBrokerClient) => {
      client.send({ cmd: 'disconnect', reasonCode: 0x97 });
      client.socket.end();
    },
  ],
} as const;

for (const [what, [mqttVersion, end]] of Object.entries(ENDS))
  test(`a broker that ${what} for a message gets it alone, and then no more`, async (t) => {
    const run = await deliver(t, { mqttVersion }, end);
    assertGood(run);
    assert.deepEqual([...run.told.givenUp.keys()], ['bad']);
    assert.match(run.told.givenUp.get('bad')!, /lost 3 times with this message alone on it/);
    assert.ok(timesOf(run.broker.payloads, 'bad') <= 5);
  });

test('SKIP_ALL gives up what ends connections, and none of those that were on them', async (t) => {
  const run = await deliver(t, {}, (client) => client.socket.destroy(), { strategy: 'SKIP_ALL' });
  assertGood(run);
  assert.deepEqual([...run.told.givenUp.keys()], ['bad']);
  assert.ok(timesOf(run.broker.payloads, 'bad') <= 2);
});

test('what speaks of the broker costs no message a try', async (t) => {
  const broker = await rawMqttBroker(t);
  let left = 2;
  broker.onPublish = (packet, client) => {
    if (left === 0) return client.acknowledge(packet);
    if (!client.socket.writable) return;
    left--;
    client.send({ cmd: 'disconnect', reasonCode: 0x8b });
    client.socket.end();
  };
  const { told, take, settled } = await engine(
    t,
    toBroker(broker.port, { mqttVersion: 5 }),
    {},
    { retries: 1 },
  );
  for (let i = 0; i < 20; i++) await take(message({ payload: Buffer.from(`m${i}`), clientId: `c${i}` }));
  await settled();
  assert.deepEqual([told.delivered.length, told.givenUp.size, left], [20, 0, 0]);
});

test('a message of QoS 0 that ends the connection is not taken for the one behind it', async (t) => {
  const broker = await rawMqttBroker(t);
  broker.onPublish = (packet, client) => {
    if (nameOf(packet) === 'good') return client.acknowledge(packet);
    // What is behind it has left by then.
    setTimeout(() => {
      client.send({ cmd: 'disconnect', reasonCode: 0x99 });
      client.socket.end();
    }, 20);
    broker.onPublish = (next, then) => then === client || then.acknowledge(next);
  };
  const value = { mqttVersion: 5 as const, qos: undefined, useMsgQos: true };
  const { told, take, settled } = await engine(t, toBroker(broker.port, value));
  await take(message({ payload: Buffer.from('bad'), qos: 0, clientId: 'a' }));
  await take(message({ payload: Buffer.from('good'), qos: 1, clientId: 'b' }));
  await settled();
  assert.deepEqual([told.delivered.toSorted(), told.givenUp.size], [['bad', 'good'], 0]);
  assert.equal(timesOf(broker.payloads, 'good'), 2);
});

test('mosquitto: topic names that it takes for malformed hold up no other message', async (t) => {
  const broker = await mosquitto(t, { isQuiet: true });
  for (const mqttVersion of [4, 5] as const) {
    for (const topicName of ['a\tb', 'a\uffffb', 'a/'.repeat(250)]) {
      const delivery = await engine(t, toBroker(broker.port, { mqttVersion }));
      const { told, take, settled } = delivery;
      const good = Array.from({ length: 40 }, (_, i) => `m${i}`);
      for (const [i, payload] of good.entries()) {
        if (i === 20) await take(message({ topicName, payload: Buffer.from('bad'), clientId: 'bad' }));
        await take(message({ payload: Buffer.from(payload), clientId: `c${i % CLIENTS}` }));
      }
      await goOn(delivery, good);
      await settled();
      assert.deepEqual(told.delivered.toSorted(), good.toSorted());
      assert.deepEqual([...told.givenUp.keys()], ['bad']);
      assert.match(
        told.givenUp.get('bad')!,
        mqttVersion === 5 ? /no other message was on it/ : /alone on it/,
      );
    }
  }
});
