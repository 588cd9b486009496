import type { TestContext } from 'node:test';
import { create, toBinary } from '@bufbuild/protobuf';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';
import type { KeyRing } from '../../src/contract/sealed-secrets.ts';
import { startExecutor } from '../../src/executor/executor.ts';
import { EXECUTOR } from './executor.ts';
import { nodeForTests } from './nodes.ts';
import { testDeps } from './test-deps.ts';

interface Kafka {
  readonly bus: Bus;
  readonly topics: Topics;
}

/** A real executor of the system, with keys of its own. */
export async function realExecutor(
  t: TestContext,
  { bus, topics }: Kafka,
  serviceId: string,
  keys: () => KeyRing,
) {
  const deps = { ...testDeps(), bus, topics, startTime: Date.now(), secretKeys: keys };
  const { signal } = new AbortController();
  nodeForTests(t, deps, { serviceId, types: [1] });
  const running = await startExecutor({ ...EXECUTOR, serviceId }, deps, signal);
  t.after(() => running[Symbol.asyncDispose]());
  return running;
}

/** Puts a message into the integration's topic. */
export function publish({ bus, topics }: Kafka, id: string, payload: string): Promise<unknown> {
  const envelope = create(EnvelopeSchema, { topicName: 'a', clientId: 'c', payload: Buffer.from(payload) });
  return bus.send(topics.messages(id).name, { key: 'c', value: toBinary(EnvelopeSchema, envelope) });
}
