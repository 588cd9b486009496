import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED, type Outcome } from '../../src/executor/handlers/handler.ts';
import type { Link } from '../../src/executor/handlers/kafka/link.ts';
import { DEFAULTS, type KafkaOptions } from '../../src/executor/handlers/kafka/options.ts';
import { Partitions } from '../../src/executor/handlers/kafka/partitions.ts';
import { DisconnectedError } from '../../src/executor/handlers/kafka/reason.ts';
import type { KafkaRecord } from '../../src/executor/handlers/kafka/record.ts';
import { Sender } from '../../src/executor/handlers/kafka/sender.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

class ProtocolError extends Error {
  readonly type: string;
  constructor(type: string) {
    super(type);
    this.type = type;
  }
}

/** What a link does with records: nothing, or throws. */
type Behaviour = (values: readonly string[]) => void;

function world(leaders: readonly number[], options: Partial<KafkaOptions> = {}, isIdempotent = true) {
  const clock = new FakeClock();
  const partitions = new Partitions(0);
  const partitionMetadata = leaders.map((leader, partitionId) => ({
    partitionId,
    leader,
    partitionErrorCode: 0,
    replicas: [leader],
    isr: [leader],
  }));
  const place = partitions.partitioner();
  place({ topic: 't', partitionMetadata, message: { key: 'k', value: 'v' } });
  const state = {
    behaviour: (() => {}) as Behaviour,
    connect: () => {},
    sent: [] as string[][],
    links: 0,
    refused: 0,
  };
  const link = () => {
    state.links++;
    const closed = new AbortController();
    return {
      isIdempotent,
      signal: closed.signal,
      connect: async () => state.connect(),
      async send(records: readonly KafkaRecord[]) {
        const values = records.map(({ value }) => String(value));
        state.sent.push(values);
        for (const message of records) place({ topic: 't', partitionMetadata, message: message as never });
        state.behaviour(values);
      },
      close: (why: Error) => closed.abort(why),
    } as unknown as Link;
  };
  const sender = new Sender({
    topic: 't',
    options: { ...DEFAULTS, ...options },
    partitions,
    clock,
    random: () => 0.5,
    link,
    refused: () => state.refused++,
  });
  /** Outcomes by value, `ok` for those delivered. */
  const send = async (records: Readonly<Record<string, number>>) => {
    const outcomes: Record<string, FailureClass | 'ok'> = {};
    const batch = Object.entries(records).map(([value, partition]) => ({
      record: { key: null, value, partition, headers: [], bytes: 1 },
      settle(outcome: Outcome) {
        assert.equal(outcomes[value], undefined, 'settled once');
        outcomes[value] =
          outcome === DELIVERED ? 'ok' : (outcome as { failureClass: FailureClass }).failureClass;
      },
    }));
    const sending = sender.send(batch);
    for (let done = false; !done; ) {
      void sending.then(() => {
        done = true;
      });
      await clock.advance(50);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(Object.keys(outcomes).length, batch.length);
    return outcomes;
  };
  return { state, send, sender };
}

const { DISCONNECTED, TOO_LARGE, REJECTED, UNAVAILABLE } = FailureClass;
const failing =
  (bad: string, error: Error): Behaviour =>
  (values) => {
    if (values.includes(bad)) throw error;
  };

test('a broker that is away fails its own records alone', async () => {
  const { state, send } = world([1, 2, 1]);
  state.behaviour = failing('b', new DisconnectedError('away'));
  assert.deepEqual(await send({ a: 0, b: 1, c: 2, d: 1 }), {
    a: 'ok',
    b: DISCONNECTED,
    c: 'ok',
    d: DISCONNECTED,
  });
  assert.deepEqual(state.sent[0], ['a', 'c']);
  assert.equal(state.links, 1);
});

test('a record at fault is found by partitions and halves, and fails alone, over the same link', async () => {
  const { state, send } = world([1, 1]);
  state.behaviour = failing('e', new ProtocolError('MESSAGE_TOO_LARGE'));
  const outcomes = await send({ a: 0, b: 1, c: 0, d: 0, e: 0, f: 1 });
  assert.deepEqual(outcomes, { a: 'ok', b: 'ok', c: 'ok', d: 'ok', e: TOO_LARGE, f: 'ok' });
  state.behaviour = failing('x', new ProtocolError('INVALID_RECORD'));
  assert.deepEqual(await send({ x: 0, y: 0 }), { x: REJECTED, y: 'ok' });
  assert.equal(state.links, 1);
});

test('a partition that has too few replicas fails alone, and the link is given up', async () => {
  const { state, send } = world([1, 1]);
  state.behaviour = failing('b', new ProtocolError('NOT_ENOUGH_REPLICAS'));
  assert.deepEqual(await send({ a: 0, b: 1 }), { a: 'ok', b: UNAVAILABLE });
  await send({ c: 0 });
  assert.equal(state.links, 2);
});

test('what is refused as a whole is not taken apart', async () => {
  const { state, send } = world([1, 1]);
  state.behaviour = failing('a', new ProtocolError('TOPIC_AUTHORIZATION_FAILED'));
  assert.deepEqual(await send({ a: 0, b: 1 }), { a: UNAVAILABLE, b: UNAVAILABLE });
  assert.equal(state.sent.length, 1);
});

test('what breaks off is sent again once by an idempotent producer, and as often as configured', async () => {
  const tries = async (options: Partial<KafkaOptions>, isIdempotent: boolean) => {
    const { state, send } = world([1], options, isIdempotent);
    state.behaviour = failing('a', new DisconnectedError('broken'));
    assert.deepEqual(await send({ a: 0 }), { a: DISCONNECTED });
    return state.sent.length;
  };
  assert.equal(await tries({}, false), 1);
  assert.equal(await tries({}, true), 2);
  assert.equal(await tries({ retries: 3 }, false), 4);
  assert.equal(await tries({ retries: 3 }, true), 4);
});

test('a link that cannot be made is tried again, with pauses that grow', async () => {
  const { state, send } = world([1], { reconnectPause: 1000, maxReconnectPause: 4000 });
  state.connect = () => {
    throw new DisconnectedError('connect ECONNREFUSED');
  };
  for (let i = 0; i < 3; i++) assert.deepEqual(await send({ a: 0 }), { a: DISCONNECTED });
  assert.equal(state.links, 3);
  state.connect = () => {};
  assert.deepEqual(await send({ a: 0 }), { a: 'ok' });
  assert.equal(state.refused, 0);
});

test('credentials that are refused are told, so that a token is not shown again', async () => {
  const { state, send } = world([1]);
  state.connect = () => {
    throw Object.assign(new Error('SASL authentication failed'), { name: 'KafkaJSSASLAuthenticationError' });
  };
  assert.deepEqual(await send({ a: 0 }), { a: UNAVAILABLE });
  assert.equal(state.refused, 1);
});
