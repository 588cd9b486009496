import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { Bus } from '../../src/bus/bus.ts';
import { createKafkaBus } from '../../src/bus/kafka-bus.ts';
import { type Topics, topicsOf } from '../../src/bus/topics.ts';
import { kafkaForTests } from './kafka.ts';
import { testDeps } from './test-deps.ts';

/** A bus on a real Kafka, closed after the test, with topics that no other test uses. */
export async function busForTests(
  t: TestContext,
  deps: Partial<ReturnType<typeof testDeps>> = {},
): Promise<{ bus: Bus; topics: Topics }> {
  const brokers = (await kafkaForTests()).split(',');
  const config = { brokers, clientId: 'penstock-test', replication: 1 };
  const bus = createKafkaBus(config, { ...testDeps(), ...deps });
  t.after(() => bus[Symbol.asyncDispose]());
  return { bus, topics: topicsOf(`t${randomBytes(5).toString('hex')}`) };
}
