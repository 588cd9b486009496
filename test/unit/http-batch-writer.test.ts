import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import { HttpConfigurationSchema } from '../../gen/penstock/v1/http_pb.ts';
import { HOPS } from '../../src/contract/hops.ts';
import { batchRequestWriter } from '../../src/contract/http-batch.ts';
import type { HandlerContext } from '../../src/executor/handlers/handler.ts';

test('a batch has come as far as the one of its messages that has come furthest', () => {
  const context = {
    integrationId: 'i',
    integrationName: 'n',
    metadata: {},
    serviceId: 's',
  } as HandlerContext;
  const write = batchRequestWriter(create(HttpConfigurationSchema, { batching: {} }), context);
  const batch = [0, 5, 2].map((hopCount, index) => {
    const envelope = create(EnvelopeSchema, { topicName: 't', hopCount });
    return { message: { partition: 0, offset: index, key: null, envelope }, index, json: `${index}` };
  });
  const { headers, body } = write(batch);
  assert.equal(headers?.[HOPS], '6');
  assert.equal(body, '[0,1,2]');
});
