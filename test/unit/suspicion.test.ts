import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import {
  afterCut,
  culpritFailure,
  isCulprit,
  type Suspicion,
  UNSUSPECTED,
} from '../../src/executor/delivery/suspicion.ts';
import type { Cut } from '../../src/executor/handlers/handler.ts';

const RETRY = { strategy: 'RETRY_ALL' } as const;
const SKIP = { strategy: 'SKIP_ALL' } as const;
const cut = (isShared: boolean, isForOne: Cut['isForOne']): Cut => ({ isShared, isForOne });
const after = (cuts: readonly Cut[], policy: typeof RETRY | typeof SKIP = RETRY, delivered = 0) =>
  cuts.reduce((before: Suspicion, one) => afterCut(before, one, policy, delivered, true, true), UNSUSPECTED);

test('a message leaves apart after two lost connections, at once where it has one try or was alone, or the code says so; warily where they say nothing of messages', () => {
  const rows: readonly (readonly [readonly Cut[], typeof RETRY | typeof SKIP, Suspicion['leaves']])[] = [
    [[cut(true, 'maybe')], RETRY, 'freely'],
    [[cut(true, 'maybe'), cut(true, 'maybe')], RETRY, 'apart'],
    [[cut(true, 'no')], RETRY, 'freely'],
    [[cut(true, 'no'), cut(true, 'no')], RETRY, 'warily'],
    [[cut(true, 'no'), cut(true, 'maybe')], RETRY, 'apart'],
    [Array(4).fill(cut(true, 'no')), RETRY, 'warily'],
    [Array(5).fill(cut(true, 'no')), RETRY, 'apart'],
    [[cut(true, 'maybe')], SKIP, 'apart'],
    [[cut(true, 'no')], SKIP, 'warily'],
    [[cut(true, 'surely')], RETRY, 'apart'],
    [[cut(false, 'maybe')], RETRY, 'apart'],
    [[cut(false, 'no')], RETRY, 'freely'],
  ];
  for (const [cuts, policy, leaves] of rows)
    assert.equal(after(cuts, policy).leaves, leaves, JSON.stringify(cuts));
});

const STEPS: readonly Suspicion['leaves'][] = ['freely', 'warily', 'apart'];
const oneCut: fc.Arbitrary<Cut> = fc.record({
  isShared: fc.boolean(),
  isForOne: fc.constantFrom('surely' as const, 'maybe' as const, 'no' as const),
});
const cuts = fc.array(oneCut, { maxLength: 10 });

test('no lost connection is a try before the message leaves alone, and each is then; it does so soon, and for good', () => {
  fc.assert(
    fc.property(cuts, fc.boolean(), fc.constantFrom(RETRY, SKIP), (all, hadCompany, policy) => {
      let suspicion = UNSUSPECTED;
      let excused = 0;
      for (const one of all) {
        const before = suspicion;
        suspicion = afterCut(before, one, policy, 0, true, hadCompany);
        const isAlone = before.leaves === 'apart' || (before.leaves === 'warily' && !hadCompany);
        assert.equal(suspicion.isExcused, !isAlone);
        assert.ok(STEPS.indexOf(suspicion.leaves) >= STEPS.indexOf(before.leaves));
        if (suspicion.isExcused) excused++;
      }
      assert.ok(excused <= (policy === SKIP ? 1 : 2) + (hadCompany ? 3 : 0));
    }),
  );
});

test('a message is the reason after three connections on which it was alone, with others that got through in between, or ten in a row', () => {
  const often = { weight: 5, arbitrary: fc.constant(cut(false, 'maybe')) };
  const mostlyAlone = fc.oneof({ weight: 1, arbitrary: oneCut }, often);
  const step = fc.tuple(
    mostlyAlone,
    fc.constantFrom(0, 0, 0, 0, 1),
    fc.constantFrom(true, true, true, false),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30, size: 'max' }), (all) => {
      let suspicion = UNSUSPECTED;
      let [delivered, alone, since, inARow] = [5, 0, 0, 0];
      for (const [one, others, isOnly] of all) {
        delivered += others;
        since += others;
        const isAlone = !one.isShared && one.isForOne !== 'no';
        suspicion = afterCut(suspicion, one, RETRY, delivered, isOnly, true);
        inARow = isAlone && (alone === 0 || isOnly) ? inARow + 1 : 0;
        if (isAlone && (alone === 0 || (isOnly && since > 0))) [alone, since] = [alone + 1, 0];
        assert.equal(isCulprit(suspicion, 10_000), alone >= 3 || inARow >= 10);
      }
    }),
    { numRuns: 1000 },
  );
});

test('of the connections that are lost with a message alone, each further one counts only when others got through since the last', () => {
  const rows: readonly (readonly [readonly number[], boolean])[] = [
    [[5, 6, 7], true],
    [[5, 5, 6, 6, 7], true],
    [[9, 9, 9, 9, 9, 9], false],
    [[5, 9, 9, 9, 9, 9], false],
    [[5, 5, 9, 9, 9, 9], false],
  ];
  for (const before of [UNSUSPECTED, afterCut(UNSUSPECTED, cut(true, 'maybe'), RETRY, 5, true, true)])
    for (const [gotThrough, expected] of rows) {
      const last = gotThrough.reduce(
        (one, delivered) => afterCut(one, cut(false, 'maybe'), RETRY, delivered, true, false),
        before,
      );
      assert.equal(isCulprit(last, 10_000), expected, `${gotThrough}`);
    }
});

test('a broker that takes nothing for a while makes no message the reason, whatever got through before, or in a lull, unless nothing else is lost', () => {
  const alone = cut(false, 'maybe');
  const shared = afterCut(UNSUSPECTED, cut(true, 'maybe'), RETRY, 5, true, true);
  for (const [isOnly, losses] of [
    [false, 50],
    [true, 4],
  ] as const) {
    const outage = (before: Suspicion, delivered: number) =>
      Array.from({ length: losses }).reduce(
        (one: Suspicion) => afterCut(one, alone, RETRY, delivered, isOnly, false),
        before,
      );
    assert.equal(isCulprit(outage(shared, 9), 10_000), false);
    assert.equal(isCulprit(outage(outage(shared, 9), 12), 10_000), false);
  }
});

test('ten in a row are not the end within seconds', () => {
  const often = { ...UNSUSPECTED, alone: 1, inARow: 30 };
  assert.deepEqual([isCulprit(often, 9999), isCulprit(often, 10_000)], [false, true]);
});

test('what is given up as the reason is rejected, with what was seen', () => {
  const closed = { delivered: false, failureClass: FailureClass.DISCONNECTED, reason: 'closed' } as const;
  const { failureClass, reason } = culpritFailure(closed, { ...UNSUSPECTED, alone: 3 });
  assert.equal(failureClass, FailureClass.REJECTED);
  assert.match(reason, /lost 3 times with this message alone on it, while others got through: closed$/);
  const last = culpritFailure(closed, { ...UNSUSPECTED, alone: 1, inARow: 10 });
  assert.match(last.reason, /lost 10 times in a row with this message alone on it: closed$/);
});
