import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from '../../src/dev/free-port.ts';
import { startKafka } from '../../src/dev/kafka-server.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { toolCommand } from '../helpers/kafka-tools.ts';
import { onEnd } from '../helpers/on-end.ts';
import { dataDirectory, PenstockRun } from '../helpers/penstock.ts';
import { installPrograms } from '../helpers/programs.ts';
import { type Block, blocksOf, keepRunning, shell, shows } from '../helpers/shell-blocks.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { withPrograms } from '../helpers/with-programs.ts';

/** What runs in the background is listening by then, as for a reader who goes on to the next block. Milliseconds. */
const GOING = 1500;

async function runs(command: string): Promise<string> {
  const running = shell(command);
  const [code] = await once(running.child, 'close');
  assert.equal(code, 0, `${command}\n${running.output}`);
  return running.output;
}

/**
 * Runs the blocks of a page, word by word. `sh` runs to its end, `sh receiver` in the background; `answer` is what the last command printed, `receiver` what a receiver prints.
 */
async function runPage(t: TestContext, blocks: readonly Block[]): Promise<void> {
  const receivers: ReturnType<typeof shell>[] = [];
  let answer = '';
  for (const { language, kind, text } of blocks) {
    if (language === 'sh' && kind === 'receiver') {
      receivers.push(keepRunning(t, text));
      await sleep(GOING);
    } else if (language === 'sh') answer = await runs(text);
    else if (kind === 'answer') assert.ok(shows(answer, text), `expected\n${text}but it says\n${answer}`);
    else if (kind === 'receiver') {
      const arrived = () => receivers.some(({ output }) => shows(output, text));
      await waitUntil(text, arrived, 15_000).catch(() => {});
      assert.ok(arrived(), `expected\n${text}but receivers say\n${receivers.map(({ output }) => output)}`);
    }
  }
}

/** The Kafka that docs/kafka.md takes for granted, with its tools. */
async function kafkaOfTheReader(t: TestContext): Promise<void> {
  const kafka = await startKafka({
    dataDir: await dataDirectory(t),
    isOpen: true,
    progress: () => {},
    clock: systemClock,
    findPorts: async (count) => [9092, ...(await freePorts(count - 1))],
  });
  onEnd(t, () => kafka[Symbol.asyncDispose]());
  const script = async (javaClass: string) => `exec ${(await toolCommand(javaClass)).join(' ')} "$@"`;
  await withPrograms(t, {
    'kafka-topics.sh': await script('org.apache.kafka.tools.TopicCommand'),
    'kafka-console-consumer.sh': await script('org.apache.kafka.tools.consumer.ConsoleConsumer'),
  });
}

test('the examples of docs/, word by word', async (t) => {
  installPrograms(() => {});
  await kafkaOfTheReader(t);
  const penstock = new PenstockRun(['dev', '--data-dir', await dataDirectory(t)]);
  onEnd(t, () => penstock.stop());
  await penstock.says('penstock is ready');
  for (const name of [
    'http',
    'mqtt',
    'kafka',
    'api',
    'status',
    'cli',
    'figures',
    'dead-letters',
    'messages',
  ]) {
    await t.test(`docs/${name}.md`, async (page) => runPage(page, await blocksOf(`docs/${name}.md`)));
  }
});
