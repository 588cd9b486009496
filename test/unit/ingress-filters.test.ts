import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import type { Bus, Follower, FollowOptions } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { Filters, followFilters } from '../../src/ingress/filters.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const HTTP = { topic: 'http', partition: 0 };
const KAFKA = { topic: 'kafka', partition: 3 };
const integration = (generation: number, ...topicFilters: string[]) =>
  create(IntegrationSchema, { generation: BigInt(generation), topicFilters });
const newFilters = () => new Filters((id) => `msg.${id}`);
const found = (filters: Filters, topicName: string) =>
  [...filters.match(topicName)].map(({ topic }) => topic);

test('an integration with several filters that match is found once', () => {
  const filters = newFilters();
  filters.put('a', integration(1, 'x/#', 'x/+'), HTTP);
  assert.deepEqual(found(filters, 'x/1'), ['msg.a']);
});

test('the newest generation counts, in whatever order they come', () => {
  const filters = newFilters();
  filters.put('a', integration(2, 'new'), HTTP);
  filters.put('a', integration(1, 'old'), HTTP);
  assert.deepEqual([found(filters, 'new'), found(filters, 'old')], [['msg.a'], []]);
  filters.put('a', integration(3, 'newer'), HTTP);
  assert.deepEqual([found(filters, 'new'), found(filters, 'newer')], [[], ['msg.a']]);
});

test('an integration whose type was changed outlives the deletion from the topic of its old type', () => {
  const filters = newFilters();
  filters.put('a', integration(1, 'x'), HTTP);
  filters.put('a', integration(2, 'x'), KAFKA);
  filters.delete('a', HTTP);
  assert.deepEqual(found(filters, 'x'), ['msg.a']);
  filters.delete('a', KAFKA);
  assert.deepEqual(found(filters, 'x'), []);
});

test('a partition that is read again keeps its filters meanwhile, and loses those that are gone', () => {
  const filters = newFilters();
  filters.put('kept', integration(1, 'x'), HTTP);
  filters.put('gone', integration(1, 'x'), HTTP);
  filters.put('elsewhere', integration(1, 'x'), KAFKA);
  filters.lost(HTTP);
  assert.equal(found(filters, 'x').length, 3);
  filters.put('kept', integration(1, 'x'), HTTP);
  filters.restored(HTTP);
  assert.deepEqual(found(filters, 'x').sort(), ['msg.elsewhere', 'msg.kept']);
  filters.restored(HTTP);
  assert.equal(found(filters, 'x').length, 2);
});

/** Follows filters on a bus that hangs in `follow` or after it, and stops in the middle. */
async function stoppedWhile(follow: (options: FollowOptions) => Promise<Follower>) {
  const clock = new ManualClock();
  const stopping = new AbortController();
  const hanging = Promise.withResolvers<void>();
  const bus: Partial<Bus> = {
    createTopics: async () => {},
    listTopics: async () => [],
    follow(options) {
      hanging.resolve();
      return follow(options);
    },
  };
  const deps = { ...testDeps(), clock, bus: bus as Bus, topics: topicsOf('') };
  const following = followFilters('node-1', deps, stopping.signal);
  await hanging.promise;
  stopping.abort(new Error('stopped'));
  clock.advance(60_000); // a start that does not heed the signal ends here, with another error
  await assert.rejects(following, stopping.signal.reason);
  assert.equal(clock.timers, 0);
}

test('a stop ends the wait for the group', () =>
  stoppedWhile(({ signal }) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal?.addEventListener('abort', () => reject(signal.reason));
    return promise;
  }));

test('a stop ends the wait for the filters, and the follower with it', async () => {
  let isDisposed = false;
  await stoppedWhile(async () => ({
    restored: new Promise(() => {}),
    async [Symbol.asyncDispose]() {
      isDisposed = true;
    },
  }));
  assert.ok(isDisposed);
});
