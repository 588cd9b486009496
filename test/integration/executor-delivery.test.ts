import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { durationFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { DownlinkRecordSchema, ValidationKind } from '../../gen/penstock/v1/downlink_pb.ts';
import { DeadLetterSchema, EnvelopeSchema, FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { EXECUTOR, type ExecutorBench, executorBench } from '../helpers/executor.ts';
import { answer, type HttpEndpoint, hang, httpEndpoint } from '../helpers/http-endpoint.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const bodies = ({ received }: HttpEndpoint) => received.map(({ body }) => body.toString());
const gets = (endpoint: HttpEndpoint, count: number) =>
  waitUntil(`the endpoint has ${count} messages`, () => endpoint.received.length >= count, 30_000);
const numbers = (from: number, to: number, prefix = 'm') =>
  Array.from({ length: to - from }, (_, i) => `${prefix}${from + i}`);

/** How many errors the reports about an integration stand for. */
const errorsOf = (bench: ExecutorBench, id: string) =>
  bench.reportsOf(id, 'error').reduce((sum, { count }) => sum + count, 0n);

/** The dead letters of an integration, once there are as many of them. */
async function deadLetters(bench: ExecutorBench, id: string, count: number) {
  const { name } = bench.topics.deadLetters(id);
  await waitUntil(
    `there are ${count} dead letters`,
    async () => {
      const topics = await bench.bus.listTopics();
      return topics.includes(name) && ((await bench.bus.offsets(name)).get(0)?.end ?? 0) >= count;
    },
    30_000,
  );
  const records = await bench.recordsOf(name);
  return records.map(({ key, value }) => ({ key, letter: fromBinary(DeadLetterSchema, value!) }));
}

const GARBAGE = [Buffer.from([0xff, 0xff, 0xff]), Buffer.from('{"integration": {}}'), new Uint8Array(0)];

test('malformed records are counted and stepped over, and everything goes on', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const { bus, topics } = bench;
  const endpoint = await httpEndpoint(t);
  const downlink = topics.downlink('http').name;
  const validation = topics.validation('http').name;
  const unruly = create(DownlinkRecordSchema, { integration: { name: 'without a configuration' } });
  const sendMalformed = async (messages: string) => {
    for (const value of GARBAGE) {
      for (const topic of [downlink, validation, messages]) await bus.send(topic, { key: 'k', value });
    }
    await bus.send(downlink, { key: 'k', value: toBinary(DownlinkRecordSchema, unruly) });
    await bus.send(validation, { key: 'k', value: null });
    await bus.send(messages, { key: null, value: null });
    const badQos = create(EnvelopeSchema, { topicName: 'a', qos: 3 });
    await bus.send(messages, { key: 'k', value: toBinary(EnvelopeSchema, badQos) });
    const badId = create(EnvelopeSchema, { topicName: 'a', id: new Uint8Array(15) });
    await bus.send(messages, { key: 'k', value: toBinary(EnvelopeSchema, badId) });
  };
  const id = await bench.want(endpoint.url);
  const messages = topics.messages(id).name;
  await sendMalformed(messages); // to be restored
  await bench.publish(id, ['one']);
  await bench.start();
  await gets(endpoint, 1);
  await sendMalformed(messages); // while it runs
  // A record that cannot be read is left alone: what runs by the one before it runs on.
  await bus.send(downlink, { key: id, value: GARBAGE[0]! });
  await bench.publish(id, ['two']);
  await gets(endpoint, 2);
  const configuration = { case: 'http' as const, value: { restEndpointUrl: endpoint.url } };
  assert.deepEqual((await bench.ask(ValidationKind.VALIDATE, { configuration })).violations, []);
  const later = await bench.want(endpoint.url);
  await bench.publish(later, ['three']);
  await gets(endpoint, 3);
  assert.deepEqual(bodies(endpoint), ['one', 'two', 'three']);
  await waitUntil('all are counted', async () => {
    const counts = await Promise.all(
      [downlink, validation, messages].map((topic) => bench.undecodable(topic)),
    );
    return counts.join() === '9,8,12';
  });
  await waitUntil('the figures say so', () => bench.reportsOf(id, 'statistics').at(-1)?.undecodable === 12n);
  await waitUntil('the error reports say so', () => errorsOf(bench, id) === 12n);
  assert.match(bench.reportsOf(id, 'error')[0]!.message, /stepped over/);
});

test('SKIP_ALL keeps every message that failed as a dead letter, byte for byte', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = answer(503, {}, 'closed');
  const id = await bench.want(endpoint.url, {
    generation: 5n,
    delivery: { ackStrategy: AckStrategy.SKIP_ALL },
  });
  const began = Date.now();
  await bench.publish(id, numbers(0, 30));
  await bench.start();
  const letters = await deadLetters(bench, id, 30);
  const originals = await bench.recordsOf(bench.topics.messages(id).name);
  assert.deepEqual(
    letters.map(({ letter }) => Buffer.from(letter.envelope)),
    originals.map(({ value }) => Buffer.from(value!)),
  );
  for (const [i, { key, letter }] of letters.entries()) {
    const { failureClass, reason, attempts, generation, serviceId, partition, offset } = letter;
    assert.equal(key, 'c1');
    assert.deepEqual(
      { failureClass, reason, attempts, generation, serviceId, partition, offset },
      {
        failureClass: FailureClass.UNAVAILABLE,
        reason: 'the endpoint answered 503: closed',
        attempts: 1,
        generation: 5n,
        serviceId: 'ie-0',
        partition: 0,
        offset: BigInt(i),
      },
    );
    const [first, last] = [timestampMs(letter.firstAttemptTime!), timestampMs(letter.lastAttemptTime!)];
    assert.ok(began <= first && first <= last && last <= Date.now());
  }
  assert.equal(endpoint.received.length, 30);
});

test('a message that goes round in a loop is a dead letter, and is reported', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const delivery = { ackStrategy: AckStrategy.RETRY_ALL };
  const id = await bench.want(endpoint.url, { delivery });
  await bench.publish(id, ['round'], 'c1', 3);
  await bench.publish(id, ['straight'], 'c1', 2);
  await bench.start({ policy: { ...EXECUTOR.policy, maxHops: 3 } });
  const [dead] = await deadLetters(bench, id, 1);
  assert.equal(dead?.letter.failureClass, FailureClass.REJECTED);
  assert.match(dead.letter.reason, /goes round in a loop: .* PENSTOCK_MAX_HOPS/);
  await gets(endpoint, 1);
  assert.deepEqual(bodies(endpoint), ['straight']);
  await waitUntil('it is reported', () => errorsOf(bench, id) === 1n);
  assert.match(bench.reportsOf(id, 'error')[0]!.message, /PENSTOCK_MAX_HOPS/);
});

test('a message without an answer is a dead letter of class timeout', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = hang;
  const id = await bench.want(endpoint.url, { delivery: { packProcessingTimeout: durationFromMs(100) } });
  await bench.publish(id, ['hanging']);
  await bench.start();
  const [dead] = await deadLetters(bench, id, 1);
  assert.equal(dead?.letter.failureClass, FailureClass.TIMEOUT);
  assert.match(dead?.letter.reason ?? '', /100 ms/);
});

test('of batches that are refused as a whole, the messages at fault alone are given up', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const taken: number[] = [];
  endpoint.respond = (response, { body }) => {
    const items: number[] = JSON.parse(body.toString());
    const isFine = items.every((item) => item % 50 !== 7);
    if (isFine) taken.push(...items);
    response.writeHead(isFine ? 200 : 422).end();
  };
  const id = await bench.want(endpoint.url, {
    configuration: {
      case: 'http',
      value: {
        restEndpointUrl: endpoint.url,
        sendOnlyMsgPayload: true,
        payloadContentType: PayloadContentType.JSON,
        batching: { maxMessages: 20 },
      },
    },
  });
  const payloads = Array.from({ length: 200 }, (_, i) => i);
  await Promise.all(payloads.map((payload) => bench.publish(id, [`${payload}`], `client ${payload}`)));
  await bench.start();
  const letters = await deadLetters(bench, id, 4);
  await waitUntil('the others are delivered', () => taken.length >= 196);
  assert.deepEqual(
    letters.map(({ letter }) => fromBinary(EnvelopeSchema, letter.envelope).clientId).toSorted(),
    ['client 107', 'client 157', 'client 57', 'client 7'],
  );
  for (const { letter } of letters) assert.equal(letter.reason, 'the endpoint answered 422');
  assert.deepEqual(
    taken.toSorted((a, b) => a - b),
    payloads.filter((payload) => payload % 50 !== 7),
  );
  assert.ok(endpoint.received.length < 100, `${endpoint.received.length} requests`);
});

test('without dead letters, what is given up is skipped and counted', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = answer(400);
  const id = await bench.want(endpoint.url, { delivery: { deadLetter: false } });
  await bench.publish(id, numbers(0, 10));
  await bench.start();
  await waitUntil('they are skipped', () => bench.reportsOf(id, 'statistics').at(-1)?.skipped === 10n);
  assert.ok(!(await bench.bus.listTopics()).includes(bench.topics.deadLetters(id).name));
});

test('RETRY_ALL delivers all when the endpoint is back, in the order of each client', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  const delivery = {
    ackStrategy: AckStrategy.RETRY_ALL,
    retries: 0,
    pauseBetweenRetries: durationFromMs(50),
    maxPause: durationFromMs(300),
  };
  const id = await bench.want(endpoint.url, { delivery });
  await bench.start();
  const clients = ['a', 'b', 'c', 'd'];
  const publish = (from: number, to: number) =>
    Promise.all(clients.map((client) => bench.publish(id, numbers(from, to, client), client)));
  await publish(0, 50);
  await gets(endpoint, 40);
  await endpoint.stop();
  await publish(50, 100);
  const retried = () => bench.reportsOf(id, 'statistics').at(-1)?.retried ?? 0n;
  await waitUntil('they are tried again and again', () => retried() >= 20n, 30_000);
  await endpoint.start();
  await gets(endpoint, 400);
  await waitUntil('the figures say so', () => bench.reportsOf(id, 'statistics').at(-1)?.delivered === 400n);
  const last = bench.reportsOf(id, 'statistics').at(-1)!;
  assert.deepEqual(
    [last.received, last.deadLettered, last.skipped, last.inFlight, last.lag],
    [400n, 0n, 0n, 0n, 0n],
  );
  for (const client of clients) {
    // What was reset after the endpoint had it comes twice, next to itself.
    const came = bodies(endpoint).filter((body) => body.startsWith(client));
    assert.deepEqual(
      came.filter((body, i) => body !== came[i - 1]),
      numbers(0, 100, client),
    );
  }
});

test('an executor that stops in the middle and starts again delivers each message once', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = (response) => {
    const slowly = endpoint.received.length > 100; // so that the stop comes before the end
    setTimeout(() => response.writeHead(200).end(), slowly ? 50 : 0);
  };
  const id = await bench.want(endpoint.url, { delivery: { maxInFlight: 5 } });
  const clients = numbers(0, 20, 'client');
  const publish = (from: number, to: number) =>
    Promise.all(clients.map((client) => bench.publish(id, numbers(from, to, `${client}-`), client)));
  const first = await bench.start();
  await publish(0, 20);
  await gets(endpoint, 100);
  await first[Symbol.asyncDispose]();
  const delivered = endpoint.received.length;
  assert.ok(delivered < 400);
  await waitUntil('the last figures are there', () => {
    const figures = bench.reportsOf(id, 'statistics').at(-1);
    return (
      figures?.delivered === BigInt(delivered) && figures.inFlight + figures.delivered === figures.received
    );
  });
  endpoint.respond = answer(200);
  await publish(20, 25);
  await bench.start();
  await gets(endpoint, 500);
  const wanted = clients.flatMap((client) => numbers(0, 25, `${client}-`));
  assert.deepEqual(bodies(endpoint).toSorted(), wanted.toSorted());
});

test('error reports are collected, and limited for each integration', async (t) => {
  const bench = await executorBench(t);
  await bench.createTopics();
  const endpoint = await httpEndpoint(t);
  endpoint.respond = answer(400, {}, 'no');
  const id = await bench.want(endpoint.url, { delivery: { deadLetter: false } });
  const quiet = await bench.want(endpoint.url, { delivery: { deadLetter: false } });
  await bench.start({ errorReportsPerMinute: 2 });
  await bench.publish(id, numbers(0, 200));
  await waitUntil('they are reported', () => errorsOf(bench, id) === 200n);
  const [report] = bench.reportsOf(id, 'error');
  assert.ok(report);
  const { failureClass, message, topicName, givenUp } = report;
  assert.deepEqual(
    { failureClass, message, topicName, givenUp },
    {
      failureClass: FailureClass.REJECTED,
      message: 'the endpoint answered 400: no',
      topicName: 'a/b',
      givenUp: true,
    },
  );
  while (bench.reportsOf(id, 'error').length < 2) {
    await bench.publish(id, ['more']);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await bench.publish(id, ['too many']);
  await bench.publish(quiet, ['mine']);
  await waitUntil('the other one is reported', () => errorsOf(bench, quiet) === 1n);
  assert.equal(bench.reportsOf(id, 'error').length, 2);
});
