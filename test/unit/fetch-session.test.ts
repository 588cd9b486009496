import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchSession } from '../../src/bus/kafka/fetch-session.ts';
import { PartitionFeed } from '../../src/bus/kafka/partition-feed.ts';

const owner = { changed() {}, end: async () => 0 };
const feed = (topic: string, from = 0) =>
  new PartitionFeed({ topic, partition: 0, from, take: () => true }, owner);

const fetched = new WeakMap<FetchSession, Set<PartitionFeed>>();

/** The next request, for these feeds and no others. */
function next(session: FetchSession, feeds: readonly PartitionFeed[]) {
  for (const one of fetched.get(session) ?? []) if (!feeds.includes(one)) session.leaveOut(one);
  for (const one of feeds) session.fetch(one);
  fetched.set(session, new Set(feeds));
  return session.next();
}

function told({ sessionId, sessionEpoch, partitions, forgotten }: ReturnType<FetchSession['next']>) {
  const names = (feeds: readonly { topic: string }[]) => feeds.map(({ topic }) => topic).join();
  return [sessionId, sessionEpoch, names(partitions), names(forgotten)];
}

test('a session is told what is new, what moved, and what it is to leave out', () => {
  const session = new FetchSession();
  const [a, b, c] = [feed('a'), feed('b'), feed('c')];
  assert.deepEqual(told(next(session, [a, b])), [0, 0, 'a,b', '']);
  session.answered(77);
  assert.deepEqual(told(next(session, [a, b])), [77, 1, '', '']);
  session.answered(77);
  a.position = 5;
  assert.deepEqual(told(next(session, [a, c])), [77, 2, 'a,c', 'b']);
  session.answered(77);
  assert.deepEqual(told(next(session, [a, b, c])), [77, 3, 'b', '']);
});

test('a feed that takes the place of another one of its partition is fetched', () => {
  const session = new FetchSession();
  next(session, [feed('a', 5), feed('b')]);
  session.answered(77);
  assert.deepEqual(told(next(session, [feed('a', 3), feed('b')])), [77, 1, 'a', '']);
  session.answered(77);
  assert.deepEqual(told(next(session, [feed('a', 3), feed('b')])), [77, 2, '', ''], 'nothing is left out');
});

test('a partition of which a new feed begins is named again', () => {
  const session = new FetchSession();
  next(session, [feed('a'), feed('b')]);
  session.answered(77);
  session.nameAnew(feed('a'));
  session.nameAnew(feed('b'));
  session.nameAnew(feed('c'));
  assert.deepEqual(told(next(session, [feed('a')])), [77, 1, 'a', 'b']);
});

test('a node that keeps no session, or has forgotten it, is told everything', () => {
  const session = new FetchSession();
  const [a, b] = [feed('a'), feed('b')];
  next(session, [a, b]);
  session.answered(0);
  assert.deepEqual(told(next(session, [a, b])), [0, 0, 'a,b', '']);
  session.answered(5);
  next(session, [a, b]);
  session.reset();
  assert.deepEqual(told(next(session, [b])), [0, 0, 'b', '']);
});

test('what another node was told counts for nothing here', () => {
  const [one, other] = [new FetchSession(), new FetchSession()];
  const [a, b] = [feed('a', 5), feed('b', 5)];
  next(one, [a]);
  one.answered(1);
  next(other, [b]);
  other.answered(2);
  assert.deepEqual(told(next(other, [a, b])), [2, 1, 'a', '']);
});

test('what is quiet is not looked at, however much it is', () => {
  const session = new FetchSession();
  const quiet = Array.from({ length: 10_000 }, (_, i) => feed(`t${i}`));
  let looks = 0;
  for (const one of quiet) {
    const { position } = one;
    Object.defineProperty(one, 'position', {
      get() {
        looks++;
        return position;
      },
    });
    session.fetch(one);
  }
  const first = session.next();
  assert.equal(first.partitions.length, quiet.length);
  session.answered(77);
  looks = 0;
  const moved = feed('moved');
  session.fetch(moved);
  for (let i = 0; i < 100; i++) {
    session.next();
    session.answered(77);
    moved.position++;
    session.fetch(moved);
  }
  assert.equal(looks, 0);
  session.leaveOut(quiet[3]!);
  assert.deepEqual(told(session.next()), [77, 101, 'moved', 't3']);
});
