import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { DeadLetterSchema, EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { type Bus, BusError, type IncomingRecord } from '../../src/bus/bus.ts';
import type { Topics } from '../../src/bus/topics.ts';

type On = { readonly bus: Bus; readonly topics: Topics };

/** An encoded envelope: number `i` of client `c<i % 3>` on topic `sensors/<i % 2>`. */
export function envelope(i: number, init: MessageInitShape<typeof EnvelopeSchema> = {}): Uint8Array {
  return toBinary(
    EnvelopeSchema,
    create(EnvelopeSchema, {
      topicName: `sensors/${i % 2}`,
      clientId: `c${i % 3}`,
      payload: Buffer.from(String(i)),
      receivedTime: timestampFromMs(Date.now()),
      id: new Uint8Array(16).fill(i),
      ...init,
    }),
  );
}

/** An encoded dead letter with this envelope. */
export function deadLetter(i: number, init: MessageInitShape<typeof DeadLetterSchema> = {}): Uint8Array {
  return toBinary(
    DeadLetterSchema,
    create(DeadLetterSchema, {
      envelope: envelope(i),
      failureClass: FailureClass.REJECTED,
      reason: `HTTP 400 for ${i}`,
      attempts: 1,
      firstAttemptTime: timestampFromMs(1000 * i),
      lastAttemptTime: timestampFromMs(1000 * i),
      generation: 1n,
      serviceId: 'e1',
      ...init,
    }),
  );
}

/** Gives up messages `start` to `end` of an integration, as an executor does. */
export async function giveUp(
  { bus, topics }: On,
  integrationId: string,
  [start, end]: readonly [number, number],
  init: MessageInitShape<typeof DeadLetterSchema> = {},
): Promise<void> {
  const topic = topics.deadLetters(integrationId);
  await bus.createTopics([topic]);
  const numbers = Array.from({ length: end - start }, (_, i) => start + i);
  await Promise.all(
    numbers.map((i) => bus.send(topic.name, { key: `c${i % 3}`, value: deadLetter(i, init) })),
  );
}

/** Publishes messages `start` to `end` of an integration, as ingress does. */
export async function publish(
  { bus, topics }: On,
  integrationId: string,
  [start, end]: readonly [number, number],
): Promise<void> {
  const numbers = Array.from({ length: end - start }, (_, i) => start + i);
  const { name } = topics.messages(integrationId);
  await Promise.all(numbers.map((i) => bus.send(name, { key: `c${i % 3}`, value: envelope(i) })));
}

/** Everything on the message topic of an integration, with values of its own. */
export async function messagesOf({ bus, topics }: On, integrationId: string): Promise<IncomingRecord[]> {
  const { name } = topics.messages(integrationId);
  const records: IncomingRecord[] = [];
  await bus.read({
    topic: name,
    ranges: await bus.offsets(name),
    async eachBatch(batch) {
      records.push(
        ...batch.map((record) => ({ ...record, value: record.value && Buffer.from(record.value) })),
      );
    },
  });
  return records;
}

/** A bus that takes `left` more messages of integrations, then none, as if Kafka were away. */
export function limitedBus(bus: Bus, left: number): { left: number; readonly bus: Bus } {
  const send: Bus['send'] = (topic, record) => {
    if (!topic.includes('.msg.ie.') || limited.left-- > 0) return bus.send(topic, record);
    return Promise.reject(new BusError('timeout', 'Kafka is away'));
  };
  const limited = { left, bus: { ...bus, send } };
  return limited;
}
