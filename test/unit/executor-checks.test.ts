import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { ValidationKind, ValidationRequestSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { type ValidationResponse, ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus, Claim, FeedOptions, JoinOptions } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { answerChecks } from '../../src/executor/checks.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { EXECUTOR } from '../helpers/executor.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { VALIDATE, CHECK_CONNECTION } = ValidationKind;
const MINUTE = 60_000;
const topics = topicsOf('t');
const topic = topics.validation('http').name;

/** A Kafka with one partition of questions, each of which is asked at its time. */
function setUp() {
  let group: JoinOptions | undefined;
  let feed: FeedOptions | undefined;
  const answers: ValidationResponse[] = [];
  const part: Partial<Bus> = {
    join: (options) => {
      group = options;
      return {
        joined: Promise.resolve(),
        holdsLease: () => true,
        committed: async () => [],
        members: async () => new Set(['m']),
        async [Symbol.asyncDispose]() {},
      };
    },
    feed: (options) => {
      feed = options;
      return { resume() {}, backlog: async () => 0, [Symbol.dispose]() {} };
    },
    send: async (_, { value }) => {
      answers.push(fromBinary(ValidationResponseSchema, value!));
    },
  };
  const deps = { ...testDeps(), bus: part as Bus, topics, config: EXECUTOR };
  const { signal } = new AbortController();
  const reader = answerChecks(['http'], { ...deps, newGuard: () => createTargetGuard(true) }, signal);
  const held = { member: 'm', isOver: false, isHeld: () => true };
  const claim: Claim = { topic, partition: 0, ...held, async commit() {} };
  group!.onGained(claim);
  let offset = 0;
  const ask = async (kind: ValidationKind, restEndpointUrl: string, age: number) => {
    await waitUntil('the partition is read', () => feed !== undefined);
    const requestId = randomUUID();
    const request = create(ValidationRequestSchema, {
      requestId,
      replyTopic: 'answers',
      timeToLive: durationFromMs(10_000),
      integration: {
        name: 'one',
        topicFilters: ['#'],
        configuration: { case: 'http', value: { restEndpointUrl } },
      },
      kind,
    });
    const value = toBinary(ValidationRequestSchema, request);
    feed!.take({ topic, partition: 0, offset: offset++, timestamp: Date.now() - age, key: requestId, value });
    const find = () => answers.find((one) => one.requestId === requestId);
    await waitUntil('there is an answer', () => find() !== undefined);
    const { reachable, violations } = find()!;
    return { reachable, violations: violations.map(({ description }) => description) };
  };
  return { reader, ask };
}

test('no connection is tried for a question that nobody waits for any more', async (t) => {
  const { reader, ask } = setUp();
  await using _ = reader;
  const endpoint = await httpEndpoint(t);
  const late = await ask(CHECK_CONNECTION, endpoint.url, 5 * MINUTE);
  assert.equal(endpoint.opened, 0);
  assert.equal(late.reachable, false);
  assert.match(late.violations.join(), /too late: set the clock/);
  const agreed = { reachable: false, violations: [] };
  assert.deepEqual(await ask(VALIDATE, endpoint.url, 5 * MINUTE), agreed, 'costs nothing');
  const reached = { reachable: true, violations: [] };
  for (const age of [0, MINUTE, -5 * MINUTE]) {
    assert.deepEqual(await ask(CHECK_CONNECTION, endpoint.url, age), reached, `${age} ms: a wrong clock`);
  }
});
