import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import {
  ReplaySchema,
  ReplayState,
  StartReplayRequestSchema,
} from '../../gen/penstock/v1/replay_service_pb.ts';
import { violationsOf } from '../../src/contract/validate.ts';
import { draftOf, queryOf, type ReplayDraft, requestOf } from '../../web/src/pages/replays/replay-request.ts';
import { rangeText, shareOf } from '../../web/src/pages/replays/replay-text.ts';

const ID = '00000000-0000-4000-8000-000000000000';
const OTHER = '00000000-0000-4000-8000-000000000001';
const INTEGRATIONS = [
  create(IntegrationSchema, { id: ID, name: 'twin' }),
  create(IntegrationSchema, { id: OTHER, name: 'other' }),
  create(IntegrationSchema, { id: '00000000-0000-4000-8000-000000000002', name: 'twin' }),
];
const BLANK: ReplayDraft = { range: 'all', from: '', to: '', offsets: '', target: '', rate: '' };
const read = (draft: Partial<ReplayDraft>) => requestOf({ ...BLANK, ...draft }, ID, INTEGRATIONS);

test('what is typed is the query of the URL, and comes back from it', () => {
  const draft: ReplayDraft = {
    ...BLANK,
    range: 'offsets',
    offsets: '0 1 2\n1 0 9',
    target: 'a b',
    rate: '5',
  };
  assert.deepEqual(draftOf(new URLSearchParams(queryOf(draft))), draft);
  assert.deepEqual(draftOf(new URLSearchParams('')), BLANK);
  assert.equal(draftOf(new URLSearchParams('from=2026-11-29T12:00:00Z')).range, 'times');
  assert.equal(draftOf(new URLSearchParams('range=x')).range, 'all');
});

test('what is typed is a request that the server takes', () => {
  const drafts: readonly Partial<ReplayDraft>[] = [
    {},
    { range: 'times', from: '2026-11-29T12:00:00Z' },
    { range: 'times', to: '2026-11-29T12:00:00Z', target: 'other', rate: '250' },
    { range: 'offsets', offsets: '0 100 200\n\n 2\t0 9223372036854775807 ', target: OTHER },
    { range: 'all', from: 'what is not chosen', offsets: 'counts nothing' },
  ];
  const requests = drafts.map((draft) => {
    const answer = read(draft);
    assert.ok('request' in answer, JSON.stringify(draft));
    const request = create(StartReplayRequestSchema, answer.request);
    assert.deepEqual(violationsOf(StartReplayRequestSchema, request), []);
    return request;
  });
  assert.deepEqual(
    requests.map(({ targetIntegrationId }) => targetIntegrationId),
    ['', '', OTHER, OTHER, ''],
  );
  assert.deepEqual(
    requests.map(({ startTime, endTime }) => [startTime !== undefined, endTime !== undefined]),
    [
      [false, false],
      [true, false],
      [false, true],
      [false, false],
      [false, false],
    ],
  );
  assert.equal(requests[2]!.maxRate, 250);
  assert.deepEqual(
    requests[3]!.offsetRanges.map(({ partition, startOffset, endOffset }) => [
      partition,
      startOffset,
      endOffset,
    ]),
    [
      [0, 100n, 200n],
      [2, 0n, 2n ** 63n - 1n],
    ],
  );
  assert.deepEqual(requests[4]!.offsetRanges, []);
});

test('what cannot be meant is told at its field', () => {
  const problem = (draft: Partial<ReplayDraft>) => {
    const answer = read(draft);
    assert.ok('problems' in answer, JSON.stringify(draft));
    return Object.entries(answer.problems).map(([field, text]) => `${field}: ${text}`);
  };
  const times = { range: 'times', from: '2026-11-29T12:00:00Z' } as const;
  assert.deepEqual(problem({ ...times, to: times.from }), ['to: must be after the begin']);
  assert.deepEqual(problem({ range: 'times' }), ['from: give a begin or an end, or choose everything']);
  assert.deepEqual(problem({ target: 'twin' }), ['target: 2 integrations have this name: give the id']);
  assert.deepEqual(problem({ target: 'nobody', rate: '0' }), [
    'target: there is no integration with this name or id',
    'rate: must be a whole number from 1 to 1000000',
  ]);
  for (const [offsets, text] of [
    ['', /give a line/],
    ['0 1', /“0 1” is no partition/],
    ['0 5 5', /end must be after/],
    ['0 1 2\n0 3 4', /partition 0 is there twice/],
    ['2147483648 1 2', /too large/],
    ['0 1 9223372036854775808', /too large/],
    [Array.from({ length: 129 }, (_, i) => `${i} 0 1`).join('\n'), /at most 128/],
  ] as const)
    assert.match(problem({ range: 'offsets', offsets })[0]!, text);
});

test('a replay says its range and how far it is', () => {
  const replay = (init: object) => create(ReplaySchema, { state: ReplayState.RUNNING, ...init });
  assert.equal(rangeText(replay({}), 'UTC'), 'everything');
  assert.equal(
    rangeText(replay({ startTime: timestampFromMs(0), endTime: timestampFromMs(1000) }), 'UTC'),
    'from 1970-01-01 00:00:00 UTC\nbefore 1970-01-01 00:00:01 UTC',
  );
  const offsetRanges = [{ partition: 1, startOffset: 2n, endOffset: 3n }];
  assert.equal(rangeText(replay({ offsetRanges }), 'UTC'), 'partition 1: 2 to 3');
  assert.deepEqual(
    [
      shareOf(replay({ total: 4n, replayed: 1n })),
      shareOf(replay({ total: 0n })),
      shareOf(replay({ state: ReplayState.DONE })),
    ],
    [0.25, 0, 1],
  );
});
