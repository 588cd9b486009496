import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claim, CommittedOffset } from '../../src/bus/bus.ts';
import { Claims } from '../../src/bus/kafka/claims.ts';
import { testDeps } from '../helpers/test-deps.ts';

const OFFSETS: readonly CommittedOffset[] = [{ topic: 'm', partition: 0, offset: 1, tag: '' }];

/** The claims of a member whose commits wait until they are let go; `letGo` ends what is being lost. */
function world() {
  const state = {
    member: 'm1',
    hasLease: true,
    gained: [] as Claim[],
    lost: [] as Claim[],
    released: 0,
    committed: 0,
    letGo: () => {},
  };
  const claims = new Claims({
    logger: testDeps().logger,
    memberId: () => state.member,
    holdsLease: () => state.hasLease,
    async commit(_offsets, isOver) {
      await Promise.resolve();
      if (isOver()) throw new Error('lost meanwhile');
      state.committed++;
    },
    onGained: (claim) => state.gained.push(claim),
    onLost(claim) {
      state.lost.push(claim);
      return new Promise((resolve) => {
        state.letGo = resolve;
      });
    },
    released: () => {
      state.released++;
    },
  });
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { claims, state, settled };
}

test('a claim that is forfeited is over for good, also when the lease is back', async () => {
  const { claims, state, settled } = world();
  claims.assign(['t/0']);
  const claim = state.gained[0]!;
  assert.ok(claim.isHeld());
  state.hasLease = false;
  assert.ok(!claim.isHeld());
  const underWay = claim.commit(OFFSETS);
  claims.forfeit();
  state.hasLease = true;
  state.member = 'm2';
  assert.deepEqual([claim.isHeld(), claim.isOver, claims.names], [false, true, []]);
  await assert.rejects(underWay, /lost meanwhile/);
  await assert.rejects(claim.commit(OFFSETS), /t is lost/);
  assert.deepEqual(state.lost, [claim]);
  claims.assign(['t/0']);
  const another = state.gained[1]!;
  assert.deepEqual([another.member, another.isHeld()], ['m2', true]);
  state.letGo();
  await settled();
  assert.deepEqual([another.isHeld(), claim.isHeld(), state.released], [true, false, 0]);
  assert.equal(state.committed, 0);
});

test('what is given back is held until it is let go of, and told then', async () => {
  const { claims, state, settled } = world();
  claims.assign(['t/0', 't/1']);
  const claim = state.gained[0]!;
  claims.assign(['t/1']);
  assert.deepEqual([claim.isHeld(), claims.names.length], [true, 2]);
  await claim.commit(OFFSETS);
  claims.assign(['t/1']);
  assert.equal(state.lost.length, 1, 'told once');
  state.letGo();
  await settled();
  assert.deepEqual([claim.isOver, claims.names, state.released], [true, ['t/1'], 1]);
  await assert.rejects(claim.commit(OFFSETS), /t is lost/);
});

test('what is assigned again while it is being given back is gained anew, after that', async () => {
  const { claims, state, settled } = world();
  claims.assign(['t/0']);
  const claim = state.gained[0]!;
  claims.assign([]);
  claims.assign(['t/0']);
  assert.equal(state.gained.length, 1);
  state.letGo();
  await settled();
  assert.deepEqual([claim.isOver, state.gained.length, state.gained[1]?.isHeld()], [true, 2, true]);
  assert.equal(state.released, 0, 'the group need not know');
});

test('what is forfeited while it is being given back is over at once, and lost once', async () => {
  const { claims, state, settled } = world();
  claims.assign(['t/0']);
  const claim = state.gained[0]!;
  claims.assign([]);
  claims.forfeit();
  assert.equal(claim.isOver, true);
  state.letGo();
  await settled();
  assert.deepEqual([state.lost.length, state.released], [1, 0]);
});
