import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { SERVICES } from '../../src/client/services.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { failed } from '../../src/rpc/error.ts';
import { TlsFiles } from '../../src/rpc/tls-files.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { onEnd } from '../helpers/on-end.ts';
import { PenstockRun } from '../helpers/penstock.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { shell } from '../helpers/shell-blocks.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ID = '0197b6a4-7d53-7b6e-9f3c-3d1f0c9a2e11';
const TOKEN = 'a token of the settings, long enough'.replaceAll(' ', '-');
const NOBODY = '127.0.0.1:1';

interface With {
  /** Where the gRPC port is. Unset: where nobody listens. */
  readonly address?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string | Uint8Array;
}

/** `penstock call` that runs until it ends, or the test does. */
function started(t: TestContext, args: readonly string[], { address = NOBODY, env, input }: With = {}) {
  const run = new PenstockRun(['call', ...args], { PENSTOCK_ADDRESS: address, ...env }, input);
  onEnd(t, () => run.stop('SIGKILL'));
  return run;
}

/** What a call prints that is answered, and nothing beside it. */
async function answers(t: TestContext, args: readonly string[], how: With): Promise<string> {
  const run = started(t, args, how);
  assert.equal(await run.end(60_000), 0, run.output);
  assert.equal(run.errors, '');
  return run.output;
}

/** The lines on stderr of a call that fails, of which nothing else is printed. */
async function fails(t: TestContext, args: readonly string[], how: With = {}): Promise<readonly string[]> {
  const run = started(t, args, how);
  assert.equal(await run.end(60_000), 1, run.output);
  assert.equal(run.output, run.errors);
  return run.errors.trimEnd().split('\n');
}

test('penstock call asks a control plane, with a token', { timeout: 180_000 }, async (t) => {
  const access = { isLoginRequired: true, bootstrapHash: () => hashOfToken(TOKEN) };
  const controlPlane = await controlPlaneForTests(t, { access });
  await executorForTests(t, controlPlane);
  const address = controlPlane.server.grpcAddress;
  const tokenFile = join(await temporaryDirectory(t), 'token');
  writeFileSync(tokenFile, `${TOKEN}\n`);
  const asAdmin = { address, env: { PENSTOCK_TOKEN: TOKEN } };
  const JSON_OF_HTTP = {
    integration: { ...HTTP, configuration: undefined, http: { rest_endpoint_url: 'http://127.0.0.1:9/' } },
  };
  let id = '';

  await t.test('the request comes on stdin, and the answer is JSON, indented', async (part) => {
    const input = JSON.stringify(JSON_OF_HTTP);
    const printed = await answers(part, ['CreateIntegration', '-'], { ...asAdmin, input });
    assert.match(printed, /^\{\n {2}"integration": \{\n {4}"id": "/);
    const { integration } = JSON.parse(printed);
    assert.deepEqual([integration.name, integration.topicFilters], [HTTP.name, HTTP.topicFilters]);
    id = integration.id;
  });

  await t.test('a method has three names, and a token may be in a file', async (part) => {
    for (const name of ['', 'IntegrationService/', 'penstock.v1.IntegrationService/']) {
      const args = [`${name}GetIntegration`, JSON.stringify({ id }), '--token-file', tokenFile];
      const printed = await answers(part, args, { address });
      assert.equal(JSON.parse(printed).integration.id, id);
    }
  });

  await t.test('no request is an empty one, and settings of a server do not matter', async (part) => {
    const env = { ...asAdmin.env, PENSTOCK_GRPC_PORT: 'no port' };
    const printed = await answers(part, ['ListIntegrations'], { address, env });
    assert.equal(JSON.parse(printed).totalSize, 1);
  });

  await t.test('a stream is a line for each message, until Ctrl-C', async (part) => {
    const run = started(part, ['penstock.v1.IntegrationService/WatchIntegrations'], asAdmin);
    await run.says(id);
    await answers(part, ['DisableIntegration', JSON.stringify({ id })], asAdmin);
    await waitUntil('the change is seen', () => run.output.includes('"state":"INTEGRATION_STATE_DISABLED"'));
    const lines = run.output.trimEnd().split('\n');
    assert.ok(lines.length >= 2);
    for (const line of lines) assert.equal(typeof JSON.parse(line), 'object');
    run.child.kill('SIGINT');
    assert.equal(await run.end(10_000), null);
    assert.equal(run.child.signalCode, 'SIGINT');
  });

  await t.test('fields that the server refuses are told, one on a line', async (part) => {
    const wrong = { integration: { ...JSON_OF_HTTP.integration, name: '', topicFilters: ['a/#/b'] } };
    const lines = await fails(part, ['CreateIntegration', JSON.stringify(wrong)], asAdmin);
    assert.equal(lines[0], 'penstock: INVALID_ARGUMENT: the CreateIntegrationRequest is not right:');
    assert.match(lines[1]!, /^ {2}integration\.name: value is required/);
    assert.match(lines[2]!, /^ {2}integration\.topic_filters\[0\]: must be an MQTT topic filter/);
    assert.equal(lines.length, 3);
  });

  await t.test('what is not there is told, and what to do', async (part) => {
    assert.deepEqual(await fails(part, ['GetIntegration', JSON.stringify({ id: ID })], asAdmin), [
      `penstock: NOT_FOUND: integration ${ID} is not known`,
      '  NOT_FOUND: Look at the id. After a deletion that is repeated: it is done.',
    ]);
  });

  await t.test(
    'without a token, or with a wrong one, nobody is let in, and it is not shown',
    async (part) => {
      for (const env of [{}, { PENSTOCK_TOKEN: 'hunter2-hunter2' }]) {
        const lines = await fails(part, ['ListIntegrations'], { address, env });
        assert.match(lines[0]!, /^penstock: UNAUTHENTICATED: /);
        assert.match(lines[1]!, /^ {2}Give a token .* PENSTOCK_TOKEN or with --token-file FILE\.$/);
        assert.doesNotMatch(lines.join(), /hunter2/);
      }
    },
  );
});

test('what is wrong with the command is told before anything is sent', async (t) => {
  const only = async (args: readonly string[], line: RegExp, how: With = {}) => {
    const lines = await fails(t, args, how);
    assert.match(lines[0]!, line);
    assert.equal(lines.length, 1, lines.join('\n'));
  };
  await only(
    ['ListIntegration'],
    /there is no method "ListIntegration"; did you mean ListIntegrations.*\(penstock call --list\)$/,
  );
  await only(
    ['NoService/ListEvents'],
    /there is no method "NoService\/ListEvents"; did you mean ListEvents\?/,
  );
  await only(['penstock.v1.NoService/Whatever'], /there is no method "penstock.v1.NoService\/Whatever" \(/);
  await only(
    ['ListEvents', '--token', 'hunter2'],
    /^penstock: the process list would show a token: put it into/,
  );
  await only(['ListEvents', '{}', '{}'], /^penstock: after ListEvents there is one JSON at most/);
  await only(['ListEvents', '--adress', 'x'], /^penstock: Unknown option '--adress'/);
  await only(
    ['ListEvents', '--address', 'http://x'],
    /^penstock: --address \(PENSTOCK_ADDRESS\): address must be/,
  );
  await only(
    ['ListEvents', '--timeout', 'soon'],
    /^penstock: PENSTOCK_CALL_TIMEOUT_SEC=soon: must be a whole/,
  );
  await only(['ListEvents', '--token-file', '/no/such'], /^penstock: --token-file cannot be read: ENOENT/);
  const badToken = { env: { PENSTOCK_TOKEN: 'hunter2\nx' } };
  await only(['ListEvents'], /^penstock: PENSTOCK_TOKEN: a token is one word of printable ASCII$/, badToken);
  await only(['ListEvents', '--cert', '/x'], /^penstock: --cert and --key go together: give the one/);
  await only(['ListEvents', '--ca', 'package.json'], /^penstock: --ca package.json: cannot be read: /);
  const long = { input: Buffer.alloc((16 << 20) + 1, ' ') };
  await only(['ListEvents', '-'], /^penstock: there are more than 16 MiB on stdin/, long);
  await only(['ListEvents', '-'], /^penstock: what is on stdin is not UTF-8/, { input: Buffer.from([0xff]) });
});

test('everything that does not fit the request is told with its path and the nearest names', async (t) => {
  const json = `{"integration": {"nme": "x", "http": {"rest_endpint_url": 7}, "delivery": {"retries": "many"}}}`;
  assert.deepEqual(await fails(t, ['CreateIntegration', json]), [
    'penstock: the JSON is no CreateIntegrationRequest, nothing was sent:',
    '  integration.nme: there is no such field; did you mean name?',
    '  integration.http.rest_endpint_url: there is no such field; did you mean rest_endpoint_url?',
    '  integration.delivery.retries: must be a whole number from 0 to 4294967295',
    '  integration.topic_filters: must contain at least 1 item(s)',
  ]);
  const [, malformed] = await fails(t, ['ListEvents', '{"page_size": }']);
  assert.match(malformed!, /^ {2}the request is no JSON: /);
});

test('a server that is away is told with its address, and what to do', async (t) => {
  const [line, todo] = await fails(t, ['ListIntegrations']);
  assert.match(line!, /^penstock: UNAVAILABLE: no answer from the server: .*ECONNREFUSED 127\.0\.0\.1:1$/);
  assert.match(
    todo!,
    /^ {2}Nobody answers at 127\.0\.0\.1:1: start Penstock there, .*--address .*: --tls\.$/,
  );
  const [, stream] = await fails(t, ['WatchEvents']);
  assert.match(stream!, /^ {2}Nobody answers at 127\.0\.0\.1:1/);
});

test('a call ends in its time, and the stream when the server ends it', async (t) => {
  const given: (number | undefined)[] = [];
  const { server } = await rpcServerForTests(t, {
    getIntegration: async (_, { signal, timeoutMs }) => {
      given.push(timeoutMs());
      await sleep(60_000, undefined, { signal }).catch(() => {});
      return {};
    },
    watchIntegrations: async function* (_, { timeoutMs }) {
      given.push(timeoutMs());
      yield { integration: { ...INTEGRATION, id: ID } };
      yield { deleted: true };
    },
    restartIntegration: () => {
      throw failed(Code.FAILED_PRECONDITION, 'INTEGRATION_DISABLED', 'it is \x1b[31mdisabled');
    },
  });
  const how = { address: server.grpcAddress };
  const late = await fails(t, ['GetIntegration', JSON.stringify({ id: ID }), '--timeout', '1'], how);
  assert.match(late[0]!, /^penstock: DEADLINE_EXCEEDED: /);
  assert.match(late[1]!, /^ {2}Whether it was done is not known\. --timeout SECONDS gives it more time\.$/);
  const messages = (await answers(t, ['WatchIntegrations'], how)).trimEnd().split('\n');
  assert.deepEqual(
    messages.map((line) => JSON.parse(line)).map(({ integration, deleted }) => integration?.id ?? deleted),
    [ID, true],
  );
  await answers(t, ['WatchIntegrations'], { ...how, env: { PENSTOCK_CALL_TIMEOUT_SEC: '60' } });
  const [one, two, three] = given;
  assert.ok(one! <= 1000, `${one} ms`);
  assert.equal(two, undefined, 'a stream has no end');
  assert.ok(three! <= 60_000, `${three} ms`);
  assert.deepEqual(await fails(t, ['RestartIntegration', JSON.stringify({ id: ID })], how), [
    'penstock: FAILED_PRECONDITION: it is \u{fffd}[31mdisabled',
    '  INTEGRATION_DISABLED: Call EnableIntegration, which starts it.',
  ]);
});

test('Ctrl-C, and a reader that has enough, end the stream at the server', async (t) => {
  let [begun, ended] = [0, 0];
  const { server } = await rpcServerForTests(t, {
    watchIntegrations: async function* (_, { signal }) {
      begun++;
      try {
        for (;;) {
          yield { deleted: true };
          await sleep(50, undefined, { signal });
        }
      } finally {
        ended++;
      }
    },
  });
  const run = started(t, ['WatchIntegrations'], { address: server.grpcAddress });
  await run.says('{"deleted":true}');
  await run.stop('SIGINT');
  assert.equal(run.child.signalCode, 'SIGINT');
  assert.equal(run.errors, '');
  await waitUntil('it ended', () => ended === 1);
  const call = `node src/main.ts call WatchIntegrations --address ${server.grpcAddress}`;
  const piped = shell(`set -o pipefail; ${call} | head -n 1`);
  const [code] = await once(piped.child, 'close');
  assert.deepEqual([code, piped.output], [0, '{"deleted":true}\n']);
  await waitUntil('that ended, too', () => begun === 2 && ended === 2);
  const full = shell(`${call} >/dev/full`);
  assert.deepEqual(await once(full.child, 'close'), [1, null]);
  assert.match(full.output, /^penstock: the answer cannot be written: ENOSPC/);
});

test('over TLS it trusts the authority that it is given, and shows its certificate', async (t) => {
  const authority = await certificateAuthority(t);
  const directory = await temporaryDirectory(t);
  const file = (name: string, content: string) => {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  };
  const [own, client] = [authority.issue('server'), authority.issue('client')];
  const ca = file('ca', authority.ca);
  const paths = { cert: file('cert', own.cert), key: file('key', own.key), clientCa: ca };
  const tls = new TlsFiles(paths, { ...testDeps() });
  t.after(() => tls[Symbol.dispose]());
  const { server } = await rpcServerForTests(t, {}, { tls });
  const address = server.grpcAddress;
  const [cert, key] = [file('client.cert', client.cert), file('client.key', client.key)];
  const shown = ['--cert', cert, '--key', key];
  const remove = ['DeleteIntegration', JSON.stringify({ id: ID })];
  assert.equal(await answers(t, [...remove, '--ca', ca, ...shown], { address }), '{}\n');
  const env = { PENSTOCK_CALL_CA_FILE: ca, PENSTOCK_CALL_CERT_FILE: cert, PENSTOCK_CALL_KEY_FILE: key };
  assert.equal(await answers(t, remove, { address, env }), '{}\n');
  const system = { SSL_CERT_FILE: ca };
  assert.equal(await answers(t, [...remove, '--tls', ...shown], { address, env: system }), '{}\n');
  const [distrusted] = await fails(t, [...remove, '--tls', ...shown], { address });
  assert.match(distrusted!, /^penstock: UNAVAILABLE: .*(unable to verify|self-signed)/);
  const [stranger] = await fails(t, [...remove, '--ca', ca], { address });
  assert.match(stranger!, /^penstock: UNAVAILABLE: /);
  const [plain, todo] = await fails(t, remove, { address });
  assert.match(plain!, /^penstock: UNAVAILABLE: /);
  assert.match(todo!, /If it speaks TLS: --tls\.$/);
});

test('--list has every method with what it is for; --help every option', async (t) => {
  const list = await answers(t, ['--list'], {});
  const lines = list.trimEnd().split('\n');
  const services = Object.values(SERVICES);
  const methods = services.flatMap((service) => service.methods);
  assert.equal(lines.length, services.length + methods.length);
  for (const { name } of methods) assert.match(list, new RegExp(`^  ${name} +[A-Z]\\w`, 'm'));
  for (const args of [['--help'], [], ['ListEvents', '-h']]) {
    const help = await answers(t, args, {});
    for (const option of ['list', 'address', 'token-file', 'tls', 'ca', 'cert', 'key', 'timeout', 'help']) {
      assert.match(help, new RegExp(`^  --${option} `, 'm'));
    }
  }
});
