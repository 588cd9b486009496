import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { ValidationKind, ValidationRequestSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { IntegrationSchema } from '../../gen/penstock/v1/integration_pb.ts';
import { type ValidationResponse, ValidationResponseSchema } from '../../gen/penstock/v1/uplink_pb.ts';
import type { Bus, Claim, FeedOptions, JoinOptions } from '../../src/bus/bus.ts';
import { topicsOf } from '../../src/bus/topics.ts';
import { type KeyRing, sealSecrets } from '../../src/contract/sealed-secrets.ts';
import { answerChecks } from '../../src/executor/checks.ts';
import { createTargetGuard } from '../../src/runtime/target-guard.ts';
import { EXECUTOR } from '../helpers/executor.ts';
import { httpEndpoint } from '../helpers/http-endpoint.ts';
import { keyRing } from '../helpers/secret-keys.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { VALIDATE, CHECK_CONNECTION, TRY_DELIVERY } = ValidationKind;
const MINUTE = 60_000;
const topics = topicsOf('t');
const topic = topics.validation('http').name;

const secretSources = {
  envPrefix: 'INTEGRATION_SECRET_',
  filesDir: '',
  variable: (name: string) => (name === 'INTEGRATION_SECRET_X' ? 'from the environment' : undefined),
};

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
  const deps = { ...testDeps(), bus: part as Bus, topics, config: { ...EXECUTOR, secretSources } };
  const { signal } = new AbortController();
  const reader = answerChecks(['http'], { ...deps, newGuard: () => createTargetGuard(true) }, signal);
  const held = { member: 'm', isOver: false, isHeld: () => true };
  const claim: Claim = { topic, partition: 0, ...held, async commit() {} };
  group!.onGained(claim);
  let offset = 0;
  const ask = async (
    kind: ValidationKind,
    restEndpointUrl: string,
    age: number,
    { secret, keys }: { secret?: string; keys?: KeyRing } = {},
  ) => {
    await waitUntil('the partition is read', () => feed !== undefined);
    const requestId = randomUUID();
    const secretHeaders = secret === undefined ? [] : [{ name: 'x', value: secret }];
    const asked = create(IntegrationSchema, {
      name: 'one',
      topicFilters: ['#'],
      configuration: { case: 'http', value: { restEndpointUrl, secretHeaders } },
    });
    const { integration, sealed } = sealSecrets(asked, keys ?? deps.secretKeys());
    const request = create(ValidationRequestSchema, {
      requestId,
      replyTopic: 'answers',
      timeToLive: durationFromMs(10_000),
      integration,
      sealed: [...sealed],
      kind,
      ...(kind === TRY_DELIVERY && { envelope: { topicName: 'a', payload: Buffer.from('tried') } }),
    });
    const value = toBinary(ValidationRequestSchema, request);
    feed!.take({ topic, partition: 0, offset: offset++, timestamp: Date.now() - age, key: requestId, value });
    const find = () => answers.find((one) => one.requestId === requestId);
    await waitUntil('there is an answer', () => find() !== undefined);
    const { reachable, violations } = find()!;
    const texts = violations.map(
      ({ field, description }) => `${field === '' ? '' : `${field}: `}${description}`,
    );
    return { reachable, violations: texts };
  };
  return { reader, ask, answers, metrics: deps.metrics };
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

test('a question is answered with the secrets that are sealed with it, or that it refers to', async (t) => {
  const { reader, ask } = setUp();
  await using _ = reader;
  const endpoint = await httpEndpoint(t);
  const { url } = endpoint;
  for (const [secret, sent] of [
    ['given', 'given'],
    ['${env:INTEGRATION_SECRET_X}', 'from the environment'],
  ] as const) {
    assert.deepEqual(await ask(VALIDATE, url, 0, { secret }), { reachable: false, violations: [] });
    assert.deepEqual(await ask(CHECK_CONNECTION, url, 0, { secret }), { reachable: true, violations: [] });
    assert.equal(endpoint.received.at(-1)?.headers.x, sent);
  }
});

test('a secret that cannot be had is told with its field and what to do, and nothing is tried', async (t) => {
  const { reader, ask } = setUp();
  await using _ = reader;
  const endpoint = await httpEndpoint(t);
  const wrong = [
    [
      { secret: 's', keys: keyRing('lost') },
      /^http\.secret_headers\["x"\]\.value: cannot be decrypted, the key "lost"/,
    ],
    [
      { secret: '${env:HOME}' },
      /^http\.secret_headers\["x"\]\.value: .*does not begin with INTEGRATION_SECRET_/,
    ],
    [{ secret: '${env:INTEGRATION_SECRET_Y}' }, /refers to INTEGRATION_SECRET_Y, which is not set/],
    [{ secret: '${file:/etc/passwd}' }, /PENSTOCK_SECRET_FILES_DIR is not set/],
  ] as const;
  for (const [options, text] of wrong) {
    for (const kind of [VALIDATE, CHECK_CONNECTION]) {
      const { reachable, violations } = await ask(kind, endpoint.url, 0, options);
      assert.equal(reachable, false);
      assert.equal(violations.length, 1);
      assert.match(violations.join(), text);
    }
  }
  assert.equal(endpoint.opened, 0);
});

test('a delivery is tried once, with the secrets that are sealed with it, and never for who waits no more', async (t) => {
  const { reader, ask, answers, metrics } = setUp();
  await using _ = reader;
  const endpoint = await httpEndpoint(t);
  assert.match((await ask(TRY_DELIVERY, endpoint.url, 5 * MINUTE)).violations.join(), /too late/);
  assert.equal(endpoint.opened, 0);
  endpoint.respond = (response, { headers }) => response.writeHead(422).end(`no ${headers.x}`);
  assert.deepEqual((await ask(TRY_DELIVERY, endpoint.url, 0, { secret: 'hunter22' })).violations, []);
  assert.equal(endpoint.received.length, 1);
  assert.equal(endpoint.received[0]?.headers.x, 'hunter22');
  const { trial } = answers.at(-1)!;
  assert.deepEqual([trial?.delivered, trial?.failureClass], [false, FailureClass.REJECTED]);
  assert.match(trial!.sent, /^POST http:\/\/127\.0\.0\.1:\d+\/\S*\n[\s\S]*"topicName":"a"/);
  assert.match(trial!.sent, /^x: \*\*\*$/m);
  assert.match(trial!.answer, /^status 422\n[\s\S]*\n\nno \*\*\*$/);
  assert.doesNotMatch(JSON.stringify([trial!.sent, trial!.answer, trial!.reason]), /hunter22/);
  const { values } = await metrics.trials.get();
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.result, value]),
    [['failed', 1]],
  );
});

test('what a trial tells is cut at 16 KiB, also where a secret lies on the cut', async (t) => {
  const { reader, ask, answers } = setUp();
  await using _ = reader;
  const endpoint = await httpEndpoint(t);
  const secret = 'a secret that is long enough to be cut';
  for (let before = 16_000; before < 16_500; before += 20) {
    endpoint.respond = (response) => response.end(`${'ü'.repeat(before / 2)}${secret} and more`);
    await ask(TRY_DELIVERY, endpoint.url, 0, { secret });
    const { answer } = answers.at(-1)!.trial!;
    assert.ok(Buffer.byteLength(answer) <= 16_384);
    assert.doesNotMatch(answer, /a secret/);
  }
});
