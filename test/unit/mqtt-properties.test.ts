import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { generate } from 'mqtt-packet';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { propertiesBytes, propertiesOf } from '../../src/executor/handlers/mqtt/properties.ts';

const bytesOf = (properties: object) =>
  generate(
    { cmd: 'publish', topic: 't', payload: '', qos: 0, retain: false, dup: false, properties },
    { protocolVersion: 5 },
  ).byteLength;

test('what properties take in a packet is known to the byte', () => {
  const all = {
    payloadFormatIndicator: 1,
    contentType: 'text/plüm',
    responseTopic: 'a/ü',
    correlationData: Buffer.from('corr'),
    userProperties: [
      { key: 'ü', value: 'v' },
      { key: 'k', value: '' },
    ],
    hopCount: 3,
  };
  const some = (...names: (keyof typeof all)[]) => Object.fromEntries(names.map((name) => [name, all[name]]));
  const inits = [
    {},
    some('contentType'),
    some('responseTopic'),
    some('correlationData', 'payloadFormatIndicator'),
    some('userProperties', 'hopCount'),
    all,
  ];
  for (const init of inits) {
    for (const expiry of [undefined, 7]) {
      const properties = propertiesOf(create(EnvelopeSchema, { topicName: 't', ...init }), undefined, expiry);
      // All of them are less than 128 bytes: their length takes one, with and without them.
      assert.equal(propertiesBytes(properties), bytesOf(properties) - bytesOf({}), JSON.stringify(init));
    }
  }
});
