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
  cuts.reduce((before: Suspicion, one) => afterCut(before, one, policy, delivered), UNSUSPECTED);

test('a message leaves apart after two lost connections, at once where it has one try or was alone, or the code says so', () => {
  const rows: readonly (readonly [readonly Cut[], typeof RETRY | typeof SKIP, boolean])[] = [
    [[cut(true, 'maybe')], RETRY, false],
    [[cut(true, 'maybe'), cut(true, 'maybe')], RETRY, true],
    [[cut(true, 'no'), cut(true, 'no')], RETRY, true],
    [[cut(true, 'maybe')], SKIP, true],
    [[cut(true, 'no')], SKIP, true],
    [[cut(true, 'surely')], RETRY, true],
    [[cut(false, 'maybe')], RETRY, true],
    [[cut(false, 'no')], RETRY, false],
  ];
  for (const [cuts, policy, isApart] of rows)
    assert.equal(after(cuts, policy).isApart, isApart, JSON.stringify(cuts));
});

const cuts = fc.array(
  fc.record({ isShared: fc.boolean(), isForOne: fc.constantFrom('surely', 'maybe', 'no') }),
  {
    maxLength: 10,
  },
) as fc.Arbitrary<Cut[]>;

test('no lost connection is a try before the message leaves apart, and each is then; it does so soon, and for good', () => {
  fc.assert(
    fc.property(cuts, fc.constantFrom(RETRY, SKIP), (all, policy) => {
      let suspicion = UNSUSPECTED;
      let excused = 0;
      for (const one of all) {
        const before = suspicion;
        suspicion = afterCut(before, one, policy, 0);
        assert.equal(suspicion.isExcused, !before.isApart);
        assert.ok(suspicion.isApart || !before.isApart);
        if (suspicion.isExcused) excused++;
      }
      assert.ok(excused <= (policy === SKIP ? 1 : 2));
    }),
  );
});

test('a message is the reason after three connections on which it was alone, and only if others got through', () => {
  fc.assert(
    fc.property(cuts, fc.nat(3), (all, others) => {
      const suspicion = after(all, RETRY, 5);
      let [isApart, alone] = [false, 0];
      for (const [i, one] of all.entries()) {
        if ((isApart || !one.isShared) && one.isForOne !== 'no') alone++;
        isApart = after(all.slice(0, i + 1)).isApart;
      }
      assert.equal(isCulprit(suspicion, 5 + others), alone >= 3 && others > 0);
    }),
  );
  const [first, ...more] = Array.from({ length: 3 }, () => cut(false, 'maybe'));
  const suspicion = more.reduce(
    (before, one, i) => afterCut(before, one, RETRY, 6 + i),
    afterCut(UNSUSPECTED, first!, RETRY, 5),
  );
  assert.deepEqual([isCulprit(suspicion, 5), isCulprit(suspicion, 6)], [false, true], 'since the first one');
});

test('what is given up as the reason is rejected, with what was seen', () => {
  const closed = { delivered: false, failureClass: FailureClass.DISCONNECTED, reason: 'closed' } as const;
  const { failureClass, reason } = culpritFailure(closed);
  assert.equal(failureClass, FailureClass.REJECTED);
  assert.match(reason, /alone was on the connection the last 3 times .* others got through: closed$/);
});
