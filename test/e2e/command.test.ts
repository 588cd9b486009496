import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SETTINGS } from '../../src/runtime/settings.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { onEnd } from '../helpers/on-end.ts';
import { dataDirectory, PenstockRun, startDevForTests } from '../helpers/penstock.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { descendants, processesNaming } from '../helpers/processes.ts';
import { secretKeysText } from '../helpers/secret-keys.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const FREE_PORTS = ['--grpc-port', '0', '--http-port', '0', '--mqtt-port', '0'];

/** Runs the command to its end. */
async function penstock(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const run = new PenstockRun(args, env);
  onEnd(t, () => run.stop('SIGKILL'));
  return { code: await run.end(60_000), output: run.output, errors: run.errors };
}

/** It ends with exit code 1 and these lines, and says nothing else that could hide them. */
async function refuses(
  t: TestContext,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  ...lines: readonly RegExp[]
) {
  const { code, output, errors } = await penstock(t, args, env);
  assert.equal(code, 1, output);
  const printed = errors
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('{')); // the log
  assert.equal(printed.length, lines.length, output);
  for (const [i, line] of lines.entries()) assert.match(printed[i]!, line);
  return output;
}

/** A directory with these programs alone: links to those of the machine, or scripts. */
async function programs(t: TestContext, found: Readonly<Record<string, string>>): Promise<string> {
  const bin = join(await temporaryDirectory(t), 'bin');
  await mkdir(bin);
  for (const [name, target] of Object.entries(found)) {
    if (target.startsWith('/')) await symlink(target, join(bin, name));
    else {
      await writeFile(join(bin, name), `#!/bin/sh\n${target}\n`);
      await chmod(join(bin, name), 0o755);
    }
  }
  return bin;
}

test('--help names every command and option, and what each needs', async (t) => {
  for (const args of [
    ['--help'],
    ['-h'],
    ['help'],
    [],
    ['dev', '--help'],
    ['admin'],
    ['admin', 'rotate-keys', '-h'],
  ]) {
    const { code, output, errors } = await penstock(t, args);
    assert.equal(code, 0);
    assert.equal(errors, '');
    const commands = [
      'dev',
      'demo',
      'control-plane',
      'ingress',
      'executor',
      'start',
      'call',
      'settings',
      'admin',
    ];
    for (const command of commands) assert.match(output, new RegExp(`^  ${command} `, 'm'));
    for (const option of ['--grpc-port', '--http-port', '--mqtt-port', '--data-dir', '--help']) {
      assert.match(output, new RegExp(`^  ${option} `, 'm'));
    }
    for (const [name] of output.matchAll(/\b(TB|PENSTOCK)_\w+/g)) assert.ok(name in SETTINGS, name);
  }
});

test('settings prints every setting with its help and value, and no secret', async (t) => {
  const { code, output, errors } = await penstock(t, ['settings', '--grpc-port', '7070'], {
    PENSTOCK_POSTGRES_URL: 'postgres://me:hunter2@db/penstock',
    TB_KAFKA_SERVERS: 'one:9092, two:9092',
    PENSTOCK_SECRET_KEYS: secretKeysText('k1'),
  });
  assert.equal(code, 0);
  assert.equal(errors, '');
  for (const [name, { help }] of Object.entries(SETTINGS)) {
    assert.match(output, new RegExp(`^${name}=`, 'm'));
    assert.ok(output.includes(help), `the help of ${name}`);
  }
  assert.match(output, /^PENSTOCK_GRPC_PORT=7070$/m);
  assert.match(output, /^TB_KAFKA_SERVERS=one:9092,two:9092$/m);
  assert.match(output, /^PENSTOCK_POSTGRES_URL=\*\*\*$/m);
  assert.match(output, /^PENSTOCK_SECRET_KEYS=\*\*\*$/m);
  assert.doesNotMatch(output, /hunter2/);
  assert.ok(!output.includes(secretKeysText('k1').slice(3)));
});

test('what is not known is refused in one line', async (t) => {
  await refuses(t, ['serve'], {}, /^penstock: there is no command serve: penstock --help lists them$/);
  await refuses(t, ['admin', 'serve'], {}, /^penstock: there is no command admin serve: penstock --help/);
  await refuses(t, ['admin', 'rotate-keys', '--data-dir', 'x'], {}, /^penstock: --data-dir belongs to dev/);
  await refuses(t, ['dev', '--port', '1'], {}, /^penstock: Unknown option '--port'.*penstock --help/);
  await refuses(t, ['dev', 'now'], {}, /^penstock: .*'now'.*penstock --help/);
  await refuses(t, ['dev', '--grpc-port'], {}, /^penstock: .*--grpc-port.*argument missing.*penstock --help/);
  await refuses(t, ['ingress', '--data-dir', 'x'], {}, /^penstock: --data-dir belongs to dev and demo/);
  const cert = { PENSTOCK_TLS_CERT_FILE: '/nowhere/tls.crt' };
  await refuses(
    t,
    ['ingress'],
    cert,
    /^penstock: TLS takes both PENSTOCK_TLS_CERT_FILE and PENSTOCK_TLS_KEY_FILE/,
  );
  const both = { ...cert, PENSTOCK_TLS_KEY_FILE: '/nowhere/tls.key' };
  await refuses(t, ['ingress'], both, /^penstock: PENSTOCK_TLS_CERT_FILE cannot be read: ENOENT.*tls\.crt/);
  await refuses(t, ['demo'], both, /^penstock: the demo calls without TLS/);
});

test('wrong values are refused all at once, a line each, and secrets are not repeated', async (t) => {
  const output = await refuses(
    t,
    ['start', '--http-port', 'abc'],
    { PENSTOCK_GRPC_PORT: '99999', TB_SERVICE_TYPE: 'other', INTEGRATIONS_REINIT_ENABLED: 'yes' },
    /TB_SERVICE_TYPE=other: must be one of tbmq, tbmq-integration-executor/,
    /INTEGRATIONS_REINIT_ENABLED=yes: must be true or false/,
    /PENSTOCK_GRPC_PORT=99999: must be a whole number from 0 to 65535/,
    /PENSTOCK_HTTP_PORT=abc: must be a whole number from 0 to 65535/,
  );
  assert.match(output, /^penstock: /);
});

test('keys that cannot be used are refused in one line, without telling them', async (t) => {
  const keys = secretKeysText('k1');
  const key = keys.slice(3);
  const servers = { TB_KAFKA_SERVERS: '127.0.0.1:1', PENSTOCK_POSTGRES_URL: 'postgres://me@127.0.0.1:1/x' };
  const both = { PENSTOCK_SECRET_KEYS: keys, PENSTOCK_SECRET_KEYS_FILE: '/nowhere/keys' };
  const missing = { PENSTOCK_SECRET_KEYS_FILE: '/nowhere/keys' };
  for (const args of [
    ['executor', ...FREE_PORTS],
    ['admin', 'rotate-keys'],
  ]) {
    const outputs = [
      await refuses(
        t,
        args,
        { ...servers, ...both },
        /^penstock: PENSTOCK_SECRET_KEYS_FILE and .* are both set/,
      ),
      await refuses(
        t,
        args,
        { ...servers, PENSTOCK_SECRET_KEYS: key },
        /^penstock: PENSTOCK_SECRET_KEYS: key 1 must be/,
      ),
      await refuses(
        t,
        args,
        { ...servers, ...missing },
        /^penstock: PENSTOCK_SECRET_KEYS_FILE cannot be read: ENOENT/,
      ),
    ];
    for (const output of outputs) assert.ok(!output.includes(key));
  }
  await refuses(
    t,
    ['admin', 'rotate-keys'],
    servers,
    /^penstock: there is no key to encrypt with: set PENSTOCK/,
  );
  const found = { ...servers, PENSTOCK_SECRET_KEYS: keys };
  await refuses(
    t,
    ['admin', 'rotate-keys'],
    found,
    /^penstock: PostgreSQL does not answer: .*set PENSTOCK_POSTGRES_URL/,
  );
});

test('settings for getting into Kafka that contradict each other are refused in one line', async (t) => {
  const user = { PENSTOCK_KAFKA_SASL_USERNAME: 'me', PENSTOCK_KAFKA_SASL_PASSWORD: 'hunter2' };
  const line =
    /^penstock: PENSTOCK_KAFKA_SASL_USERNAME is set, but not PENSTOCK_KAFKA_SASL_MECHANISM: set that/;
  const output = await refuses(
    t,
    ['ingress', ...FREE_PORTS],
    { ...user, TB_KAFKA_SERVERS: '127.0.0.1:1' },
    line,
  );
  assert.doesNotMatch(output, /hunter2/);
  const dataDir = await dataDirectory(t);
  const dev = /^penstock: PENSTOCK_KAFKA_TLS belongs to a Kafka of TB_KAFKA_SERVERS: set that, too, or unset/;
  await refuses(t, ['dev', ...FREE_PORTS, '--data-dir', dataDir], { PENSTOCK_KAFKA_TLS: 'true' }, dev);
  const printed = await penstock(t, ['settings'], { ...user, PENSTOCK_KAFKA_SASL_MECHANISM: 'PLAIN' });
  assert.match(printed.output, /^PENSTOCK_KAFKA_SASL_PASSWORD=\*\*\*$/m);
  assert.doesNotMatch(printed.output, /hunter2/);
});

test('a port that cannot be had is told before any server is started', async (t) => {
  const dataDir = await dataDirectory(t);
  const dev = (...ports: readonly string[]) => ['dev', '--data-dir', dataDir, ...FREE_PORTS, ...ports];
  const server = createServer().listen(0, '127.0.0.1');
  await waitUntil('it listens', () => server.listening);
  onEnd(t, () => server.close());
  const { port } = server.address() as AddressInfo;
  for (const option of ['--grpc-port', '--http-port', '--mqtt-port']) {
    const line = new RegExp(`^penstock: port ${port} is in use: free it, or choose another with ${option}$`);
    await refuses(t, dev(option, String(port)), {}, line);
  }
  const twice = ['--grpc-port', '39417', '--http-port', '39417'];
  await refuses(t, dev(...twice), {}, /^penstock: port 39417 is in use: .*--http-port$/);
  const elsewhere = { PENSTOCK_BIND_ADDRESS: '192.0.2.1', PENSTOCK_LOGIN: 'required' };
  await refuses(t, dev(), elsewhere, /^penstock: cannot listen on 192\.0\.2\.1.*PENSTOCK_BIND_ADDRESS/);
  assert.deepEqual(
    [existsSync(join(dataDir, 'kafka')), existsSync(join(dataDir, 'postgres'))],
    [false, false],
  );
});

test('an API that others reach is not started without a login', async (t) => {
  const open =
    /^penstock: PENSTOCK_BIND_ADDRESS=0\.0\.0\.0 would let everybody in .*PENSTOCK_LOGIN=required.*create-token/;
  const everywhere = { PENSTOCK_BIND_ADDRESS: '0.0.0.0', TB_KAFKA_SERVERS: '127.0.0.1:1' };
  for (const role of ['control-plane', 'ingress', 'dev']) {
    const dataDir = role === 'dev' ? ['--data-dir', await dataDirectory(t)] : [];
    await refuses(t, [role, ...FREE_PORTS, ...dataDir], everywhere, open);
  }
  const short = { PENSTOCK_BOOTSTRAP_TOKEN: 'hunter2' };
  const output = await refuses(
    t,
    ['ingress'],
    short,
    /^penstock: PENSTOCK_BOOTSTRAP_TOKEN: must be 32 printable/,
  );
  assert.doesNotMatch(output, /hunter2/);
});

test('admin create-token says what is wrong with its options', async (t) => {
  const create = (...options: readonly string[]) => ['admin', 'create-token', ...options];
  await refuses(
    t,
    create('--name', 'x'),
    {},
    /^penstock: --role must be one of viewer, operator, editor, admin$/,
  );
  await refuses(t, create('--role', 'editr'), {}, /^penstock: --role .*: did you mean editor\?$/);
  await refuses(t, create('--role', 'admin'), {}, /^penstock: --name: value is required$/);
  const forever = create('--name', 'x', '--role', 'admin', '--expires', 'never');
  await refuses(t, forever, {}, /^penstock: --expires must be days or hours from now, e\.g\. 90d or 12h$/);
  await refuses(t, ['admin', 'rotate-keys', '--role', 'admin'], {}, /Unknown option '--role'/);
  const nowhere = { PENSTOCK_POSTGRES_URL: 'postgres://127.0.0.1:1/x' };
  await refuses(t, create('--name', 'x', '--role', 'admin'), nowhere, /PENSTOCK_POSTGRES_URL/);
});

test('without Java, or without Maven when Kafka is not here yet, the two ways out are told', async (t) => {
  const dev = async () => ['dev', ...FREE_PORTS, '--data-dir', await dataDirectory(t)];
  const noJava = { PATH: await programs(t, {}), HOME: await temporaryDirectory(t) };
  const java =
    /^penstock: there is no working Java, which Kafka needs: install it \(.*\), or point TB_KAFKA_SERVERS at a Kafka$/;
  await refuses(t, await dev(), noJava, java);
  const noMaven = {
    PATH: await programs(t, { java: `echo 'openjdk version "21.0.1"' >&2` }),
    HOME: await temporaryDirectory(t),
  };
  const maven =
    /^penstock: there is no Maven, which fetches Kafka once: install it \(.*\), or point TB_KAFKA_SERVERS at a Kafka$/;
  await refuses(t, await dev(), noMaven, maven);
});

test('Ctrl-C while it starts ends it in order, whenever it comes', async (t) => {
  const dataDir = await dataDirectory(t);
  for (const moment of [
    'starting Kafka',
    'PostgreSQL is ready',
    'starting control plane',
    'Kafka is ready',
  ]) {
    const run = new PenstockRun(['dev', ...FREE_PORTS, '--data-dir', dataDir]);
    onEnd(t, () => run.stop('SIGKILL'));
    await run.says(moment);
    assert.equal(await run.interrupt(), 0, `after ${moment}: ${run.output}`);
    assert.equal(run.errors, '');
    assert.doesNotMatch(run.output, /penstock is ready/);
    assert.deepEqual(processesNaming(dataDir), [], `after ${moment}`);
  }
});

test('a data directory has one run; kill -9 leaves one that starts again; Ctrl-C leaves nothing', async (t) => {
  const dataDir = await dataDirectory(t);
  const first = await startDevForTests(t, dataDir);
  const inUse =
    /^penstock: \S+ is in use by another run \(pid \d+\): stop it, or choose another with --data-dir$/;
  await refuses(t, ['dev', ...FREE_PORTS, '--data-dir', dataDir], {}, inUse);

  const servers = ['kafka.pid', 'postgres.pid'].map((name) =>
    Number(readFileSync(join(dataDir, name), 'utf8')),
  );
  await first.killAll([]);
  assert.ok(
    servers.every((pid) => existsSync(`/proc/${pid}`)),
    'the servers outlive the kill',
  );
  const second = await startDevForTests(t, dataDir);
  assert.deepEqual(
    servers.filter((pid) => existsSync(`/proc/${pid}`)),
    [],
    'the orphans are gone',
  );

  const all = [second.child.pid!, ...descendants(second.child.pid!)];
  assert.equal(await second.interrupt(), 0, second.output);
  assert.deepEqual(
    all.filter((pid) => existsSync(`/proc/${pid}`)),
    [],
  );
  assert.deepEqual(processesNaming(dataDir), []);
});

/** A module that makes a process fail on SIGUSR2, outside of everything that could catch it. */
const DEFECT = "data:text/javascript,process.on('SIGUSR2', () => { throw new Error('a defect') })";

test('an error that nobody caught ends it with all it started, and the next run starts', async (t) => {
  const dataDir = await dataDirectory(t);
  const run = await startDevForTests(t, dataDir, 'dev', { NODE_OPTIONS: `--import="${DEFECT}"` });
  assert.ok(processesNaming(dataDir).length > 1);
  run.child.kill('SIGUSR2');
  assert.equal(await run.end(60_000), 1, run.output);
  assert.match(run.errors, /^penstock: a defect$/m);
  assert.match(run.errors, /"level":"error".*"stack":"Error: a defect/);
  assert.deepEqual(processesNaming(dataDir), []);
  for (const file of ['kafka.pid', 'postgres.pid'])
    assert.equal(existsSync(join(dataDir, file)), false, file);
  await startDevForTests(t, dataDir);
});

test('a second Ctrl-C ends it at once, and the servers follow', async (t) => {
  const dataDir = await dataDirectory(t);
  const run = await startDevForTests(t, dataDir);
  const kafka = Number(readFileSync(join(dataDir, 'kafka.pid'), 'utf8'));
  process.kill(kafka, 'SIGSTOP');
  onEnd(t, () => existsSync(`/proc/${kafka}`) && process.kill(kafka, 'SIGKILL'));
  run.child.kill('SIGINT');
  await run.says('once more ends it at once');
  await sleep(1000);
  assert.ok(run.isRunning, 'it waits for Kafka');
  run.child.kill('SIGINT');
  assert.equal(await run.end(5000), 130);
  process.kill(kafka, 'SIGCONT');
  await waitUntil('nothing is left', () => processesNaming(dataDir).length === 0);
});

test('a role tells in one line which server or port it misses', async (t) => {
  const kafka = /^penstock: cannot reach Kafka at 127\.0\.0\.1:1: start it, or set TB_KAFKA_SERVERS$/;
  for (const role of ['control-plane', 'ingress', 'executor']) {
    await refuses(t, [role, ...FREE_PORTS], { TB_KAFKA_SERVERS: '127.0.0.1:1' }, kafka);
  }
  const url = new URL(await databaseForTests(t));
  url.password = 'hunter2';
  const env = {
    TB_KAFKA_SERVERS: await kafkaForTests(),
    PENSTOCK_KAFKA_PREFIX: 'command-test',
    PENSTOCK_POSTGRES_URL: url.href,
  };
  const postgres = /^penstock: PostgreSQL at \S+ cannot be used: .*password.*set PENSTOCK_POSTGRES_URL\.$/;
  const output = await refuses(t, ['control-plane', ...FREE_PORTS], env, postgres);
  assert.doesNotMatch(output, /hunter2/);

  const taken = createServer().listen(0, '127.0.0.1');
  await waitUntil('it listens', () => taken.listening);
  onEnd(t, () => taken.close());
  const { port } = taken.address() as AddressInfo;
  for (const option of ['--grpc-port', '--http-port', '--mqtt-port']) {
    const line = new RegExp(`^penstock: port ${port} is in use: free it, or choose another with .*${option}`);
    await refuses(t, ['ingress', ...FREE_PORTS, option, String(port)], env, line);
  }

  const waiting = new PenstockRun(['control-plane', ...FREE_PORTS], {
    ...env,
    PENSTOCK_POSTGRES_URL: 'postgres://penstock@127.0.0.1:1/penstock',
  });
  onEnd(t, () => waiting.stop('SIGKILL'));
  await waiting.says('waiting for PostgreSQL');
  assert.equal(await waiting.interrupt(), 0, waiting.output);
});
