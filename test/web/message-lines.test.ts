import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';
import {
  LoggedMessageSchema,
  MessageOutcomeSchema,
  MessageStage,
  type WatchMessagesResponse,
  WatchMessagesResponseSchema,
} from '../../gen/penstock/v1/message_log_service_pb.ts';
import { curlCommand, ingressAt, mosquittoCommand } from '../../web/src/pages/messages/commands.ts';
import { Follower, type FollowState } from '../../web/src/pages/messages/follower.ts';
import {
  beginOf,
  clockText,
  Lines,
  linesWith,
  MOST_LINES,
  stepsOf,
  Throughput,
} from '../../web/src/pages/messages/lines.ts';
import { tailFilterOf, toggledStage } from '../../web/src/pages/messages/message-filter.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const message = (offset: number, envelope: MessageInitShape<typeof EnvelopeSchema> = {}) =>
  create(LoggedMessageSchema, {
    id: `0-${offset}`,
    offset: BigInt(offset),
    envelope: { topicName: 'a/b', clientId: 'c1', payload: bytes(`n ${offset}`), ...envelope },
    payloadSize: 4,
    outcome: { id: `0-${offset}`, stage: MessageStage.WAITING },
  });
const response = (init: MessageInitShape<typeof WatchMessagesResponseSchema>): WatchMessagesResponse =>
  create(WatchMessagesResponseSchema, init);
const from = (start: number, end: number) => Array.from({ length: end - start }, (_, i) => start + i);
const keysOf = (lines: Lines) => lines.shown.map(({ key }) => key);

test('the newest are on top, each once, what is left out is a line in its place, and 5,000 lines stay', () => {
  const lines = new Lines();
  lines.add(response({ messages: [message(1), message(2)], leftOut: 3n }));
  lines.add(response({ leftOut: 4n }));
  lines.add(response({ messages: [message(2), message(3)] }));
  assert.deepEqual(keysOf(lines), ['0-3', 'line 0', '0-2', '0-1']);
  const left = lines.shown[1]!;
  assert.equal(left.kind === 'left-out' && left.count, 7n);
  lines.add(response({ messages: from(10, 10 + MOST_LINES).map((n) => message(n)) }));
  assert.deepEqual([lines.shown.length, lines.shown.at(-1)?.key], [MOST_LINES, '0-10']);
  lines.add(response({ messages: [message(1)] }));
  assert.equal(lines.shown[0]?.key, '0-1', 'what is gone may come again');
});

test('while it is held the view stays as it is, and says how many are new', () => {
  const lines = new Lines();
  lines.add(response({ messages: [message(1)], leftOut: 3n }));
  lines.hold();
  const leftOut = () => lines.shown.map((line) => (line.kind === 'left-out' ? line.count : 0n));
  lines.add(response({ leftOut: 4n }));
  lines.add(response({ messages: [message(2), message(3)], leftOut: 9n }));
  assert.deepEqual([keysOf(lines), lines.fresh, lines.isHeld], [['line 0', '0-1'], 2, true]);
  assert.deepEqual(leftOut(), [3n, 0n]);
  lines.release();
  assert.deepEqual([leftOut(), lines.fresh, lines.isHeld], [[9n, 0n, 0n, 7n, 0n], 0, false]);
});

test('what became of a message is told in its line and in its way', () => {
  const lines = new Lines();
  lines.add(response({ messages: [message(1), message(2)] }));
  const outcome = create(MessageOutcomeSchema, {
    id: '0-2',
    stage: MessageStage.DEAD_LETTERED,
    deadLetterId: '0-7',
    attempts: 3,
    serviceId: 'ie-0',
    reason: 'HTTP 422',
  });
  lines.add(response({ outcomes: [outcome] }));
  const [first] = lines.shown;
  assert.ok(first?.kind === 'message');
  assert.equal(first.message.outcome?.deadLetterId, '0-7');
  first.message.storedTime = timestampFromMs(1005);
  first.message.envelope!.receivedTime = timestampFromMs(1000);
  first.message.envelope!.node = 'in-0';
  assert.deepEqual(stepsOf(first.message), [
    { text: 'published by c1 via in-0', isBad: false },
    { text: 'Kafka: partition 0, offset 2 (+5 ms)', isBad: false },
    { text: 'given up by ie-0 after 3 attempts: HTTP 422', isBad: true },
  ]);
});

test('the text filter looks at topic, client and payload, and keeps what says that something is missing', () => {
  const lines = new Lines();
  lines.add(response({ messages: [message(1), message(2, { clientId: 'Zed' })], leftOut: 1n }));
  const found = (text: string) => linesWith(lines.shown, text).map(({ key }) => key);
  assert.deepEqual(found('zed'), ['line 0', '0-2']);
  assert.deepEqual(found('N 1'), ['line 0', '0-1']);
  assert.equal(found('').length, 3);
});

test('the begin of a payload is text, also where it is cut within a character', () => {
  const begin = (payload: Uint8Array, size = payload.length) =>
    beginOf(create(EnvelopeSchema, { payload }), size);
  assert.equal(begin(bytes('a\n  b')), 'a b');
  assert.equal(begin(bytes('ü'.repeat(100)).subarray(0, 101), 200), `${'ü'.repeat(50)}…`);
  assert.equal(begin(bytes('x'.repeat(300))), `${'x'.repeat(256)}…`);
  assert.equal(begin(new Uint8Array([255, 1])), '2 bytes');
  assert.equal(clockText(1004, 'UTC'), '00:00:01.004');
});

test('a rate is of the last three seconds', () => {
  const throughput = new Throughput();
  throughput.add(0, 900, 30);
  throughput.add(2000, 300, 0);
  assert.deepEqual(throughput.at(2000), { messages: 400, leftOut: 10 });
  assert.deepEqual(throughput.at(4000), { messages: 100, leftOut: 0 });
});

test('a filter of the URL that makes no sense is a problem', () => {
  const of = (text: string) => tailFilterOf(new URLSearchParams(text));
  const { WAITING, DEAD_LETTERED } = MessageStage;
  assert.deepEqual(of('topic=a/%23&client=c&stage=waiting,dead+letter'), {
    filter: { topicFilter: 'a/#', clientId: 'c', stages: [WAITING, DEAD_LETTERED] },
  });
  assert.ok('problem' in of('topic=a/%23/b') && 'problem' in of('stage=gone'));
  assert.equal(toggledStage(new URLSearchParams('stage=waiting'), DEAD_LETTERED), 'waiting,dead letter');
  assert.equal(toggledStage(new URLSearchParams('stage=waiting'), WAITING), '');
});

test('commands are words of a shell, whatever is in the message', () => {
  const envelope = create(EnvelopeSchema, {
    topicName: "it's/$HOME",
    payload: bytes('a "b" `c` \'d\''),
    qos: 1,
    retain: true,
    contentType: 'text/plain',
    userProperties: [{ key: 'k', value: "v'" }],
  });
  /** What a shell makes of the words behind the program's name. */
  const words = (command: string, program: string) =>
    execFileSync('sh', ['-c', `${program}() { printf '%s\\n' "$@"; cat; }; ${command} </dev/null`])
      .toString()
      .split('\n')
      .slice(0, -1);
  const here = ingressAt('http://h:8080', true);
  assert.deepEqual(words(mosquittoCommand(envelope, here), 'mosquitto_pub'), [
    ...['-h', 'h', '-V', '5', '-t', "it's/$HOME", '-q', '1', '-r'],
    ...['-D', 'publish', 'content-type', 'text/plain', '-D', 'publish', 'user-property', 'k', "v'"],
    ...['-m', 'a "b" `c` \'d\''],
  ]);
  const binary = create(EnvelopeSchema, { topicName: 't', payload: new Uint8Array([255, 10]) });
  const piped = `mosquitto_pub() { od -An -tx1; }; ${mosquittoCommand(binary, here)}`;
  assert.equal(execFileSync('sh', ['-c', piped]).toString().trim(), 'ff 0a');
  const [url, , type, , json] = words(curlCommand(envelope, here, false), 'curl');
  assert.deepEqual([url, type], ['http://h:8080/api/v1/messages', 'content-type: application/json']);
  const { topic_name, payload, qos, content_type } = JSON.parse(json!);
  assert.deepEqual(
    [topic_name, atob(payload), qos, content_type],
    ["it's/$HOME", 'a "b" `c` \'d\'', 1, 'text/plain'],
  );
  assert.ok(curlCommand(envelope, here, true).includes('$PENSTOCK_TOKEN'));
  // No ingress answers at the page's own address.
  const elsewhere = ingressAt('https://ui.example:8443', false);
  const known = (command: string) => `PENSTOCK_INGRESS='in 1'; ${command}`;
  assert.equal(words(known(mosquittoCommand(envelope, elsewhere)), 'mosquitto_pub')[1], 'in 1');
  const [address] = words(known(curlCommand(envelope, elsewhere, false)), 'curl');
  assert.equal(address, 'https://in 1:8443/api/v1/messages');
});

test('a stream is followed while somebody looks, and a quarter of an hour at most until somebody says so', async () => {
  const clock = new ManualClock();
  const states: string[] = [];
  const gaps: [number, number][] = [];
  let open = 0;
  let isCut = false;
  const follower = new Follower({
    async *watch(signal) {
      open++;
      try {
        yield response({ live: true });
        if (isCut) throw new Error('cut');
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      } finally {
        open--;
      }
    },
    now: () => clock.now(),
    later: (callback, ms) => clock.setTimer(callback, ms),
    onResponse() {},
    onGap: (begin, end) => gaps.push([begin, end]),
    onState: (state: FollowState) => states.push(state.state),
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  follower.begin();
  await settle();
  assert.deepEqual([states.splice(0), open], [['connecting', 'live'], 1]);
  follower.hide(true);
  await settle();
  assert.deepEqual([states.splice(0), open], [['hidden'], 0]);
  clock.advance(60_000);
  follower.hide(false);
  await settle();
  assert.deepEqual([states.splice(0), open, gaps.splice(0)], [['connecting', 'live'], 1, [[0, 60_000]]]);
  // Nothing is said for long: it is cut, and followed anew after a pause.
  clock.advance(12_000);
  await settle();
  clock.advance(3000);
  await settle();
  assert.deepEqual([states.splice(0), open], [['down', 'connecting', 'live'], 1]);
  isCut = true;
  clock.advance(15 * 60_000);
  await settle();
  assert.deepEqual([states.at(-1), open], ['asking', 0]);
  isCut = false;
  states.splice(0);
  follower.begin();
  await settle();
  assert.deepEqual([states.splice(0), open], [['connecting', 'live'], 1]);
  follower.end();
  await settle();
  assert.equal(open, 0);
});
