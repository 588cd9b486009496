import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { Filters, followFilters } from '../../src/ingress/filters.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const integration = (generation: number, ...topicFilters: string[]) =>
  create(IntegrationSchema, { generation: BigInt(generation), topicFilters });
const newFilters = () => new Filters((id) => `msg.${id}`);
const found = (filters: Filters, topicName: string) =>
  [...filters.match(topicName)].map(({ topic }) => topic);

test('an integration with several filters that match is found once', () => {
  const filters = newFilters();
  filters.put('a', integration(1, 'x/#', 'x/+'));
  assert.deepEqual(found(filters, 'x/1'), ['msg.a']);
});

test('the newest generation counts, in whatever order they come', () => {
  const filters = newFilters();
  filters.put('a', integration(2, 'new'));
  filters.put('a', integration(1, 'old'));
  assert.deepEqual([found(filters, 'new'), found(filters, 'old')], [['msg.a'], []]);
  filters.put('a', integration(3, 'newer'));
  assert.deepEqual([found(filters, 'new'), found(filters, 'newer')], [[], ['msg.a']]);
});

test('one that is deleted matches nothing', () => {
  const filters = newFilters();
  filters.put('a', integration(1, 'x'));
  filters.delete('a');
  filters.delete('never-there');
  assert.deepEqual(found(filters, 'x'), []);
});

test('a stop ends the wait for the filters, and everything that is fed with it', async () => {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const waiting = Promise.withResolvers<void>();
  let open = 0;
  const bus: Partial<Bus> = {
    createTopics: async () => {},
    listTopics: async () => [],
    feed() {
      open++;
      waiting.resolve();
      return { resume() {}, backlog: async () => 0, [Symbol.dispose]: () => void open-- };
    },
  };
  const following = followFilters(
    { ...testDeps(), clock, bus: bus as Bus, topics: topicsOf(''), onTaken() {}, onRead() {} },
    stopping.signal,
  );
  await waiting.promise;
  assert.ok(open > 0);
  stopping.abort(new Error('stopped'));
  clock.advance(60_000); // a start that does not heed the signal ends here, with another error
  await assert.rejects(following, stopping.signal.reason);
  assert.deepEqual([clock.timers, open], [0, 0]);
});
