import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchSession } from '../../src/bus/kafka/fetch-session.ts';
import { PartitionFeed } from '../../src/bus/kafka/partition-feed.ts';

const owner = { changed() {}, end: async () => 0 };
const feed = (topic: string, from = 0) =>
  new PartitionFeed({ topic, partition: 0, from, take: () => true }, owner);

function told({ sessionId, sessionEpoch, partitions, forgotten }: ReturnType<FetchSession['next']>) {
  const names = (feeds: readonly { topic: string }[]) => feeds.map(({ topic }) => topic).join();
  return [sessionId, sessionEpoch, names(partitions), names(forgotten)];
}

test('a session is told what is new, what moved, and what it is to leave out', () => {
  const session = new FetchSession();
  const [a, b, c] = [feed('a'), feed('b'), feed('c')];
  assert.deepEqual(told(session.next([a, b])), [0, 0, 'a,b', '']);
  session.answered(77);
  assert.deepEqual(told(session.next([a, b])), [77, 1, '', '']);
  session.answered(77);
  a.position = 5;
  assert.deepEqual(told(session.next([a, c])), [77, 2, 'a,c', 'b']);
  session.answered(77);
  assert.deepEqual(told(session.next([a, b, c])), [77, 3, 'b', '']);
});

test('a feed that takes the place of another one of its partition is fetched', () => {
  const session = new FetchSession();
  session.next([feed('a', 5), feed('b')]);
  session.answered(77);
  assert.deepEqual(told(session.next([feed('a', 3), feed('b')])), [77, 1, 'a', '']);
  session.answered(77);
  assert.deepEqual(told(session.next([feed('a', 3), feed('b')])), [77, 2, '', ''], 'nothing is left out');
});

test('a partition of which a new feed begins is named again', () => {
  const session = new FetchSession();
  session.next([feed('a'), feed('b')]);
  session.answered(77);
  session.nameAnew(feed('a'));
  session.nameAnew(feed('b'));
  session.nameAnew(feed('c'));
  assert.deepEqual(told(session.next([feed('a')])), [77, 1, 'a', 'b']);
});

test('a node that keeps no session, or has forgotten it, is told everything', () => {
  const session = new FetchSession();
  const [a, b] = [feed('a'), feed('b')];
  session.next([a, b]);
  session.answered(0);
  assert.deepEqual(told(session.next([a, b])), [0, 0, 'a,b', '']);
  session.answered(5);
  session.next([a, b]);
  session.reset();
  assert.deepEqual(told(session.next([b])), [0, 0, 'b', '']);
});

test('what another node was told counts for nothing here', () => {
  const [one, other] = [new FetchSession(), new FetchSession()];
  const [a, b] = [feed('a', 5), feed('b', 5)];
  one.next([a]);
  one.answered(1);
  other.next([b]);
  other.answered(2);
  assert.deepEqual(told(other.next([a, b])), [2, 1, 'a', '']);
});
