import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { LoggedMessageSchema, MessageStage } from '../../gen/penstock/v1/message_log_service_pb.ts';
import { MqttSession } from '../../web/src/pages/try/mqtt-session.ts';
import { isOver } from '../../web/src/pages/try/over.ts';
import { reasonText } from '../../web/src/pages/try/reason-codes.ts';
import { nearestFilters, takersOf } from '../../web/src/pages/try/takers.ts';
import { rawMqttBroker } from '../helpers/raw-mqtt-broker.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const one = (name: string, enabled: boolean, ...topicFilters: string[]) =>
  create(IntegrationSchema, { id: name, name, enabled, topicFilters });
const ALL = [
  one('a', true, 'sensors/#'),
  one('b', false, 'sensors/+/temperature', 'x'),
  one('c', true, 'plant/+/cold/#'),
];
const names = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name).join();

test('who takes a topic is told, apart from those that keep it until they are enabled', () => {
  const { enabled, disabled } = takersOf('sensors/1/temperature', ALL);
  assert.deepEqual([names(enabled), names(disabled)], ['a', 'b']);
});

test('the topic filters that nearly take a topic are told, the nearest first', () => {
  const near = (topic: string) => nearestFilters(topic, ALL).map(({ filter }) => filter);
  assert.deepEqual(near('sensr/1/temperature'), ['sensors/#', 'sensors/+/temperature']);
  assert.deepEqual(near('plant/7/clod/1'), ['plant/+/cold/#']);
  assert.deepEqual(near('xensors/1/temperatur'), ['sensors/#', 'sensors/+/temperature']);
  const far = [one('far', true, 'sennsorss/#'), one('near', true, 'sensors/#')];
  assert.deepEqual(
    nearestFilters('sensor/1', far).map(({ filter }) => filter),
    ['sensors/#', 'sennsorss/#'],
  );
  assert.deepEqual(near('something/else'), []);
  assert.deepEqual(near(''), []);
});

test('what is no topic name is taken by nobody', () => {
  for (const topic of ['a/#', 'a/+', 'sensors/\0b']) {
    assert.deepEqual([takersOf(topic, ALL).enabled, nearestFilters(topic, ALL)], [[], []], topic);
  }
});

test('a reason code is told in words', () => {
  assert.equal(reasonText(0), '0x00: taken in');
  assert.match(reasonText(0x97), /^0x97: a quota is exceeded/);
  assert.match(reasonText(0xff), /^0xff: see section 2\.4/);
});

test('what is refused is not counted among what was published to a topic', async (t) => {
  const broker = await rawMqttBroker(t);
  broker.onPublish = (packet, client) => client.acknowledge(packet, packet.topicName === 'no' ? 0x87 : 0);
  let isOpen = false;
  const told: string[] = [];
  const session = new MqttSession(
    `mqtt://127.0.0.1:${broker.port}`,
    (text) => told.push(text),
    (open) => (isOpen = open),
  );
  t.after(() => session.close());
  await waitUntil('it is connected', () => isOpen);
  const publish = (topic: string) => session.publish({ topic, payload: '', qos: 1, retain: false });
  assert.deepEqual(
    [await publish('a'), await publish('no'), await publish('b'), await publish('a')],
    [1, undefined, 1, 2],
  );
  assert.ok(told.includes('refused: 0x87: not allowed'));
});

test('nothing more is to come once all that was published is there, settled or given up', () => {
  const { WAITING, SETTLED, DEAD_LETTERED } = MessageStage;
  const messages = (...stages: MessageStage[]) =>
    stages.map((stage) => create(LoggedMessageSchema, { outcome: { stage } }));
  assert.equal(isOver(messages(SETTLED, DEAD_LETTERED), 2), true);
  assert.equal(isOver(messages(SETTLED, WAITING), 2), false);
  assert.equal(isOver(messages(SETTLED), 2), false, 'one is not there yet');
  assert.equal(isOver([], 1), false);
});
