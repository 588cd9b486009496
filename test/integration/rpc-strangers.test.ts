import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { AuthService } from '../../gen/penstock/v1/auth_service_pb.ts';
import { rpcService } from '../../src/rpc/service.ts';
import { rpcServerForTests } from '../helpers/rpc-server.ts';

const KIB = 1 << 10;
const PATHS = ['/api/v1/session', '/penstock.v1.AuthService/CreateSession'];

async function setUp(t: TestContext) {
  const handlers = Object.fromEntries(AuthService.methods.map(({ localName }) => [localName, () => ({})]));
  const services = [rpcService(AuthService, handlers as never)];
  const { url } = await rpcServerForTests(t, {}, { services, authenticate: async () => undefined });
  return url;
}

/** What comes back until the end, though the body is never ended. */
async function answerTo(url: string, path: string, headers: string, body: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.setEncoding('latin1').on('error', () => {});
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  const type = 'content-type: application/json';
  socket.write(`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${type}\r\n${headers}\r\n\r\n${body}`);
  await once(socket, 'close');
  return answer;
}

for (const path of PATHS) {
  test(`strangers send 16 KiB at most, and what is larger is not waited for: ${path}`, async (t) => {
    const url = await setUp(t);
    const most = JSON.stringify({ token: { value: 'a' } }).padEnd(16 * KIB);
    const headers = { 'content-type': 'application/json' };
    const fits = await fetch(url + path, { method: 'POST', headers, body: most });
    assert.equal(fits.status, 200, await fits.text());
    const refused = /^HTTP\/1.1 429 .*connection: close\r\n.*"code":"resource_exhausted"/is;
    assert.match(await answerTo(url, path, `content-length: ${16 * KIB + 1}`, ' '), refused);
    const chunk = `${(16 * KIB + 1).toString(16)}\r\n${' '.repeat(16 * KIB + 1)}\r\n`;
    assert.match(await answerTo(url, path, 'transfer-encoding: chunked', chunk), refused);
  });
}
