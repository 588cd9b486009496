import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kafka } from 'kafkajs';
import { BusError } from '../../src/bus/bus.ts';
import { BatchingProducer } from '../../src/bus/kafka/producer.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

/** What a connection takes, and what one record waits for the next: milliseconds. */
const CONNECT = 25;
const STEP = 20;

/** A kafkajs whose brokers are away until `kafka.isUp`. */
function fakeKafka(clock: FakeClock) {
  const kafka = { isUp: false, refuses: false, sent: 0, producers: 0 };
  const producer = () => {
    kafka.producers++;
    return newProducer();
  };
  const newProducer = () => ({
    connect: async () => {
      await clock.sleep(CONNECT);
      if (!kafka.isUp) throw new Error('connect ECONNREFUSED');
    },
    sendBatch: async ({ topicMessages }: { topicMessages: { messages: unknown[] }[] }) => {
      if (!kafka.isUp || kafka.refuses) throw new Error('connection closed');
      kafka.sent += topicMessages.flatMap(({ messages }) => messages).length;
    },
    disconnect: async () => {},
  });
  return { kafka, client: { producer } as unknown as Kafka };
}

test('after an outage longer than any record waits, the next records go through at once', async () => {
  const clock = new FakeClock();
  const { kafka, client } = fakeKafka(clock);
  const logger = createLogger('error', clock, () => {});
  const producer = new BatchingProducer(client, { clock, logger, random: () => 0.5 });
  const ends = { taken: 0, late: 0 };
  const send = () => {
    producer.send('t', { key: 'k', value: Buffer.from('x') }).then(
      () => ends.taken++,
      (error) => {
        assert.ok(error instanceof BusError && error.reason === 'timeout');
        ends.late++;
      },
    );
  };
  const steps = async (seconds: number) => {
    for (let i = 0; i < (seconds * 1000) / STEP; i++) {
      send();
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(STEP);
    }
  };
  await steps(60);
  assert.equal(ends.taken, 0);
  assert.ok(ends.late > 1000, `${ends.late} were told in time`);
  kafka.isUp = true;
  await steps(3);
  assert.ok(ends.taken > 100, `${ends.taken} went through`);
  assert.equal(ends.taken, kafka.sent);
});

test('records after some that were given up get sequence numbers of their own', async () => {
  const clock = new FakeClock();
  const { kafka, client } = fakeKafka(clock);
  const logger = createLogger('error', clock, () => {});
  const producer = new BatchingProducer(client, { clock, logger, random: () => 0.5 });
  kafka.isUp = true;
  const send = async (key: string) => {
    let end: unknown;
    producer.send('t', { key, value: Buffer.from('x') }).then(
      () => {
        end = 'taken';
      },
      (error: BusError) => {
        end = error.reason;
      },
    );
    while (end === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      await clock.advance(STEP);
    }
    return end;
  };
  assert.equal(await send('first'), 'taken');
  kafka.refuses = true; // a broker may have written it all the same
  assert.equal(await send('given up'), 'timeout');
  kafka.refuses = false;
  assert.equal(await send('next'), 'taken');
  assert.equal(kafka.producers, 2);
});
