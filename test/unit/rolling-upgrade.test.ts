import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { type Integration, IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { type LifecycleAction, UplinkRecordSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { decoder } from '../../src/bus/codec.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { applyUpdate } from '../../src/contract/apply-update.ts';
import { decodeEnvelope } from '../../src/contract/decode-envelope.ts';
import { nextRevision } from '../../src/control-plane/integrations/revision.ts';
import { withPublishedTime } from '../../src/control-plane/outbox/downlink.ts';
import { foldReports } from '../../src/control-plane/status/fold.ts';
import { followFilters } from '../../src/ingress/filters.ts';
import { contains, field, joined, NEW_FIELD, NEW_TYPE } from '../helpers/newer.ts';
import { testDeps } from '../helpers/test-deps.ts';

const topics = topicsOf('p');
const SECRET = field(NEW_FIELD, 'what a newer version added');
const encoded = (init: MessageInitShape<typeof IntegrationSchema>) =>
  toBinary(IntegrationSchema, create(IntegrationSchema, init));
/** An HTTP integration with a new field in its configuration, and one of its own. */
const newer = (more: MessageInitShape<typeof IntegrationSchema> = {}): Integration =>
  fromBinary(
    IntegrationSchema,
    joined(
      encoded({ name: 'n', topicFilters: ['a/#'], generation: 1n, ...more }),
      field(100, joined(field(1, 'http://127.0.0.1:9/'), SECRET)),
      SECRET,
    ),
  );
const count = (integration: Integration) => {
  const bytes = Buffer.from(toBinary(IntegrationSchema, integration));
  return bytes.toString('latin1').split(Buffer.from(SECRET).toString('latin1')).length - 1;
};

test('fields that a newer version wrote outlive every update', () => {
  const stored = newer();
  assert.equal(count(stored), 2);
  const updates: readonly (readonly [string, readonly string[]])[] = [
    ['one field', ['name']],
    ['a field beside them', ['http.rest_endpoint_url']],
    ['the message around them', ['http']],
    ['everything', []],
  ];
  for (const [what, paths] of updates) {
    const configuration = { case: 'http' as const, value: { restEndpointUrl: 'http://127.0.0.1:10/' } };
    const changes = create(IntegrationSchema, { name: 'new', topicFilters: ['b'], configuration });
    const { integration, violations } = applyUpdate(stored, changes, paths);
    assert.deepEqual(violations, []);
    assert.equal(count(integration), 2, what);
  }
  const mqtt = create(IntegrationSchema, { configuration: { case: 'mqtt', value: { host: 'h' } } });
  assert.equal(count(applyUpdate(stored, mqtt, ['mqtt']).integration), 1, 'those of another type go with it');
  const caller = newer({ name: 'from a newer client' });
  assert.equal(count(applyUpdate(stored, caller, []).integration), 2, 'not twice');
});

test('fields that a newer version wrote outlive enabling and disabling', () => {
  const integration = newer();
  const topic = { topicState: 'kept' as const, topicIncarnation: 1, sealed: [] };
  const more = { type: 'http', enabledChangeTime: new Date(0), ...topic };
  const next = nextRevision({ ...more, integration }, { ...integration, enabled: true }, 1);
  assert.equal(count(next.integration), 2);
});

test('an envelope with fields that a newer version added is delivered as far as it is known, and keeps them', () => {
  const bytes = joined(
    toBinary(EnvelopeSchema, create(EnvelopeSchema, { topicName: 'a', payload: Buffer.from('x'), qos: 1 })),
    SECRET,
  );
  const envelope = decodeEnvelope(Buffer.from(bytes));
  assert.deepEqual([envelope.topicName, Buffer.from(envelope.payload).toString()], ['a', 'x']);
  assert.ok(contains(toBinary(EnvelopeSchema, envelope), SECRET));
});

test('reports with a new enum value count as far as they are known, new kinds are stepped over and counted', async () => {
  const deps = testDeps();
  const decode = decoder(UplinkRecordSchema, deps);
  const init = { serviceId: 'x', time: { seconds: 1n }, generation: 1n };
  const base = () =>
    toBinary(
      UplinkRecordSchema,
      create(UplinkRecordSchema, { ...init, integrationId: randomUUID(), eventId: randomUUID() }),
    );
  const read = (value: Uint8Array) =>
    decode({ topic: 'up', partition: 0, offset: 0, timestamp: 0, key: null, value });
  const lifecycle = joined(base(), field(10, joined(field(1, 77), field(3, 78))));
  const record = read(lifecycle);
  assert.ok(record?.report.case === 'lifecycle');
  assert.equal(record.report.value.action, 77 as LifecycleAction);
  const fold = foldReports([{ record, bytes: lifecycle, offset: 0 }], 5000);
  assert.deepEqual([fold.events[0]?.record, fold.states[0]?.state], [lifecycle, 78], 'stored as it came');
  assert.equal(read(joined(base(), field(NEW_FIELD, 'a new kind of report'))), undefined);
  const { values } = await deps.metrics.undecodable.get();
  assert.deepEqual(
    values.map(({ value }) => value),
    [1],
  );
});

/** What an ingress matches that finds these values on a downlink topic, and how many it steps over. */
async function ingressWith(records: readonly (readonly [topic: string, key: string, value: Uint8Array])[]) {
  const deps = testDeps();
  const followed = new Set<string>();
  const bus: Partial<Bus> = {
    createTopics: async () => {},
    listTopics: async () => [
      ...new Set(records.map(([topic]) => topic)),
      'other.ie.downlink.x',
      'p.ie.uplink',
    ],
    feed({ topic: fed, partition, take, onPosition }) {
      followed.add(fed);
      for (const [offset, [topic, key, value]] of records.entries()) {
        if (topic === fed && partition === 0) take({ topic, partition, offset, timestamp: 0, key, value });
      }
      onPosition?.(records.length, records.length);
      return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
    },
  };
  const never = new AbortController().signal;
  const { filters } = await followFilters(
    { ...deps, bus: bus as Bus, topics, onTaken() {}, onRead() {} },
    never,
  );
  const { values } = await deps.metrics.undecodable.get();
  return { filters, followed, steppedOver: values.reduce((sum, { value }) => sum + value, 0) };
}

test('ingress takes messages in for integrations whose type or policy only a newer version knows', async () => {
  const [typed, ordered, foreign, broken] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const http = topics.downlink('http').name;
  const base = (id: string, filter: string) =>
    encoded({ id, name: 'n', topicFilters: [filter], generation: 1n });
  const configuration = field(NEW_TYPE, field(1, 'postgres://'));
  const policy = field(
    6,
    joined(field(1, 99), field(NEW_FIELD, 'new'), field(7, field(NEW_FIELD, 'new order'))),
  );
  const endpoint = field(100, field(1, 'http://127.0.0.1:9/'));
  const record = (integration: Uint8Array) => field(1, integration);
  const { filters, followed, steppedOver } = await ingressWith([
    [http, typed, record(joined(base(typed, 'typed'), configuration))],
    [http, ordered, record(joined(base(ordered, 'ordered'), endpoint, policy))],
    [topics.downlink('postgres').name, foreign, record(joined(base(foreign, 'foreign'), configuration))],
    [http, broken, record(joined(base(broken, 'not/#/a/filter'), endpoint))],
  ]);
  for (const [filter, id] of Object.entries({ typed, ordered, foreign })) {
    assert.deepEqual(
      [...filters.match(filter)].map(({ topic }) => topic),
      [topics.messages(id).name],
      filter,
    );
  }
  assert.equal(steppedOver, 1, 'only what it cannot match is stepped over');
  assert.ok(followed.has(topics.downlink('postgres').name));
  assert.ok(!followed.has('other.ie.downlink.x'));
});

test('a downlink record that a newer version wrote leaves the outbox byte by byte', () => {
  const value = joined(field(1, joined(encoded({ name: 'n' }), SECRET)), SECRET);
  const sent = withPublishedTime(value, 5000);
  assert.deepEqual(sent.subarray(0, value.length), Buffer.from(value));
  assert.deepEqual(fromBinary(DownlinkRecordSchema, sent).publishedTime?.seconds, 5n);
});
