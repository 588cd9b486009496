import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  leaseEnd,
  type MemberState,
  type News,
  NOBODY,
  REBALANCE,
  SESSION,
  stateAfter,
} from '../../src/bus/kafka/member-state.ts';

const MARGIN = 2000;
const after = (...news: readonly News[]): MemberState => news.reduce(stateAfter, NOBODY as MemberState);
const accepted = (generation: number): News => ({ kind: 'accepted', memberId: 'm', generation });
const told = (kind: 'assigned' | 'alive' | 'rebalancing', sent: number): News => ({
  kind,
  memberId: 'm',
  sent,
});

test('with each generation Kafka waits anew, from when it was last heard', () => {
  const joins: readonly News[] = [
    accepted(1),
    told('assigned', 0),
    told('rebalancing', 7000),
    { kind: 'joins' },
  ];
  assert.equal(
    leaseEnd(after(...joins)),
    REBALANCE - MARGIN,
    'it still waits for what it asked for at first',
  );
  assert.equal(leaseEnd(after(...joins, accepted(2))), 7000 + SESSION - MARGIN);
  assert.equal(leaseEnd(after(...joins, accepted(1))), REBALANCE - MARGIN, 'it is the same generation');
});

test('an answer that comes late takes nothing of the lease that a later one has given', () => {
  const joined = after(accepted(1), told('assigned', 0), told('alive', 3000));
  assert.equal(leaseEnd(stateAfter(joined, told('alive', 1000))), leaseEnd(joined));
});
