import assert from 'node:assert/strict';
import { test } from 'node:test';
import kafkajs, { type Kafka, type ProducerConfig } from 'kafkajs';
import { Link } from '../../src/executor/handlers/kafka/link.ts';
import { DEFAULTS, type KafkaOptions } from '../../src/executor/handlers/kafka/options.ts';
import { Partitions } from '../../src/executor/handlers/kafka/partitions.ts';
import { DisconnectedError } from '../../src/executor/handlers/kafka/reason.ts';
import { Sockets } from '../../src/executor/handlers/kafka/sockets.ts';
import { contextOf } from '../helpers/handler.ts';

/** A cluster that lets nobody write idempotently. */
function world(options: Partial<KafkaOptions>) {
  const made: { readonly idempotent: boolean; connected: boolean }[] = [];
  const sending = Promise.withResolvers<never>();
  const kafka = {
    producer({ idempotent = false }: ProducerConfig) {
      const producer = { idempotent, connected: false };
      made.push(producer);
      return {
        isIdempotent: () => idempotent,
        async connect() {
          producer.connected = true;
          const denied = Object.assign(new Error('denied'), { type: 'CLUSTER_AUTHORIZATION_FAILED' });
          if (idempotent) throw denied;
        },
        async disconnect() {
          producer.connected = false;
        },
        send: () => sending.promise,
      };
    },
  } as unknown as Kafka;
  const all = { ...DEFAULTS, ...options };
  const sockets = new Sockets(all, contextOf());
  const compression = kafkajs.CompressionTypes.None;
  const link = new Link({
    kafka,
    topic: 't',
    options: all,
    compression,
    partitions: new Partitions(0),
    sockets,
  });
  return { link, made };
}

test('where the cluster does not allow idempotence, it is done without, unless it was asked for', async () => {
  const { link, made } = world({});
  await link.connect();
  assert.equal(link.isIdempotent, false);
  assert.deepEqual(made, [
    { idempotent: true, connected: false },
    { idempotent: false, connected: true },
  ]);
  await assert.rejects(world({ idempotence: true }).link.connect(), /denied/);
  for (const options of [{ idempotence: false }, { acks: 1 as const }]) {
    const other = world(options);
    await other.link.connect();
    assert.deepEqual(
      other.made.map(({ idempotent }) => idempotent),
      [false],
    );
  }
});

test('a link that is closed ends what is on its way, and what comes after it', async () => {
  const { link, made } = world({ idempotence: false });
  await link.connect();
  const why = new DisconnectedError('cut');
  const sending = assert.rejects(link.send([]), why);
  link.close(why);
  await sending;
  await assert.rejects(link.send([]), why);
  assert.equal(made[0]?.connected, false);
  assert.equal(link.signal.reason, why);
});
