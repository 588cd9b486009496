import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_SESSION_EXPIRY, Sessions } from '../../src/ingress/listener/sessions.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

function newSessions(maxOffline: number) {
  const clock = new ManualClock();
  let forgotten = 0;
  const sessions = new Sessions(maxOffline, { clock, onForgotten: () => forgotten++ });
  const visit = (clientId: string, isClean = false, expiry = 60) => {
    const owner = { takenOver: () => {} };
    const opened = sessions.open(clientId, isClean, owner);
    sessions.close(clientId, owner, expiry);
    return opened;
  };
  return { clock, sessions, visit, forgotten: () => forgotten };
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
  const first = { takenOver: () => sessions.close('a', first, 60) };
  const second = { takenOver: () => {} };
  const { session } = sessions.open('a', false, first);
  const opened = sessions.open('a', false, second);
  assert.deepEqual([opened.isPresent, opened.session === session], [true, true]);
  sessions.close('a', first, 60);
  assert.equal(sessions.isOnline('a'), true);
  assert.equal(sessions.online, 1);
});
