import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cost, Passwords } from '../../src/control-plane/access/passwords.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';

const never = new AbortController().signal;
const OWASP: Cost = { ln: 15, r: 8, p: 3 };

test('a password matches its hash alone, which has a salt of its own', async () => {
  const passwords = new Passwords(systemClock);
  const stored = await passwords.hash('correct horse battery', never);
  assert.match(stored, /^\$scrypt\$ln=15,r=8,p=3\$[\w+/]{22}\$[\w+/]{43}$/);
  assert.notEqual(await passwords.hash('correct horse battery', never), stored);
  assert.equal(await passwords.matches('correct horse battery', stored, 'stranger', never), true);
  assert.equal(await passwords.matches('correct horse batterY', stored, 'stranger', never), false);
  assert.equal(await passwords.matches('correct horse battery', undefined, 'stranger', never), false);
});

test('letters that are written in two ways are the same', async () => {
  const passwords = new Passwords(systemClock);
  const stored = await passwords.hash('caf\u00e9 caf\u00e9 caf\u00e9', never);
  assert.equal(await passwords.matches('cafe\u0301 cafe\u0301 cafe\u0301', stored, 'stranger', never), true);
});

test('without a hash to compare with the work is the same; with an old one it is what that was made by', async () => {
  const costs: Cost[] = [];
  const passwords = new Passwords(systemClock, async (_password, _salt, cost) => {
    costs.push(cost);
    return Buffer.alloc(32);
  });
  await passwords.matches('x', undefined, 'stranger', never);
  const old = `$scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
  assert.equal(await passwords.matches('x', old, 'stranger', never), true);
  assert.deepEqual(costs, [OWASP, { ln: 14, r: 8, p: 1 }]);
  await assert.rejects(passwords.matches('x', 'x', 'stranger', never), /broken/);
});

test('two are hashed at a time, eighteen of strangers may wait, and others are refused at once', async () => {
  const ends: (() => void)[] = [];
  const passwords = new Passwords(systemClock, async () => {
    await new Promise<void>((resolve) => ends.push(resolve));
    return Buffer.alloc(32);
  });
  const all = Array.from({ length: 20 }, () => passwords.matches('x', undefined, 'stranger', never));
  const { reason } = await rpcRejection(() => passwords.matches('x', undefined, 'stranger', never));
  assert.equal(reason, 'LOGINS_BUSY');
  for (let i = 0; i < 20; i++) {
    assert.ok(ends.length <= i + 2, 'no more than two at a time');
    ends[i]!();
    await all[i];
  }
  const again = passwords.matches('x', undefined, 'stranger', never);
  await new Promise(setImmediate);
  ends[20]!();
  assert.equal(await again, false);
});

test('strangers take no place of those who logged in from where they are before, or set a password', async () => {
  const ends: (() => void)[] = [];
  const passwords = new Passwords(systemClock, async () => {
    await new Promise<void>((resolve) => ends.push(resolve));
    return Buffer.alloc(32);
  });
  const strangers = Array.from({ length: 20 }, () => passwords.matches('x', undefined, 'stranger', never));
  await assert.rejects(passwords.matches('x', undefined, 'stranger', never), /too many log in/);
  const known = [
    passwords.hash('correct horse battery', never),
    ...Array.from({ length: 19 }, () => passwords.matches('x', undefined, 'known', never)),
  ];
  await assert.rejects(passwords.matches('x', undefined, 'known', never), /too many log in/);
  for (const [i, one] of [...strangers, ...known].entries()) {
    ends[i]!();
    await one;
  }
});
