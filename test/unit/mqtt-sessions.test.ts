import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Received } from '../../src/ingress/listener/received.ts';
import { MAX_SESSION_EXPIRY } from '../../src/ingress/listener/session-expiry.ts';
import { Sessions, sessionMemory } from '../../src/ingress/listener/sessions.ts';
import type { Will } from '../../src/ingress/listener/wills.ts';
import { ManualClock } from '../helpers/manual-clock.ts';
import { FakeNotes } from '../helpers/mqtt-listener.ts';

const LOST = { expiry: 60, will: undefined, isOurs: false };
const MESSAGE = { topicName: 't', payload: Buffer.alloc(100), qos: 1, retain: false, userProperties: [] };

function newSessions(maxOffline: number, maxBytes = 1e6) {
  const clock = new ManualClock();
  const notes = new FakeNotes();
  let forgotten = 0;
  const wills: string[] = [];
  const tell = (what: string) => (will: Will) => wills.push(`${what} ${will.message.clientId}`);
  const sessions = new Sessions(
    { maxOffline, maxBytes },
    {
      clock,
      notes,
      wills: { publish: tell('publish'), keep: tell('keep'), takeBack: () => {}, back: () => {} },
      onForgotten: () => forgotten++,
    },
  );
  const visit = (
    clientId: string,
    isClean = false,
    expiry = 60,
    delay?: number,
    origin = 'here',
    size = 100,
  ) => {
    const owner = { origin, takenOver: () => {} };
    const opened = sessions.open(clientId, isClean, owner);
    const will =
      delay === undefined
        ? undefined
        : { delay, message: { ...MESSAGE, payload: Buffer.alloc(size), clientId } };
    sessions.close(clientId, owner, { expiry, will, isOurs: false });
    return opened;
  };
  return { clock, sessions, notes, visit, wills, forgotten: () => forgotten };
}

test('a session is found again with what it holds, unless the client wants a clean one', () => {
  const { visit } = newSessions(10);
  const first = visit('a');
  first.session.received.set(1, 'stored');
  const second = visit('a');
  assert.deepEqual([first.isPresent, second.isPresent], [false, true]);
  assert.equal(second.session, first.session);
  assert.equal(visit('a', true).session.received.size, 0);
});

test('a session ends with its connection when it has no expiry, and after an hour at the latest', () => {
  const { clock, visit } = newSessions(10);
  visit('a', false, 0);
  assert.equal(visit('a', false, 0xffff_ffff).isPresent, false);
  clock.advance(MAX_SESSION_EXPIRY * 1000 - 1);
  assert.equal(visit('a', false, 0xffff_ffff).isPresent, true);
  clock.advance(MAX_SESSION_EXPIRY * 1000);
  assert.equal(visit('a').isPresent, false);
});

test('beyond the bound the session that is gone the longest is forgotten, and counted; expired ones do not count', () => {
  const { clock, visit, forgotten } = newSessions(2);
  for (const clientId of ['a', 'b', 'a', 'c']) visit(clientId);
  assert.equal(forgotten(), 1);
  assert.deepEqual([visit('b').isPresent, forgotten()], [false, 2]);
  clock.advance(60_000);
  visit('d');
  visit('e');
  assert.equal(forgotten(), 2);
});

test('the connection that lost its client id does not end the session of the one that has it', () => {
  const { sessions } = newSessions(2);
  const first = { origin: 'here', takenOver: () => sessions.close('a', first, LOST) };
  const second = { origin: 'here', takenOver: () => {} };
  const { session } = sessions.open('a', false, first);
  const opened = sessions.open('a', false, second);
  assert.deepEqual([opened.isPresent, opened.session === session], [true, true]);
  sessions.close('a', first, LOST);
  assert.equal(sessions.isOnline('a'), true);
  assert.equal(sessions.online, 1);
});

test('sessions have a bound in bytes, with the packet identifiers that they may come to hold', () => {
  const one = sessionMemory('a', { received: new Received(), noted: new Map() });
  const { sessions, visit, forgotten } = newSessions(10, 8192 + 2.5 * one);
  const owner = { origin: 'here', takenOver: () => {} };
  const { session } = sessions.open('a', false, owner);
  for (let id = 1; id <= 200; id++) session.received.set(id, { stored: Promise.resolve(1) });
  sessions.close('a', owner, LOST);
  visit('b');
  assert.equal(forgotten(), 0);
  visit('c');
  assert.equal(forgotten(), 1);
  assert.deepEqual([visit('b').isPresent, visit('c').isPresent, visit('a').isPresent], [true, true, false]);
});

test('a will waits for its delay or for the end of the session, whichever is first', () => {
  const { clock, visit, wills } = newSessions(10);
  visit('no session', false, 0, 10);
  visit('no delay', false, 60, 0);
  assert.deepEqual(wills.splice(0), ['publish no session', 'publish no delay']);
  visit('delay', false, 60, 10);
  visit('expiry', false, 5, 10);
  clock.advance(4999);
  assert.deepEqual(wills, []);
  clock.advance(5001);
  assert.deepEqual(wills, ['publish expiry', 'publish delay']);
  clock.advance(60_000);
  visit('another');
  assert.equal(wills.length, 2);
});

test('a client that is back within the delay has no will; with a clean start its session has ended, so the will is due', () => {
  const { clock, visit, wills } = newSessions(10);
  visit('back', false, 60, 10);
  visit('clean', false, 60, 10);
  clock.advance(9999);
  assert.equal(visit('back').isPresent, true);
  assert.deepEqual(wills, []);
  visit('clean', true);
  assert.deepEqual(wills.splice(0), ['publish clean']);
  clock.advance(60_000);
  assert.deepEqual(wills, []);
});

test('the will of a session that is forgotten to make room is due, and all are when the node stops', () => {
  const { clock, sessions, visit, wills } = newSessions(1);
  visit('a', false, 60, 10);
  visit('b', false, 60, 10);
  assert.deepEqual(wills, ['publish a']);
  sessions.endOffline();
  clock.advance(60_000);
  assert.deepEqual(wills, ['publish a', 'publish b']);
});

test('a will that was due, or is void, takes no room from the sessions', () => {
  const { clock, visit, wills, forgotten } = newSessions(10, 8192);
  for (let i = 0; i < 50; i++) {
    visit('due', false, 60, 10);
    visit('void', false, 60, 20);
    clock.advance(15_000);
  }
  assert.equal(wills.length, 50);
  assert.equal(forgotten(), 0);
});

test('a takeover keeps the session, and with it a will that is delayed', () => {
  const { clock, sessions, wills } = newSessions(10);
  const takeOver = (delay: number, isClean: boolean) => {
    const message = { ...MESSAGE, clientId: 'a' };
    const owner = {
      origin: 'here',
      takenOver: () => sessions.close('a', owner, { expiry: 60, will: { delay, message }, isOurs: false }),
    };
    sessions.open('a', isClean, owner);
  };
  takeOver(10, false);
  takeOver(0, false);
  assert.deepEqual(wills, []);
  takeOver(10, false);
  assert.deepEqual(wills.splice(0), ['publish a']);
  takeOver(10, true);
  assert.deepEqual(wills.splice(0), ['publish a']);
  clock.advance(60_000);
  assert.deepEqual(wills, []);
});

test('when it was us who ended the connection, a will without a delay is kept for a while', () => {
  const { sessions, wills } = newSessions(10);
  const owner = { origin: 'here', takenOver: () => {} };
  sessions.open('a', true, owner);
  const will = { delay: 0, message: { ...MESSAGE, clientId: 'a' } };
  sessions.close('a', owner, { expiry: 0, will, isOurs: true });
  assert.deepEqual(wills, ['keep a']);
});

test('strangers push out their own sessions, however many client ids they have, and not those from elsewhere', () => {
  const { visit, forgotten } = newSessions(10);
  for (const clientId of ['a', 'b']) visit(clientId, false, 60, undefined, '10.0.0.1');
  for (let i = 0; i < 10_000; i++) visit(`stranger ${i}`, false, 60, undefined, '10.0.0.2');
  assert.equal(forgotten(), 10_002 - 10);
  assert.deepEqual([visit('a').isPresent, visit('b').isPresent], [true, true]);
  assert.deepEqual([visit('stranger 9999').isPresent, visit('stranger 0').isPresent], [true, false]);
});

test('where bytes are scarce, the sessions go from where there are the most bytes', () => {
  const one = sessionMemory('a', { received: new Received(), noted: new Map() });
  const { visit } = newSessions(100, 10 * one);
  for (let i = 0; i < 5; i++) visit(`a${i}`, false, 60, undefined, 'many small ones');
  for (const i of [0, 1, 2]) visit(`${i}${'x'.repeat(one)}`, false, 60, undefined, 'few large ones');
  for (let i = 0; i < 5; i++) assert.equal(visit(`a${i}`).isPresent, true);
});

test('a will that is published takes no bytes any more, also of those from where its client is', () => {
  const one = sessionMemory('a', { received: new Received(), noted: new Map() });
  const { clock, visit, forgotten } = newSessions(100, 10 * one);
  visit('quiet', false, 60, 1, 'home', 5 * one);
  clock.advance(1000);
  for (let i = 0; i < 9; i++) visit(`a${i}`, false, 60, undefined, 'elsewhere');
  for (let i = 0; i < 3; i++) visit(`b${i}`, false, 60, undefined, 'a third place');
  assert.ok(forgotten() > 0);
  assert.equal(visit('quiet', false, 60, undefined, 'home').isPresent, true);
});
