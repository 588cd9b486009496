import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { MissingValue } from '../../gen/penstock/v1/template_pb.ts';
import { fingerprint } from '../../src/contract/fingerprint.ts';

type Init = MessageInitShape<typeof IntegrationSchema>;

const BASE = {
  name: 'to kafka',
  enabled: true,
  topicFilters: ['a/#'],
  metadata: { site: 'north' },
  delivery: { retries: 3, maxPause: { seconds: 5n } },
  configuration: {
    case: 'kafka' as const,
    value: { bootstrapServers: ['b:9092'], otherProperties: { a: '1', b: '2' } },
  },
};
const print = (init: Init) => fingerprint(create(IntegrationSchema, init));
const withKafka = (value: object) => ({
  ...BASE,
  configuration: { case: 'kafka' as const, value: { ...BASE.configuration.value, ...value } },
});

test('is a SHA-256 in hex, the same after a trip over the wire', () => {
  const integration = create(IntegrationSchema, BASE);
  const copy = fromBinary(IntegrationSchema, toBinary(IntegrationSchema, integration));
  assert.match(fingerprint(integration), /^[0-9a-f]{64}$/);
  assert.equal(fingerprint(copy), fingerprint(integration));
});

test('does not count what a delivery does not depend on', () => {
  const others: Init[] = [
    { ...BASE, id: '6f3c1f0e-8b0a-4e57-9c5b-0f6f2f5c9a11' },
    { ...BASE, description: 'x' },
    { ...BASE, topicFilters: ['b'] },
    { ...BASE, labels: { team: 'energy' } },
    { ...BASE, status: { reason: 'x' } },
    { ...BASE, createTime: { seconds: 1n } },
    { ...BASE, updateTime: { seconds: 1n } },
    { ...BASE, generation: 7n },
    { ...BASE, etag: 'x' },
    { ...BASE, setSecrets: ['x'] },
  ];
  for (const other of others) assert.equal(print(other), print(BASE));
});

test('counts what a delivery depends on', () => {
  const others: Init[] = [
    { ...BASE, name: 'other' },
    { ...BASE, enabled: false },
    { ...BASE, metadata: { site: 'south' } },
    { ...BASE, metadata: {} },
    { ...BASE, delivery: { retries: 4, maxPause: { seconds: 5n } } },
    { ...BASE, delivery: { retries: 3, maxPause: { seconds: 6n } } },
    { ...BASE, delivery: { maxPause: { seconds: 5n } } },
    { ...BASE, restarts: 1n },
    { ...BASE, templates: {} },
    { ...BASE, templates: { missing: MissingValue.EMPTY } },
    { ...BASE, templates: { missing: MissingValue.DEFAULT } },
    { ...BASE, templates: { missing: MissingValue.DEFAULT, defaultValue: 'x' } },
    { ...BASE, configuration: { case: 'http', value: { restEndpointUrl: 'http://a/' } } },
    withKafka({ bootstrapServers: ['c:9092'] }),
    withKafka({ otherProperties: { a: '2', b: '1' } }),
    withKafka({ bufferMemoryBytes: 65536n }),
    withKafka({ key: '' }),
    withKafka({ sasl: { mechanism: 1, username: 'u', password: 'p' } }),
    withKafka({ sasl: { mechanism: 1, username: 'u', password: 'q' } }),
  ];
  const prints = [BASE, ...others].map(print);
  assert.equal(new Set(prints).size, prints.length);
});

test('does not depend on the order of a map', () => {
  const pairs = fc.uniqueArray(fc.tuple(fc.string(), fc.string()), {
    selector: ([key]) => key,
    maxLength: 8,
  });
  fc.assert(
    fc.property(pairs, (entries) => {
      const there = Object.fromEntries(entries);
      const back = Object.fromEntries(entries.toReversed());
      assert.equal(
        print({ ...withKafka({ otherProperties: there }), metadata: there }),
        print({ ...withKafka({ otherProperties: back }), metadata: back }),
      );
    }),
  );
});
