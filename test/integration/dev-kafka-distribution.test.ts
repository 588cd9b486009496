import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { javaVersion } from '../../src/dev/java.ts';
import { kafkaJars } from '../../src/dev/kafka-distribution.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { withPrograms } from '../helpers/with-programs.ts';

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
    const directory = await temporaryDirectory(t);
    const log = join(directory, 'log');
    await withPrograms(t, { mvn: mavenInto(log) });
    const cache = join(directory, 'cache', 'kafka');
    const given = options();
    const [one, two] = await Promise.all([kafkaJars(cache, given), kafkaJars(cache, given)]);
    const expected = ['a-first.jar', 'kafka_2.13-4.3.1.jar'].map((name) => join(cache, name));
    assert.deepEqual(one, expected);
    assert.deepEqual(two, expected);
    assert.match(given.lines[0] ?? '', /resolving Kafka 4\.3\.1 with Maven \(about 65 MB, once\)/);
    assert.deepEqual(await readdir(join(directory, 'cache')), ['kafka']);
    assert.equal(await readFile(log, 'utf8'), 'run\nrun\n');
    assert.deepEqual(await kafkaJars(cache, given), expected);
    assert.equal(await readFile(log, 'utf8'), 'run\nrun\n');
  });

  await t.test('leave nothing half-fetched when Maven fails, and show what it said', async (t) => {
    const directory = await temporaryDirectory(t);
    await withPrograms(t, { mvn: 'echo "no route to host"; exit 1' });
    const fetching = kafkaJars(join(directory, 'cache', 'kafka'), options());
    await assert.rejects(fetching, (error: Error) => {
      assert.equal(error.name, 'UserError');
      assert.match(
        error.message,
        /Maven could not fetch Kafka \(no route to host\): .* point TB_KAFKA_SERVERS at a Kafka/,
      );
      return true;
    });
    assert.deepEqual(await readdir(join(directory, 'cache')), []);
  });

  await t.test('without Maven: the two ways out', async (t) => {
    const directory = await temporaryDirectory(t);
    await withPrograms(t, {}, true);
    await assert.rejects(kafkaJars(join(directory, 'kafka'), options()), {
      name: 'UserError',
      message: /no Maven.*apt-get install default-jre-headless maven.*TB_KAFKA_SERVERS/,
    });
  });
});

test('Java', async (t) => {
  await t.test('that is missing: the two ways out', async (t) => {
    await withPrograms(t, {}, true);
    await assert.rejects(javaVersion(), {
      name: 'UserError',
      message: /no working Java.*apt-get install default-jre-headless.*TB_KAFKA_SERVERS/,
    });
  });

  await t.test('that is too old', async (t) => {
    await withPrograms(t, { java: `echo 'openjdk version "11.0.2" 2019-01-15' >&2` });
    await assert.rejects(javaVersion(), /Java 11 is too old for Kafka, which needs 17/);
  });
});
