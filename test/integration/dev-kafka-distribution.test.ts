import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { javaVersion } from '../../src/dev/java.ts';
import { kafkaJars } from '../../src/dev/kafka-distribution.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

/** Makes `programs` (shell scripts by name) the first that are found; the only ones, when `alone`. */
async function withPrograms(
  t: TestContext,
  programs: Record<string, string>,
  alone = false,
): Promise<string> {
  const directory = await temporaryDirectory(t);
  const bin = join(directory, 'bin');
  await mkdir(bin);
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(bin, name), 0o755);
  }
  const before = process.env.PATH ?? '';
  process.env.PATH = alone ? bin : bin + delimiter + before;
  t.after(() => {
    process.env.PATH = before;
  });
  return directory;
}

/** Does to the output directory what Maven does, and counts its runs. */
const mavenInto = (log: string) => `
  echo run >> ${log}
  for argument; do case "$argument" in -DoutputDirectory=*) out="\${argument#*=}";; esac; done
  sleep 0.3
  echo >"$out/kafka_2.13-4.3.1.jar"
  echo >"$out/a-first.jar"
  echo >"$out/no-jar.txt"`;

const options = () => {
  const lines: string[] = [];
  return { clock: systemClock, lines, progress: (line: string) => void lines.push(line) };
};

test('the files of Kafka', async (t) => {
  await t.test('are fetched once, whole, and by several at once without harm', async (t) => {
    const log = join(await temporaryDirectory(t), 'log');
    const directory = await withPrograms(t, { mvn: mavenInto(log) });
    const cache = join(directory, 'cache', 'kafka');
    const given = options();
    const [one, two] = await Promise.all([kafkaJars(cache, given), kafkaJars(cache, given)]);
    const expected = ['a-first.jar', 'kafka_2.13-4.3.1.jar'].map((name) => join(cache, name));
    assert.deepEqual(one, expected);
    assert.deepEqual(two, expected);
    assert.match(given.lines[0] ?? '', /resolving Kafka 4\.3\.1 with Maven \(about 44 MB, once\)/);
    assert.deepEqual(await readdir(join(directory, 'cache')), ['kafka']);
    assert.equal(await readFile(log, 'utf8'), 'run\nrun\n');
    assert.deepEqual(await kafkaJars(cache, given), expected);
    assert.equal(await readFile(log, 'utf8'), 'run\nrun\n');
  });

  await t.test('leave nothing half-fetched when Maven fails, and show what it said', async (t) => {
    const directory = await withPrograms(t, { mvn: 'echo "no route to host"; exit 1' });
    const fetching = kafkaJars(join(directory, 'cache', 'kafka'), options());
    await assert.rejects(fetching, (error: Error) => {
      assert.equal(error.name, 'DevError');
      assert.match(error.message, /Maven could not fetch Kafka: .* point TB_KAFKA_SERVERS at a Kafka/);
      assert.match(String(error.cause), /no route to host/);
      return true;
    });
    assert.deepEqual(await readdir(join(directory, 'cache')), []);
  });

  await t.test('without Maven: the two ways out', async (t) => {
    const directory = await withPrograms(t, {}, true);
    await assert.rejects(kafkaJars(join(directory, 'kafka'), options()), {
      name: 'DevError',
      message: /no Maven.*apt-get install default-jre-headless maven.*TB_KAFKA_SERVERS/,
    });
  });
});

test('Java', async (t) => {
  await t.test('that is missing: the two ways out', async (t) => {
    await withPrograms(t, {}, true);
    await assert.rejects(javaVersion(), {
      name: 'DevError',
      message: /no working Java.*apt-get install default-jre-headless.*TB_KAFKA_SERVERS/,
    });
  });

  await t.test('that is too old', async (t) => {
    await withPrograms(t, { java: `echo 'openjdk version "11.0.2" 2019-01-15' >&2` });
    await assert.rejects(javaVersion(), /Java 11 is too old for Kafka, which needs 17/);
  });
});
