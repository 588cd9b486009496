import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { type CommitContext, Commits } from '../../src/bus/kafka/commits.ts';
import { parseMetadata } from '../../src/bus/offset-metadata.ts';
import type { Broker, Exchange } from '../../src/kafkajs/cluster.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { testDeps } from '../helpers/test-deps.ts';

const REBALANCE_IN_PROGRESS = 27;
const UNKNOWN_MEMBER_ID = 25;
const OFFSET_METADATA_TOO_LARGE = 12;
const INVALID_COMMIT_OFFSET_SIZE = 28;

/** A coordinator whose answers are told. */
function world() {
  const clock = new FakeClock();
  const state = {
    clock,
    /** What Kafka says to every partition of a request; undefined: it never answers. */
    code: 0 as number | undefined,
    /** How often it was asked. */
    requests: 0,
    /** The offset in each request. */
    offsets: [] as number[],
    /** Until then it does not answer. */
    slow: Promise.resolve(),
    context: Promise.resolve(),
    isOver: false,
  };
  const send = async (exchange: Exchange<unknown>) => {
    state.requests++;
    for (const { offset } of await sentIn(exchange)) state.offsets.push(offset);
    await state.slow;
    const partitions = [{ partition: 0, errorCode: state.code }];
    if (state.code === undefined) return await new Promise(() => {});
    return { responses: [{ topic: 't', partitions }] };
  };
  const coordinator = { connectionPool: { getConnection: async () => ({ send }) } } as unknown as Broker;
  const commits = new Commits({
    ...testDeps(),
    clock,
    async context(): Promise<CommitContext> {
      await state.context;
      return { groupId: 'g', groupGenerationId: 1, memberId: 'm', coordinator };
    },
  });
  /** What becomes of a commit. */
  const commit = (offset: number) => {
    const outcome = { text: 'waits' };
    commits
      .commit([{ topic: 't', partition: 0, offset, tag: '' }], () => state.isOver)
      .then(
        () => Object.assign(outcome, { text: 'committed' }),
        (error: Error) => Object.assign(outcome, { text: error.message }),
      );
    return outcome;
  };
  return Object.assign(state, { commit });
}

test('a commit waits for the end of a rebalance', async () => {
  const kafka = world();
  kafka.code = REBALANCE_IN_PROGRESS;
  const outcome = kafka.commit(1);
  await kafka.clock.advance(6000);
  assert.equal(outcome.text, 'waits');
  kafka.code = 0;
  await kafka.clock.advance(100);
  assert.equal(outcome.text, 'committed');
  const { requests } = kafka;
  await kafka.clock.advance(10_000);
  assert.equal(kafka.requests, requests);
});

test('a rebalance that does not end is not waited for for ever, and then nothing is sent any more', async () => {
  const kafka = world();
  kafka.code = REBALANCE_IN_PROGRESS;
  const outcome = kafka.commit(1);
  await kafka.clock.advance(9000);
  assert.match(outcome.text, /Kafka refused the commit of t: 27/);
  const { requests } = kafka;
  kafka.code = 0;
  await kafka.clock.advance(10_000);
  assert.equal(kafka.requests, requests);
});

test('what Kafka refuses for good is rejected at once', async () => {
  const kafka = world();
  kafka.code = UNKNOWN_MEMBER_ID;
  const outcome = kafka.commit(1);
  await kafka.clock.advance(1);
  assert.match(outcome.text, /refused/);
});

test('a coordinator that does not answer fails what was asked, and nothing of it is sent later', async () => {
  const kafka = world();
  kafka.code = undefined;
  const lost = kafka.commit(1);
  await kafka.clock.advance(3100);
  assert.match(lost.text, /no answer within 3000 ms/);
  kafka.code = 0;
  const next = kafka.commit(2);
  await kafka.clock.advance(10);
  assert.deepEqual([next.text, kafka.requests], ['committed', 2]);
});

test('what was given up while the coordinator was looked for is not sent once it is found', async () => {
  const kafka = world();
  const found = Promise.withResolvers<void>();
  kafka.context = found.promise;
  const late = kafka.commit(1);
  await kafka.clock.advance(3100);
  assert.match(late.text, /no answer/);
  found.resolve();
  await kafka.clock.advance(100);
  assert.equal(kafka.requests, 0);
});

test('a partition that was lost while the coordinator was looked for is not committed', async () => {
  const kafka = world();
  const found = Promise.withResolvers<void>();
  kafka.context = found.promise;
  const lost = kafka.commit(1);
  await kafka.clock.advance(100);
  kafka.isOver = true;
  found.resolve();
  await kafka.clock.advance(10);
  assert.match(lost.text, /the partition is lost/);
  assert.equal(kafka.requests, 0);
});

interface Sent {
  readonly partition: number;
  readonly offset: number;
  readonly tag: string;
  readonly isAhead: boolean;
  readonly length: number;
}

interface RequestDecoder {
  readString(): string;
  readInt32(): number;
  readInt64(): bigint;
  readArray<T>(read: (decoder: RequestDecoder) => T): T[];
}

const Decoder = createRequire(import.meta.url)('kafkajs/src/protocol/decoder') as new (
  buffer: Buffer,
) => RequestDecoder;

/** The partitions that a request commits. */
async function sentIn({ request }: Exchange<unknown>): Promise<readonly Sent[]> {
  const decoder = new Decoder((await request.encode!()).buffer);
  decoder.readString();
  decoder.readInt32();
  decoder.readString();
  decoder.readInt64();
  const topics = decoder.readArray(() => {
    decoder.readString();
    return decoder.readArray(() => {
      const partition = decoder.readInt32();
      const offset = Number(decoder.readInt64());
      const metadata = decoder.readString();
      const { tag, ahead } = parseMetadata(metadata, offset);
      return { partition, offset, tag, isAhead: ahead !== undefined, length: metadata.length };
    });
  });
  return topics.flat();
}

/** A coordinator that judges each partition of what is sent, and everything it was sent. */
function judging(judge: (one: Sent, request: readonly Sent[]) => number) {
  const clock = new FakeClock();
  const requests: (readonly Sent[])[] = [];
  const send = async (exchange: Exchange<unknown>) => {
    const sent = await sentIn(exchange);
    requests.push(sent);
    const partitions = sent.map((one) => ({ partition: one.partition, errorCode: judge(one, sent) }));
    return { responses: [{ topic: 't', partitions }] };
  };
  const coordinator = { connectionPool: { getConnection: async () => ({ send }) } } as unknown as Broker;
  const context = async () => ({ groupId: 'g', groupGenerationId: 1, memberId: 'm', coordinator });
  const commits = new Commits({ ...testDeps(), clock, context });
  const ranges = Array.from({ length: 700 }, (_, i) => ({ start: 2 * i + 2, end: 2 * i + 3 }));
  const commit = (partition: number, offset = 1, tag = 'http/1@m') =>
    commits.commit([{ topic: 't', partition, offset, ahead: { ranges, latest: 1 }, tag }], () => false);
  return { clock, requests, commit };
}

test('of a Kafka that takes little metadata, offsets are committed with less, and at last with the tag alone', async () => {
  for (const code of [OFFSET_METADATA_TOO_LARGE, INVALID_COMMIT_OFFSET_SIZE]) {
    for (const [limit, isAhead] of [
      [500, true],
      [20, false],
    ] as const) {
      const { clock, requests, commit } = judging(({ length }) => (length > limit ? code : 0));
      const first = commit(0);
      await Promise.all([first, clock.advance(2000)]);
      const last = requests.at(-1)![0]!;
      assert.deepEqual([last.tag, last.isAhead, last.length <= limit], ['http/1@m', isAhead, true]);
      const tries = requests.length;
      assert.ok(tries > 1);
      await Promise.all([commit(0, 2), clock.advance(100)]);
      assert.equal(requests.length, tries + 1, 'it is known by then');
    }
  }
});

test('metadata that Kafka does not take although nothing is left out of it is refused', async () => {
  const { clock, requests, commit } = judging(() => OFFSET_METADATA_TOO_LARGE);
  const refused = assert.rejects(commit(0), /refused the commit of t: 12/);
  await Promise.all([refused, clock.advance(2000)]);
  assert.equal(requests.at(-1)![0]!.isAhead, false);
});

test('what waits is sent in as many requests as it takes, the oldest first', async () => {
  const { clock, requests, commit } = judging(() => 0);
  const all = Array.from({ length: 300 }, (_, partition) => commit(partition));
  await Promise.all([...all, clock.advance(100)]);
  assert.deepEqual(
    requests.flat().map(({ partition }) => partition),
    Array.from({ length: 300 }, (_, partition) => partition),
  );
  const sizes = requests.map((request) => request.reduce((sum, { length }) => sum + length, 0));
  assert.ok(Math.max(...sizes) < 300_000, `${sizes}`);
  assert.ok(requests.length > 1 && requests.length < 10, `${requests.length} requests`);
});

test('a commit that has to come again does not come after a newer one', async () => {
  const kafka = world();
  kafka.code = REBALANCE_IN_PROGRESS;
  const slow = Promise.withResolvers<void>();
  kafka.slow = slow.promise;
  const older = kafka.commit(1);
  await kafka.clock.advance(5);
  const newer = kafka.commit(2); // while the first is on its way
  slow.resolve();
  await kafka.clock.advance(5);
  kafka.code = 0;
  await kafka.clock.advance(200);
  assert.deepEqual([older.text, newer.text, kafka.offsets], ['committed', 'committed', [1, 2]]);
});
