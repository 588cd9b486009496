import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { KafkaConfigurationSchema } from '../../gen/penstock/v1/kafka_pb.ts';
import type { HandlerContext } from '../../src/executor/handlers/handler.ts';
import { recordWriter } from '../../src/executor/handlers/kafka/record.ts';

test('a record is never taken for smaller than its key, its value and its headers, in whatever script they are', () => {
  const context = {
    integrationId: 'i',
    integrationName: 'n',
    metadata: {},
    serviceId: 's',
  } as HandlerContext;
  for (const text of ['a', 'ü', '漢', '😀']) {
    const name = text.repeat(200);
    const config = create(KafkaConfigurationSchema, {
      key: name,
      kafkaHeaders: [{ key: name, value: name }],
      sendOnlyMsgPayload: true,
      forwardUserProperties: true,
    });
    const envelope = create(EnvelopeSchema, {
      topicName: 't',
      payload: Buffer.from(name),
      userProperties: [{ key: name, value: name }],
    });
    const { bytes } = recordWriter(config, context)({ partition: 0, offset: 0, key: null, envelope });
    assert.ok(bytes >= 6 * Buffer.byteLength(name), `${bytes} for ${text}`);
  }
});
