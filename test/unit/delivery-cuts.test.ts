import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { Delivery } from '../../src/executor/delivery/delivery.ts';
import { Window } from '../../src/executor/delivery/window.ts';
import {
  type Cut,
  DELIVERED,
  type Failure,
  type Outbound,
  type Outcome,
  WRITTEN,
} from '../../src/executor/handlers/handler.ts';
import { ByteLimit } from '../../src/runtime/byte-limit.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { POLICY, QUIET } from '../helpers/quiet-delivery.ts';

const { DISCONNECTED, REJECTED, THROTTLED } = FailureClass;
const lost = (isShared: boolean, isForOne: Cut['isForOne'] = 'maybe'): Failure => ({
  delivered: false,
  failureClass: DISCONNECTED,
  reason: 'closed',
  cut: { isShared, isForOne },
});
const THROTTLE: Failure = { delivered: false, failureClass: THROTTLED, reason: 'slowly' };

/** A delivery of single messages over one connection; each call ends when it is let go, or the connection is lost. */
function overOneConnection(
  policy: { readonly strategy?: 'SKIP_ALL'; readonly retries?: number; readonly maxInFlight?: number } = {},
) {
  const calls = new Map<number, (outcome: Outcome) => void>();
  const left: number[] = [];
  const tried: [number, number][] = [];
  const letters: [number, number, FailureClass][] = [];
  const clock = new FakeClock();
  const full = { ...POLICY, maxInFlight: 8, ...policy };
  const engine = new Delivery({
    window: new Window(full, new ByteLimit(1e9)),
    handler: {
      parallel: full.maxInFlight / 2,
      connect: async () => {},
      deliver([{ offset }]: readonly [Outbound]) {
        left.push(offset);
        const { promise, resolve } = Promise.withResolvers<readonly Outcome[]>();
        calls.set(offset, (outcome) => resolve([outcome]));
        return promise;
      },
      [Symbol.asyncDispose]: async () => {},
    } as never,
    pack: { maxMessages: 1, maxBytes: 1e9, runs: 'across' },
    policy: full,
    events: { ...QUIET, failed: ({ offset, attempts }) => tried.push([offset, attempts]) },
    deadLetter: async ({ offset, attempts }, { failureClass }) => {
      letters.push([offset, attempts, failureClass]);
    },
    holdsLease: () => true,
    clock,
    random: () => 1,
  });
  let next = 0;
  /** What leaves until so many milliseconds have passed. */
  const leaving = async (ms: number) => {
    await clock.advance(ms);
    return left.splice(0);
  };
  return {
    letters,
    tried,
    leaving,
    engine,
    take(...keys: string[]) {
      const envelope = create(EnvelopeSchema, { topicName: 'a/b' });
      for (const key of keys) engine.take(0, next++, key, envelope, new Uint8Array(10));
    },
    end(offset: number, outcome: Outcome = DELIVERED) {
      calls.get(offset)!(outcome);
      calls.delete(offset);
    },
    lose(isForOne: Cut['isForOne'] = 'maybe', isShared = calls.size > 1) {
      const failure = lost(isShared, isForOne);
      for (const end of calls.values()) end(failure);
      calls.clear();
    },
  };
}

test('those that were on two lost connections leave one by one, in the order of their keys, until one is left over', async () => {
  const { take, leaving, lose, end, letters, tried, engine } = overOneConnection({ retries: 9 });
  take('a', 'a', 'b', 'c');
  assert.deepEqual(await leaving(0), [0, 1, 2, 3]);
  lose();
  assert.deepEqual(await leaving(0), [], 'after a pause');
  take('d');
  assert.deepEqual(await leaving(0), [4], 'what was not on it goes on');
  end(4);
  assert.deepEqual(await leaving(100), [0, 1, 2, 3]);
  take('e', 'e');
  lose();
  const apart: number[][] = [];
  while (engine.window.size > 0) {
    const now = await leaving(50);
    if (now.length > 0) apart.push(now);
    if (now[0] !== 1) for (const offset of now) end(offset);
    else lose();
  }
  assert.deepEqual(apart, [[5, 6], [0], [1], [2], [1], [3], [1]], 'between its tries one of the others');
  assert.deepEqual(letters, [[1, 3, REJECTED]]);
  assert.deepEqual(
    tried.filter(([offset]) => offset !== 1).map(([, attempts]) => attempts),
    [0, 0, 0, 0, 0, 0],
  );
});

test('while one leaves apart nothing else does, and it waits until nothing else is on its way', async () => {
  const { take, leaving, lose, end, engine } = overOneConnection();
  take('a', 'b');
  await leaving(0);
  lose('surely');
  take('c', 'd');
  assert.deepEqual(await leaving(1000), [2, 3]);
  end(2);
  assert.deepEqual(await leaving(0), []);
  end(3);
  assert.deepEqual(await leaving(0), [0]);
  take('e');
  assert.deepEqual(await leaving(1000), []);
  end(0);
  assert.deepEqual(await leaving(0), [1]);
  end(1);
  assert.deepEqual(await leaving(0), [4]);
  end(4);
  await leaving(0);
  assert.equal(engine.window.size, 0);
});

test('SKIP_ALL sends what was on a lost connection once more, alone, before it gives up', async () => {
  const { take, leaving, lose, end, letters, engine } = overOneConnection({ strategy: 'SKIP_ALL' });
  take('a', 'b', 'c');
  await leaving(0);
  lose();
  for (let offset = 0; offset < 3; offset++) {
    assert.deepEqual(await leaving(offset === 0 ? 100 : 0), [offset]);
    if (offset === 1) lose();
    else end(offset);
  }
  await leaving(0);
  assert.deepEqual([letters, engine.window.size], [[[1, 1, DISCONNECTED]], 0]);
});

test('one that is answered did not cost the connection, and leaves with others again', async () => {
  const { take, leaving, lose, end, engine } = overOneConnection();
  take('a', 'b');
  await leaving(0);
  lose('surely');
  assert.deepEqual(await leaving(100), [0]);
  end(0, THROTTLE);
  assert.deepEqual(await leaving(0), [1]);
  end(1);
  take('c');
  assert.deepEqual(await leaving(100), [2, 0]);
  assert.equal(engine.suspicion, undefined);
});

test('what connections seem to be lost for is told until it is settled; it is not given up while nothing gets through', async () => {
  const { take, leaving, lose, end, letters, engine } = overOneConnection();
  const loseAlone = async (times: number) => {
    for (let i = 0; i < times; i++) {
      assert.deepEqual(await leaving(100), [0]);
      lose();
    }
    await leaving(0);
  };
  take('a');
  await loseAlone(7);
  assert.match(
    engine.suspicion!,
    /only message 0-0 is on it, of topic a\/b: .*nothing else on its way; closed$/,
  );
  for (const other of [1, 2]) {
    assert.deepEqual(letters, []);
    take('b');
    assert.deepEqual(await leaving(0), [other]);
    end(other);
    await loseAlone(1);
  }
  assert.deepEqual(letters, [[0, 8, REJECTED]]);
  assert.equal(engine.suspicion, undefined);
});

test('an outage in which each PUBLISH costs the connection gives up none that was on one before it', async () => {
  const { take, leaving, lose, end, letters, engine } = overOneConnection();
  take('a', 'b', 'c', 'd');
  await leaving(0);
  lose();
  take('e');
  assert.deepEqual(await leaving(0), [4]);
  end(4);
  assert.equal((await leaving(100)).length, 4);
  lose();
  for (let i = 0; i < 100; i++) if ((await leaving(100)).length > 0) lose();
  assert.deepEqual(letters, []);
  while (engine.window.size > 0) for (const offset of await leaving(100)) end(offset);
  assert.deepEqual(letters, []);
});

test('one that leaves apart is not the reason while it shares its connections with what nobody answers', async () => {
  const { take, leaving, lose, end, letters, engine } = overOneConnection();
  take('a');
  await leaving(0);
  lose('surely', true);
  for (let other = 1; other < 30; other++) {
    take('b');
    assert.deepEqual(await leaving(0), [other]);
    end(other);
    assert.deepEqual(await leaving(100), [0]);
    lose('maybe', true);
    await leaving(0);
  }
  assert.deepEqual([letters, engine.suspicion], [[], undefined]);
});

test('what nobody answers is not one that got through', async () => {
  for (const [outcome, expected] of [
    [DELIVERED, [[0, 2, REJECTED]]],
    [WRITTEN, []],
  ] as const) {
    const { take, leaving, lose, end, letters } = overOneConnection();
    take('a');
    assert.deepEqual(await leaving(0), [0]);
    lose();
    for (const other of [1, 2]) {
      take('b');
      assert.deepEqual(await leaving(0), [other]);
      end(other, outcome);
      assert.deepEqual(await leaving(100), [0]);
      lose();
      await leaving(0);
    }
    assert.deepEqual(letters, expected);
  }
});

for (const [strategy, losses] of [
  [undefined, 2],
  ['SKIP_ALL', 1],
] as const)
  test(`where lost connections say nothing of messages, those leave in groups that double, with others (${strategy ?? 'RETRY_ALL'})`, async () => {
    const policy = { maxInFlight: 2000, ...(strategy && { strategy }) };
    const { take, leaving, lose, end, letters, engine } = overOneConnection(policy);
    take(...Array.from({ length: 1000 }, (_, i) => `a${i}`));
    assert.equal((await leaving(0)).length, 1000);
    lose('no');
    for (let i = 1; i < losses; i++) {
      assert.equal((await leaving(200)).length, 1000);
      lose('no');
    }
    const groups: number[] = [];
    for (let now = await leaving(200); now.length > 0; now = await leaving(0)) {
      groups.push(now.length);
      if (groups.length === 3) take(...Array.from({ length: 10 }, (_, i) => `b${i}`));
      for (const offset of now) end(offset);
    }
    assert.deepEqual(groups.slice(0, 3), [1, 2, 4]);
    assert.ok(groups.length <= 12, `${groups}`);
    assert.deepEqual([letters, engine.window.size], [[], 0]);
  });

test('one that costs each connection, and is not known to, is given up, and none that shared them', async () => {
  const { take, leaving, lose, end, letters, engine } = overOneConnection({
    strategy: 'SKIP_ALL',
    maxInFlight: 64,
  });
  take(...Array.from({ length: 32 }, (_, i) => `a${i}`));
  for (let i = 0; i < 1000 && engine.window.size > 0; i++) {
    const now = await leaving(100);
    if (i < 100) take(`b${i}`);
    if (now.includes(13)) lose('no');
    else for (const offset of now) end(offset);
  }
  assert.deepEqual([letters.map(([offset]) => offset), engine.window.size], [[13], 0]);
});

test('the last one left of those that shared lost connections is given up when others get through between its own, and not before', async () => {
  for (const shared of [1, 2]) {
    const { take, leaving, lose, end, letters, engine } = overOneConnection();
    take('a', 'b', 'c');
    for (let losses = 0; losses < shared; losses++) {
      assert.equal((await leaving(100)).length, 3);
      lose();
    }
    /** 2 costs each connection, and comes last: whether it does, or the broker takes nothing, nobody can tell. */
    const turn = async () => {
      const now = await leaving(100);
      for (const offset of now) if (offset !== 2) end(offset);
      if (now.includes(2)) lose('maybe', false);
      return now;
    };
    for (let turns = 0; turns < 4; turns++) await turn();
    assert.deepEqual([letters, engine.window.size], [[], 1]);
    for (const other of [3, 4]) {
      take('d');
      for (let turns = 0; turns < 3; turns++) await turn();
      assert.equal(engine.window.size, other === 3 ? 1 : 0);
    }
    assert.deepEqual(
      letters.map(([offset, , failureClass]) => [offset, failureClass]),
      [[2, REJECTED]],
    );
  }
});

test('where nothing else comes, one that connections are lost for is given up after ten in a row, and ten seconds', async () => {
  for (const [pause, most] of [
    [100, 30],
    [1500, 10],
  ] as const) {
    const { take, leaving, lose, letters } = overOneConnection();
    take('a');
    for (let losses = 0; losses < most; losses++) {
      assert.deepEqual(letters, []);
      assert.deepEqual(await leaving(pause), [0]);
      lose();
    }
    await leaving(0);
    const expected = pause === 100 ? [] : [[0, REJECTED]];
    assert.deepEqual(
      letters.map(([offset, , failureClass]) => [offset, failureClass]),
      expected,
    );
  }
});

test('others that wait are not all gone before the one at fault is found: between its tries one of them leaves', async () => {
  const { take, leaving, lose, end, letters, engine } = overOneConnection({ maxInFlight: 64 });
  take(...Array.from({ length: 60 }, (_, i) => `a${i}`));
  let tries = 0;
  for (let i = 0; i < 400 && letters.length === 0; i++) {
    const now = await leaving(100);
    if (now.includes(20)) {
      tries++;
      lose('maybe');
    } else for (const offset of now) end(offset);
  }
  assert.deepEqual(
    letters.map(([offset]) => offset),
    [20],
  );
  assert.ok(tries <= 6, `${tries}`);
  for (let i = 0; i < 70 && engine.window.size > 0; i++) for (const offset of await leaving(10)) end(offset);
  assert.deepEqual([engine.window.size, letters.length], [0, 1], 'the others go on');
});

test('one that is tried on, with nothing to compare it with, holds up the others no longer than that', async () => {
  const { take, leaving, lose, end, letters } = overOneConnection();
  take('a');
  await leaving(0);
  lose('surely', false);
  await leaving(0);
  take('b', 'c', 'd');
  assert.deepEqual(await leaving(0), [1], 'one of them');
  end(1);
  assert.deepEqual(await leaving(0), [0], 'then the one in question, before its pause is over');
  end(0, THROTTLE); // it is answered: it is for nothing that the connection was lost
  assert.deepEqual(await leaving(0), [2, 3]);
  assert.deepEqual(letters, []);
});

test('one that is lost for what says nothing of it, after it was lost alone, starves nobody', async () => {
  const { take, leaving, lose, end, engine } = overOneConnection({ maxInFlight: 64 });
  take('x');
  await leaving(0);
  lose('maybe', false);
  await leaving(0);
  take('y');
  await leaving(0);
  end(1);
  take(...Array.from({ length: 10 }, (_, i) => `a${i}`));
  let delivered = 0;
  for (let i = 0; i < 40 && delivered < 10; i++) {
    const now = await leaving(i === 0 ? 0 : 10);
    if (now.includes(0)) lose('no', now.length > 1);
    else for (const offset of now) end(offset);
    delivered = 10 - (engine.window.size - 1);
  }
  assert.equal(delivered, 10);
});

test('one that waits behind another of its lane, or for its dead letter, holds up nobody', async () => {
  const { take, leaving, lose, end, engine } = overOneConnection({ maxInFlight: 64 });
  take('k', 'k');
  assert.deepEqual(await leaving(0), [0, 1]);
  end(0, THROTTLE); // its lane waits for it
  await leaving(0);
  lose('maybe', false);
  await leaving(0);
  take(...Array.from({ length: 10 }, (_, i) => `a${i}`));
  assert.equal((await leaving(0)).length, 10, 'all others leave');
  assert.equal(engine.window.size, 12);
});

test('where what others do is not answered, one of them is waited for, and no more', async () => {
  const { take, leaving, lose, end } = overOneConnection({ maxInFlight: 64 });
  take('x');
  await leaving(0);
  lose('maybe', false);
  await leaving(0);
  take(...Array.from({ length: 10 }, (_, i) => `a${i}`));
  assert.deepEqual(await leaving(0), [1]);
  end(1, WRITTEN);
  assert.equal((await leaving(0)).length, 9);
});

test('after a lull in an outage none is given up, also one that nothing else is lost beside', async () => {
  for (const keys of [['a'], ['a', 'b']]) {
    const { take, leaving, lose, end, letters } = overOneConnection();
    const loseEach = async (times: number) => {
      for (let i = 0; i < times; i++) if ((await leaving(100)).length > 0) lose();
      await leaving(0);
    };
    take(...keys);
    await leaving(0);
    lose('surely', false);
    await leaving(0);
    take('lull');
    const now = await leaving(0);
    assert.deepEqual(now, [keys.length]);
    end(now[0]!);
    await loseEach(keys.length === 1 ? 8 : 50);
    assert.deepEqual(letters, []);
  }
});
