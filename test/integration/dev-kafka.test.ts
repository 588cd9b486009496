import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { access, readFile, stat, truncate } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { freePorts } from '../../src/dev/free-port.ts';
import { clusterIdOf } from '../../src/dev/kafka-probe.ts';
import { type KafkaOptions, type KafkaServer, startKafka } from '../../src/dev/kafka-server.ts';
import { commandLineOf } from '../../src/dev/process-table.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { toolCommand } from '../helpers/kafka-tools.ts';
import { kill9, killAfter, runApart } from '../helpers/run-apart.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const TOPIC = 'kept';

async function start(t: TestContext, dataDir: string, options: Partial<KafkaOptions> = {}) {
  const server = await startKafka({ dataDir, clock: systemClock, progress: () => {}, ...options });
  t.after(() => server[Symbol.asyncDispose]());
  return server;
}

/** Adds a record to the topic, and answers how many it has. */
async function produce({ bootstrapServers, login }: Pick<KafkaServer, 'bootstrapServers' | 'login'>) {
  const kafka = new Kafka({
    brokers: [bootstrapServers],
    ...(login && { sasl: { mechanism: 'plain', ...login } }),
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  try {
    await admin.connect();
    await producer.connect();
    await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }], waitForLeaders: true });
    await producer.send({ topic: TOPIC, acks: -1, messages: [{ value: 'one' }] });
    return Number((await admin.fetchTopicOffsets(TOPIC))[0]?.high);
  } finally {
    await producer.disconnect();
    await admin.disconnect();
  }
}

const pidIn = async (dataDir: string) => Number(await readFile(join(dataDir, 'kafka.pid'), 'utf8'));

test('the embedded Kafka', async (t) => {
  const dataDir = await temporaryDirectory(t);

  await t.test('starts on loopback, and stops without a trace', async (t) => {
    const lines: string[] = [];
    const server = await start(t, dataDir, { progress: (line) => lines.push(line) });
    assert.equal(lines.at(-2), 'starting Kafka…');
    assert.match(
      lines.at(-1) ?? '',
      /^Kafka is ready on 127\.0\.0\.1:\d+ \(\d+\.\d s\); its login is in \S+client\.properties$/,
    );
    assert.equal(await produce(server), 1);
    const pid = await pidIn(dataDir);
    await server[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    assert.equal(commandLineOf(pid), undefined);
    await assert.rejects(access(join(dataDir, 'kafka.pid')));
  });

  await t.test('keeps its data when it is killed, and tells that it ended', async (t) => {
    const server = await start(t, dataDir);
    assert.equal(await produce(server), 2);
    process.kill(await pidIn(dataDir), 'SIGKILL');
    assert.match((await server.failed).message, /^Kafka ended \(SIGKILL\): see .*kafka\.log$/);
    const again = await start(t, dataDir);
    assert.equal(await produce(again), 3);
  });

  await t.test('that a killed run left behind is stopped by the next', async (t) => {
    const { child, firstLine } = await runApart(
      t,
      `const { startKafka } = await import(root + 'src/dev/kafka-server.ts');
       const { systemClock } = await import(root + 'src/runtime/clock.ts');
       const server = await startKafka({ dataDir: ${JSON.stringify(dataDir)}, clock: systemClock, progress() {} });
       console.log(JSON.stringify({ ...server, failed: undefined }));
       process.stdin.resume();`,
    );
    killAfter(t, await pidIn(dataDir), join(dataDir, 'kafka', 'server.properties'));
    await kill9(child);
    assert.equal(await produce(JSON.parse(firstLine)), 4);
    const orphan = await pidIn(dataDir);
    const server = await start(t, dataDir);
    assert.equal(commandLineOf(orphan), undefined);
    assert.equal(await produce(server), 5);
  });

  await t.test('lets in nobody but who can read the data directory', async (t) => {
    const server = await start(t, dataDir);
    assert.equal(await produce(server), 6);
    const { bootstrapServers, login } = server;
    await assert.rejects(produce({ bootstrapServers, login: undefined }));
    await assert.rejects(produce({ bootstrapServers, login: { ...login!, password: 'guessed' } }));
    const properties = join(dataDir, 'kafka', 'server.properties');
    const listeners = /^listeners=BROKER:\/\/\S+:(\d+),CONTROLLER:\/\/\S+:(\d+)$/m;
    const [, ...ports] = listeners.exec(await readFile(properties, 'utf8')) ?? [];
    assert.equal(ports.length, 2);
    for (const port of ports.map(Number)) {
      await assert.rejects(clusterIdOf(port, 5000), /closed the connection/);
      const wrong = { ...login!, password: 'guessed' };
      await assert.rejects(clusterIdOf(port, 5000, wrong), /lets nobody in|closed the connection/);
    }
    for (const file of [
      properties,
      join(dataDir, 'kafka', 'client.properties'),
      join(dataDir, 'kafka.log'),
    ]) {
      assert.equal((await stat(file)).mode & 0o077, 0, file);
    }
    assert.equal((await stat(join(dataDir, 'kafka'))).mode & 0o077, 0);
    const { stdout } = spawnSync('grep', ['-rlF', login!.password, dataDir], { encoding: 'utf8' });
    assert.deepEqual(stdout.trim().split('\n').toSorted(), [
      join(dataDir, 'kafka', 'client.properties'),
      properties,
    ]);
  });

  await t.test("is used by Kafka's own tools with its client.properties", async (t) => {
    const { bootstrapServers } = await start(t, dataDir);
    const [command, ...args] = await toolCommand('org.apache.kafka.tools.TopicCommand');
    const config = join(dataDir, 'kafka', 'client.properties');
    const list = ['--list', '--bootstrap-server', bootstrapServers, '--command-config', config];
    const { stdout, stderr } = spawnSync(command!, [...args, ...list], { encoding: 'utf8' });
    assert.ok(stdout.split('\n').includes(TOPIC), stdout + stderr);
  });

  await t.test('takes other ports when one was taken in between', async (t) => {
    const rival = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    rival.listen(0, '127.0.0.1');
    t.after(() => rival.close());
    await once(rival, 'listening');
    const { port } = rival.address() as { port: number };
    await assert.rejects(clusterIdOf(port, 1000), /is no Kafka|closed the connection/);
    const ports = [[port, ...(await freePorts(1))], await freePorts(2)];
    const server = await start(t, dataDir, { findPorts: async () => ports.shift() ?? [] });
    assert.deepEqual(ports, []);
    assert.notEqual(server.bootstrapServers, `127.0.0.1:${port}`);
  });

  await t.test('is stopped when its start is given up', async (t) => {
    const giveUp = new AbortController();
    const progress = () => setTimeout(() => giveUp.abort(new Error('given up')), 200);
    await assert.rejects(start(t, dataDir, { progress, signal: giveUp.signal }), /given up/);
    await assert.rejects(access(join(dataDir, 'kafka.pid')));
  });

  await t.test('that cannot start says where to look, and shows the end of its log', async (t) => {
    await truncate(join(dataDir, 'kafka', 'data', 'meta.properties'));
    await assert.rejects(start(t, dataDir), (error: Error) => {
      assert.match(error.message, /^Kafka ended \(exit code 1\): see .*kafka\.log$/);
      assert.match(String(error.cause), /node ID not found/);
      return true;
    });
  });
});

test('a cluster id may begin with a hyphen, as one in 64 does', async (t) => {
  const newClusterId = () => '-bcdefghijklmnopqrstuQ';
  const options = { newClusterId, isOpen: true };
  const { bootstrapServers } = await start(t, await temporaryDirectory(t), options);
  assert.equal(await clusterIdOf(Number(bootstrapServers.split(':')[1]), 5000), newClusterId());
});
