import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { dataDirectory } from '../helpers/penstock.ts';
import { processesNaming } from '../helpers/processes.ts';
import { installPrograms } from '../helpers/programs.ts';
import { blocksOf, interrupt, keepRunning, shell } from '../helpers/shell-blocks.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** The shell blocks of the README: the command that runs it, the endpoint, then the commands in their order. */
async function blocks() {
  const found = (await blocksOf('README.md')).filter(({ language }) => language === 'sh');
  const [run, endpoint, ...rest] = found;
  assert.equal(run?.text.trim(), 'npm ci && npm start');
  assert.equal(endpoint?.kind, 'receiver');
  assert.equal(rest.at(-1)?.text.trim(), 'npm ci && npm test');
  return { start: 'npm start', endpoint: endpoint.text, commands: rest.slice(0, -1).map(({ text }) => text) };
}

test('the commands of the README, word by word', async (t) => {
  installPrograms(() => {});
  const { start, endpoint, commands } = await blocks();
  const dataDir = await dataDirectory(t);
  const penstock = keepRunning(t, start, { PENSTOCK_DATA_DIR: dataDir });
  await waitUntil(
    'penstock is ready',
    () => {
      assert.equal(penstock.child.exitCode, null, penstock.output);
      return penstock.output.includes('penstock is ready');
    },
    120_000,
  );
  const received = keepRunning(t, endpoint);
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

  await interrupt(penstock.child);
  await waitUntil('nothing is left running', () => processesNaming(dataDir).length === 0);
});
