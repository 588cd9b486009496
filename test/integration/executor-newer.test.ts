import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { ValidationKind, ValidationRequestSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { executorBench, REPLY_TOPIC } from '../helpers/executor.ts';
import { field, joined, NEW_FIELD, NEW_TYPE } from '../helpers/newer.ts';
import { receiver } from '../helpers/receiver.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const NEW_CONFIGURATION = field(NEW_TYPE, field(1, 'postgres://'));

test('an executor steps over what only a newer version can run, and leaves it as it is', async (t) => {
  const endpoint = await receiver(t);
  const bench = await executorBench(t);
  const { bus, topics } = bench;
  await bench.createTopics();
  const downlink = topics.downlink('http').name;
  const before = await bench.want(endpoint.url);
  const integration = (id: string, ...parts: Uint8Array[]) => {
    const init = { id, name: 'n', enabled: true, topicFilters: ['#'], generation: 2n };
    return joined(toBinary(IntegrationSchema, create(IntegrationSchema, init)), ...parts);
  };
  const endpointField = field(100, field(1, endpoint.url));
  const newer = new Map([
    [randomUUID(), field(1, integration(randomUUID(), NEW_CONFIGURATION))],
    // ack_strategy of the delivery policy: a strategy that is not known.
    [before, field(1, integration(before, endpointField, field(6, field(1, 99))))],
  ]);
  for (const [key, value] of newer) await bus.send(downlink, { key, value });
  const known = field(1, integration(randomUUID(), endpointField, field(NEW_FIELD, 'new')));
  const fields = randomUUID();
  await bus.createTopics([topics.messages(fields)]);
  await bus.send(downlink, { key: fields, value: joined(known, field(NEW_FIELD, 'new')) });

  await bench.start();
  await waitUntil('they are counted', async () => (await bench.undecodable(downlink)) === newer.size);
  const after = await bench.want(endpoint.url);
  await bench.lifecycle(after, 1);
  const started = bench.reports.map(({ integrationId }) => integrationId);
  for (const id of newer.keys()) assert.ok(!started.includes(id) || id === before, 'it is not half run');

  const onKafka = await bench.recordsOf(downlink);
  for (const [key, value] of newer) {
    const records = onKafka.filter((record) => record.key === key);
    assert.deepEqual(records.at(-1)?.value, Uint8Array.from(value), 'neither deleted nor encoded anew');
  }

  const envelope = joined(
    toBinary(EnvelopeSchema, create(EnvelopeSchema, { topicName: 'a', payload: Buffer.from('hello') })),
    field(NEW_FIELD, 'new'),
  );
  await bus.send(topics.messages(after).name, { key: 'c', value: envelope });
  await waitUntil('it is delivered', () => endpoint.received.some(({ body }) => body.toString() === 'hello'));
});

test('a question that only a newer version understands is answered, or left and counted', async (t) => {
  const bench = await executorBench(t);
  const { bus, topics } = bench;
  await bench.createTopics();
  await bench.start();
  const ask = async (kind: number, configuration: Uint8Array) => {
    const requestId = randomUUID();
    const request = create(ValidationRequestSchema, {
      requestId,
      replyTopic: topics.notifications(REPLY_TOPIC).name,
      timeToLive: durationFromMs(10_000),
      integration: { name: 'n', topicFilters: ['#'] },
      kind: kind as ValidationKind,
    });
    const value = joined(toBinary(ValidationRequestSchema, request), field(4, configuration));
    await bus.send(topics.validation('http').name, { key: requestId, value });
    return () => bench.answers.find((one) => one.requestId === requestId);
  };
  const unknownKind = await ask(77, field(100, field(1, 'http://127.0.0.1:9/')));
  const unknownType = await ask(ValidationKind.VALIDATE, NEW_CONFIGURATION);
  await waitUntil('it is answered', () => unknownType() !== undefined);
  assert.match(unknownType()!.violations[0]!.description, /upgrade/);
  const fields = await ask(
    ValidationKind.VALIDATE,
    field(100, joined(field(1, 'http://127.0.0.1:9/'), field(NEW_FIELD, 'x'))),
  );
  await waitUntil('it is answered', () => fields() !== undefined);
  assert.deepEqual(fields()!.violations, []);
  assert.equal(unknownKind(), undefined);
  assert.equal(await bench.undecodable(topics.validation('http').name), 1);
});
