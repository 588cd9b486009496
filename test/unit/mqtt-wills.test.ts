import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BusError } from '../../src/bus/bus.ts';
import type { Lane } from '../../src/bus/lane.ts';
import type { TakeIn } from '../../src/ingress/fan-out.ts';
import { Sessions } from '../../src/ingress/listener/sessions.ts';
import { takenInBy } from '../../src/ingress/listener/taken-in.ts';
import { type Will, Wills, willMemory } from '../../src/ingress/listener/wills.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { FakeNotes } from '../helpers/mqtt-listener.ts';
import { testDeps } from '../helpers/test-deps.ts';

const will = (clientId: string): Will => ({
  message: {
    topicName: 'gone',
    payload: Buffer.alloc(1000),
    clientId,
    qos: 1,
    retain: false,
    userProperties: [],
  },
  delay: 0,
});
/** What waits in the producer while Kafka is away. */
class Queue {
  readonly written: string[] = [];
  readonly #waiting: { clientId: string; lane: Lane | undefined; end: PromiseWithResolvers<number> }[] = [];

  readonly takeIn: TakeIn = ({ clientId }, lane) => {
    const end = Promise.withResolvers<number>();
    if (lane?.refusal) end.reject(lane.refusal);
    else this.#waiting.push({ clientId, lane, end });
    return end.promise;
  };

  /** Kafka is there again. */
  write(): void {
    for (const { clientId, lane, end } of this.#waiting.splice(0)) {
      if (lane?.refusal) {
        end.reject(lane.refusal);
      } else {
        this.written.push(clientId);
        end.resolve(1);
      }
    }
  }

  /** Their time is over. */
  refuse(): void {
    for (const { lane, end } of this.#waiting.splice(0)) {
      const error = new BusError('timeout', 'Kafka is away');
      if (lane) lane.refusal ??= error;
      end.reject(error);
    }
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function newWills(maxBytes = 1e6, queue?: Queue) {
  const clock = new ManualClock();
  const deps = testDeps();
  const tries: string[] = [];
  const kafka = { error: new BusError('timeout', 'Kafka is away') as Error | undefined };
  const before: string[][] = [];
  const takeIn: TakeIn = async ({ clientId }, _lane, there) => {
    tries.push(clientId);
    before.push([...there!]);
    there!.add('topic');
    if (kafka.error) throw kafka.error;
    return 1;
  };
  const wills = new Wills({
    ...deps,
    takeIn: queue?.takeIn ?? takeIn,
    takenIn: takenInBy(deps.metrics),
    clock,
    maxBytes,
  });
  const counts = async () => {
    const { values } = await deps.metrics.takenIn.get();
    return Object.fromEntries(
      values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.result, value]),
    );
  };
  return { clock, wills, tries, before, kafka, counts };
}

test('a will that Kafka does not take is tried again until it does, once each time', async () => {
  const { clock, wills, tries, kafka, counts } = newWills();
  wills.publish(will('a'));
  await turn();
  clock.advance(5000);
  await turn();
  kafka.error = undefined;
  clock.advance(5000);
  await turn();
  clock.advance(60_000);
  await turn();
  assert.deepEqual(tries, ['a', 'a', 'a']);
  assert.deepEqual([await counts(), clock.timers], [{ stored: 1 }, 0]);
});

test('a will that is tried again does not go where it is already', async () => {
  const { clock, wills, before, kafka } = newWills();
  wills.publish(will('a'));
  await turn();
  wills.publish(will('b'));
  await turn();
  kafka.error = undefined;
  clock.advance(5000);
  await turn();
  assert.deepEqual(before, [[], [], ['topic'], ['topic']]);
});

test('of a client that is back nothing is tried any more', async () => {
  const { clock, wills, tries, counts } = newWills();
  wills.publish(will('a'));
  wills.keep(will('b'));
  await turn();
  wills.back('a');
  wills.back('b');
  clock.advance(60_000);
  await turn();
  assert.deepEqual([tries, await counts()], [['a'], { failed: 2 }]);
});

test('what waits for Kafka of a client that is back is not written any more, and is counted', async () => {
  const queue = new Queue();
  const { clock, wills, counts } = newWills(1e6, queue);
  const sessions = new Sessions(
    { maxOffline: 10, maxBytes: 1e6 },
    { clock, notes: new FakeNotes(), wills, onForgotten: () => {} },
  );
  for (const clientId of ['lost', 'let go', 'stays away']) {
    const owner = { origin: 'here', takenOver: () => {} };
    sessions.open(clientId, true, owner);
    const isOurs = clientId !== 'lost';
    sessions.close(clientId, owner, { expiry: 0, will: will(clientId), isOurs });
  }
  clock.advance(5000);
  queue.refuse(); // the first try of each
  await turn();
  clock.advance(5000);
  sessions.open('lost', true, { origin: 'here', takenOver: () => {} });
  sessions.open('let go', true, { origin: 'here', takenOver: () => {} });
  queue.write();
  await turn();
  assert.deepEqual([queue.written, await counts()], [['stays away'], { stored: 1, failed: 2 }]);
  assert.equal(clock.timers, 0);
});

test('a will that the return of its client publishes is written, and not tried again behind what the client sends', async () => {
  const queue = new Queue();
  const { clock, wills, counts } = newWills(1e6, queue);
  const sessions = new Sessions(
    { maxOffline: 10, maxBytes: 1e6 },
    { clock, notes: new FakeNotes(), wills, onForgotten: () => {} },
  );
  const connect = (clientId: string, delay: number) => {
    const departure = { expiry: 60, will: { ...will(clientId), delay }, isOurs: false };
    const owner = { origin: 'here', takenOver: () => sessions.close(clientId, owner, departure) };
    sessions.open(clientId, true, owner);
    return owner;
  };
  connect('taken over', 0);
  connect('taken over', 0);
  connect('clean start', 10).takenOver();
  connect('clean start', 10);
  queue.write();
  await turn();
  assert.deepEqual(queue.written, ['taken over', 'clean start']);
  connect('taken over', 0);
  queue.refuse();
  await turn();
  assert.deepEqual([await counts(), clock.timers], [{ stored: 2, failed: 1 }, 0]);
});

test('each will is kept for five seconds, whatever else is kept', async () => {
  const { clock, wills, tries, kafka, counts } = newWills();
  kafka.error = undefined;
  wills.keep(will('a'));
  clock.advance(4900);
  wills.keep(will('b'));
  clock.advance(4999);
  assert.deepEqual(tries, ['a']);
  clock.advance(1);
  await turn();
  assert.deepEqual([tries, await counts(), clock.timers], [['a', 'b'], { stored: 2 }, 0]);
});

test('the will of a client that was let go because Kafka is away is published if it stays away', async () => {
  const { clock, wills, tries, kafka, counts } = newWills();
  kafka.error = undefined;
  wills.keep(will('a'));
  clock.advance(4999);
  assert.deepEqual(tries, []);
  clock.advance(1);
  await turn();
  assert.deepEqual([tries, await counts()], [['a'], { stored: 1 }]);
});

test('wills that wait for Kafka are bounded in bytes, the oldest give first; in time; and each is counted', async () => {
  const { clock, wills, tries, counts } = newWills(2.5 * willMemory(will('x')));
  for (const clientId of ['a', 'b', 'c']) wills.keep(will(clientId));
  clock.advance(5000);
  await turn();
  assert.deepEqual([tries, await counts()], [['b', 'c'], { failed: 1 }]);
  clock.advance(3_600_000);
  await turn();
  assert.deepEqual(await counts(), { failed: 3 });
  assert.equal(clock.timers, 0);
});

test('a will that no topic takes is not tried again', async () => {
  const { clock, wills, kafka, counts } = newWills();
  kafka.error = new BusError('too-large', 'no');
  wills.publish(will('a'));
  await turn();
  assert.deepEqual([await counts(), clock.timers], [{ failed: 1 }, 0]);
});

test('in the end what is owed is tried once more', async () => {
  const { wills, kafka, counts } = newWills();
  wills.keep(will('a'));
  kafka.error = undefined;
  await wills.finish();
  assert.deepEqual(await counts(), { stored: 1 });
});
