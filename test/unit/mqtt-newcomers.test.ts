import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Newcomers } from '../../src/ingress/listener/newcomers.ts';
import { Occasional } from '../../src/ingress/listener/occasional.ts';
import { originOf } from '../../src/ingress/listener/origins.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

test('of too many that are not connected the oldest goes, from where there are the most', () => {
  const newcomers = new Newcomers(4);
  const gone: string[] = [];
  const come = (name: string, origin: string) => {
    const newcomer = { origin, crowdOut: () => gone.push(name) };
    newcomers.add(newcomer);
    return newcomer;
  };
  const a = come('a', 'one');
  for (const name of ['b', 'c', 'd']) come(name, 'many');
  assert.deepEqual(gone, []);
  come('e', 'many');
  come('f', 'another');
  assert.deepEqual(gone, ['b', 'c']);
  newcomers.delete(a);
  come('g', 'many');
  assert.deepEqual(gone, ['b', 'c']);
  come('h', 'one');
  assert.deepEqual(gone, ['b', 'c', 'd']);
});

test('where an address belongs to', () => {
  assert.equal(originOf('10.0.0.1'), '10.0.0.1');
  assert.equal(originOf('::ffff:10.0.0.1'), '10.0.0.1');
  assert.equal(originOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2');
  assert.equal(originOf('2001:db8::5'), originOf('2001:db8::1:2:3:4'));
  assert.equal(originOf('::1'), '0:0:0:0');
  assert.equal(originOf('fe80::1%eth0'), 'fe80:0:0:0');
  assert.equal(originOf(undefined), 'unknown');
});

test('what happens often is told at once, then once a minute with how often it did', () => {
  const clock = new ManualClock();
  const told: number[] = [];
  const occasional = new Occasional(clock, (times) => told.push(times));
  for (let i = 0; i < 1000; i++) occasional.happened();
  assert.deepEqual(told, [1]);
  clock.advance(60_000);
  assert.deepEqual(told, [1, 999]);
  clock.advance(60_000);
  occasional.happened();
  assert.deepEqual(told, [1, 999, 1]);
  clock.advance(600_000);
  assert.equal(clock.timers, 0);
});
