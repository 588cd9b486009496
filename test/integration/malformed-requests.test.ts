import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient, pathOf } from '../../src/rpc/grpcjs.ts';
import { POLICY } from '../../src/rpc/policy.ts';
import { callHeaders, FLAG, FRAME, frame, headerBlock, PREFACE } from '../helpers/raw-http2.ts';
import { BOOTSTRAP, securedInstallation } from '../helpers/secured-node.ts';

const SEED = 13;
const ROUNDS = 20;
const BATCH = 100;

/** Mulberry32: the same numbers each time. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Sends what it is told and goes once there is an answer, or the end of it, or nothing for long. */
function send(address: string, bytes: Buffer): Promise<void> {
  const { hostname, port } = new URL(`http://${address}`);
  const socket = connect(Number(port), hostname);
  return new Promise((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve());
    socket.setTimeout(300, () => socket.destroy());
    socket.once('data', () => socket.destroy());
    socket.end(bytes);
  });
}

test('thousands of malformed and oversized requests, with a token and without, end nothing', {
  timeout: 240_000,
}, async (t) => {
  const { start } = await securedInstallation(t);
  const node = await start();
  using client = createClient(IntegrationService, node.grpcAddress);
  const number = numbers(SEED);
  const bytes = (most: number) => Buffer.from(Array.from({ length: number(most) }, () => number(256)));
  const pick = <T>(items: readonly T[]): T => items[number(items.length)]!;
  const methods = [...POLICY.keys()];
  const types = ['', 'application/json', 'application/proto', 'application/connect+proto', 'text/html', 'x'];
  const codings = ['identity', 'gzip', 'br', 'deflate', 'nonsense'];
  const bodies = [
    () => bytes(400),
    () => gzipSync(bytes(200)),
    () => gzipSync(Buffer.alloc(20 << 20)),
    () => Buffer.from('{"integration":'.repeat(number(300))),
    () => Buffer.from([number(256), 255, 255, 255, 255, ...bytes(50)]),
    () => Buffer.concat([Buffer.from([0, 0, 0, 0, 200]), bytes(100)]),
  ];
  const token = () => (number(2) === 0 ? [] : [`authorization: Bearer ${BOOTSTRAP}`]);
  const http = () => {
    const body = pick(bodies)();
    const lines = [
      `${pick(['POST', 'GET', 'PATCH', 'FOO'])} ${pathOf(pick(methods))} HTTP/1.1`,
      `host: ${node.httpAddress}`,
      `content-type: ${pick(types)}`,
      `content-encoding: ${pick(codings)}`,
      `connect-content-encoding: ${pick(codings)}`,
      `content-length: ${pick([body.length, body.length + 9, 99_999_999_999, 0])}`,
      `x-long: ${'x'.repeat(pick([1, 1, 1, 20_000]))}`,
      ...token(),
    ];
    return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), body]);
  };
  const grpc = () => {
    const [authorization] = token();
    const headers = callHeaders(
      'GetIntegration',
      ...(authorization ? [['authorization', authorization.slice(15)] as const] : []),
      ['grpc-encoding', pick(codings)],
      ['grpc-timeout', pick(['1S', '', '99999999H', '-1m'])],
      ['x-long', 'x'.repeat(pick([1, 1, 1, 16_000]))],
    ).map(([name, value]) => [name, name === ':path' ? pathOf(pick(methods)) : value] as const);
    const data = pick(bodies)().subarray(0, 16_000);
    const message = Buffer.concat([Buffer.from([number(3), 0, 0, 0, pick([data.length % 256, 255])]), data]);
    return Buffer.concat([
      PREFACE,
      frame(FRAME.headers, FLAG.endHeaders, 1, headerBlock(headers)),
      frame(FRAME.data, FLAG.endStream, 1, message),
      frame(number(256), number(256), number(4), bytes(60)),
    ]);
  };
  const kinds: readonly (() => readonly [address: string, request: Buffer])[] = [
    () => [node.httpAddress, bytes(500)],
    () => [node.grpcAddress, bytes(500)],
    () => [node.grpcAddress, Buffer.concat([PREFACE, bytes(500)])],
    () => [node.httpAddress, http()],
    () => [node.httpAddress, http()],
    () => [node.grpcAddress, grpc()],
    () => [node.grpcAddress, grpc()],
    () => {
      const whole = pick([http, grpc])();
      return [pick([node.httpAddress, node.grpcAddress]), whole.subarray(0, number(whole.length))];
    },
  ];
  t.diagnostic(`seed ${SEED}, ${ROUNDS * BATCH} requests`);
  for (let round = 0; round < ROUNDS; round++) {
    const requests = Array.from({ length: BATCH }, () => pick(kinds)());
    await Promise.all(requests.map(([address, request]) => send(address, request)));
    const { integrations } = await client.listIntegrations({}, { token: BOOTSTRAP });
    assert.deepEqual(integrations, [], `seed ${SEED}, round ${round}`);
    const alive = await fetch(`http://${node.httpAddress}/health/live`);
    assert.equal(alive.status, 200, `seed ${SEED}, round ${round}`);
  }
});
