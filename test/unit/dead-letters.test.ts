import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { DeadLetterSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { type Bus, BusError, type OutgoingRecord } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { DeadLetters } from '../../src/executor/delivery/dead-letters.ts';
import type { InFlight } from '../../src/executor/delivery/window.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const FAILURE = { delivered: false, failureClass: FailureClass.REJECTED, reason: 'no' } as const;
const never = new AbortController().signal;

/** The topic of an integration's dead letters, as Kafka has it. */
function world() {
  const clock = new FakeClock();
  const kafka = { exists: false, created: 0, kept: [] as (string | null)[], values: [] as Uint8Array[] };
  const bus: Partial<Bus> = {
    async createTopics() {
      kafka.exists = true;
      kafka.created++;
    },
    async send(_topic: string, { key, value }: OutgoingRecord) {
      if (!kafka.exists) throw new BusError('unknown-topic', 'there is no such topic');
      kafka.kept.push(key);
      kafka.values.push(value!);
    },
  };
  const letters = new DeadLetters('id', () => 1n, {
    ...testDeps(),
    bus: bus as Bus,
    topics: topicsOf('t'),
    serviceId: 'ie-0',
    clock,
  });
  const keep = (key: string, signal = never, tries: Partial<InFlight> = {}) => {
    const message: Partial<InFlight> = {
      key,
      value: new Uint8Array(),
      attempts: 1,
      firstAttempt: 1,
      partition: 0,
      offset: 0,
      ...tries,
    };
    return letters.keep(message as InFlight, FAILURE, signal);
  };
  return { clock, kafka, keep };
}

test('the topic is created with the first dead letter, and again when it is gone', async () => {
  const { clock, kafka, keep } = world();
  await keep('a');
  await keep('b');
  assert.equal(kafka.created, 1);
  kafka.exists = false; // somebody has deleted it
  const stopping = new AbortController();
  const last = keep('c', stopping.signal).catch(() => {});
  await clock.advance(120_000);
  stopping.abort();
  await last;
  assert.deepEqual(kafka.kept, ['a', 'b', 'c']);
});

test('a dead letter that Kafka does not take is tried until the signal says that nobody waits any more', async () => {
  const { clock, kafka, keep } = world();
  await keep('a');
  Object.defineProperty(kafka, 'exists', { get: () => false, set() {} });
  const stopping = new AbortController();
  const refused = assert.rejects(keep('b', stopping.signal), /stopped/);
  await clock.advance(120_000);
  assert.ok(kafka.created > 3);
  stopping.abort(new Error('stopped'));
  await refused;
  assert.equal(clock.timers, 0);
});

test('a dead letter says when its message was first and last tried, or given up untried', async () => {
  const { clock, kafka, keep } = world();
  await clock.advance(1000);
  const first = clock.now();
  await keep('a', never, { attempts: 0, firstAttempt: 0 });
  await clock.advance(5000);
  await keep('b', never, { attempts: 2, firstAttempt: first });
  const times = kafka.values.map((value) => {
    const { firstAttemptTime, lastAttemptTime } = fromBinary(DeadLetterSchema, value);
    return [timestampMs(firstAttemptTime!), timestampMs(lastAttemptTime!)];
  });
  assert.deepEqual(times, [
    [first, first],
    [first, first + 5000],
  ]);
});
