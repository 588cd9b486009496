import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { PublishMessageRequestSchema } from '../../gen/penstock/v1/message_service_pb.ts';
import type { Bus, FeedOptions } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { type IngressDeps, startIngress } from '../../src/ingress/ingress.ts';
import type { CallContext } from '../../src/rpc/service.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { LISTENER } from '../helpers/mqtt-listener.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('an ingress that does not know all filters yet takes nothing, and says how far it is', async () => {
  const feeds: FeedOptions[] = [];
  const bus: Partial<Bus> = {
    createTopics: async () => {},
    listTopics: async () => [],
    outgoing: new ByteLimit(1_000_000),
    feed(options) {
      feeds.push(options);
      return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
    },
  };
  let part!: Parameters<IngressDeps['begun']>[0];
  const starting = startIngress(
    { serviceId: 'in-0', kafkaPrefix: '', mqtt: LISTENER },
    {
      ...testDeps(),
      bus: bus as Bus,
      topics: topicsOf('t'),
      begun(told) {
        part = told;
      },
    },
    new AbortController().signal,
  );
  const trouble = () => part.conditions[0]!.trouble();
  const publish = async () => {
    const request = create(PublishMessageRequestSchema, { topicName: 'a' });
    return await part.services[0]!.handlers.publishMessage!(request as never, {} as CallContext);
  };
  await waitUntil('it reads', () => feeds.length > 0);
  assert.equal(trouble(), `restoring the topic filters (0 of ${feeds.length} partitions)`);
  const refusal = { code: Code.UNAVAILABLE, message: /restoring .*: send it again later/ };
  await assert.rejects(publish(), refusal);
  for (const { onPosition } of feeds.slice(1)) onPosition!(0, 0);
  await waitUntil('all but one are read', () => /\((\d+) of/.exec(String(trouble()))?.[1] !== '0');
  assert.equal(trouble(), `restoring the topic filters (${feeds.length - 1} of ${feeds.length} partitions)`);
  await assert.rejects(publish(), refusal);
  feeds[0]!.onPosition!(0, 0);
  await using _ = await starting;
  assert.equal(trouble(), undefined);
  assert.deepEqual(await publish(), { matchedIntegrations: 0 });
});
