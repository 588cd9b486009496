import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { onEnd } from '../helpers/on-end.ts';
import { dataDirectory } from '../helpers/penstock.ts';
import { descendants, processesNaming } from '../helpers/processes.ts';
import { installPrograms } from '../helpers/programs.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ROOT = new URL('../..', import.meta.url).pathname;

/** A command of the README in a shell of its own; what it printed so far is in `output`. */
function shell(command: string, env: NodeJS.ProcessEnv = {}) {
  const child = spawn('bash', ['-euc', command], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const running = { child, output: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      running.output += chunk;
    });
  }
  return running;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  for (const pid of [...descendants(child.pid!), child.pid!]) {
    try {
      process.kill(pid, 'SIGINT');
    } catch {} // it has ended
  }
  await once(child, 'exit');
}

/** The shell blocks of the README: the command that runs it, the endpoint, then the commands in their order. */
async function blocks() {
  const readme = await readFile(`${ROOT}/README.md`, 'utf8');
  const found = [...readme.matchAll(/^```sh *(\w*)\n(.*?)^```$/gms)].map(([, kind, text]) => ({
    kind,
    text: text!,
  }));
  const [run, endpoint, ...rest] = found;
  assert.equal(run?.text.trim(), 'npm ci && npm start');
  assert.equal(endpoint?.kind, 'receiver');
  assert.equal(rest.at(-1)?.text.trim(), 'npm ci && npm test');
  return { start: 'npm start', endpoint: endpoint.text, commands: rest.slice(0, -1).map(({ text }) => text) };
}

async function keepRunning(t: TestContext, command: string, env?: NodeJS.ProcessEnv) {
  const running = shell(command, env);
  onEnd(t, () => end(running.child));
  return running;
}

test('the commands of the README, word by word', async (t) => {
  installPrograms(() => {});
  const { start, endpoint, commands } = await blocks();
  const dataDir = await dataDirectory(t);
  const penstock = await keepRunning(t, start, { PENSTOCK_DATA_DIR: dataDir });
  await waitUntil(
    'penstock is ready',
    () => {
      assert.equal(penstock.child.exitCode, null, penstock.output);
      return penstock.output.includes('penstock is ready');
    },
    120_000,
  );
  const received = await keepRunning(t, endpoint);
  const printed: string[] = [];
  for (const command of commands) {
    const running = shell(command);
    const [code] = await once(running.child, 'close');
    assert.equal(code, 0, `${command}\n${running.output}`);
    printed.push(running.output);
  }
  await waitUntil(
    'both messages arrived',
    () => /sensors\/1/.test(received.output) && /alarms\/fire/.test(received.output),
  );
  const envelope = JSON.parse(received.output.split('\n').find((line) => line.includes('sensors/1'))!);
  assert.deepEqual(envelope.payload, { temperature: 25 });
  assert.deepEqual(envelope.metadata, { integrationName: 'to http' });
  assert.match(printed[0]!, /"id":/);
  assert.match(printed.at(-1)!, /"name":"to http"/);
  assert.match(printed.at(-1)!, /LIFECYCLE_ACTION_STARTED/);
  assert.match(printed.at(-1)!, /penstock_integration_messages_total/);

  await end(penstock.child);
  await waitUntil('nothing is left running', () => processesNaming(dataDir).length === 0);
});
