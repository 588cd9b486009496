import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger, type LogLevel } from '../../src/runtime/logger.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

function world(level: LogLevel = 'info') {
  const clock = new FakeClock();
  const lines: Line[] = [];
  const written: string[] = [];
  const logger = createLogger(level, clock, (line) => {
    written.push(line);
    lines.push(JSON.parse(line));
  });
  return { clock, lines, written, logger };
}

test('a line is one object with its fields, of the level and above', () => {
  const { lines, logger } = world();
  logger.debug('not this');
  logger.with({ serviceId: 's' }).warn('this', { client: 'c', n: 1, is: true, none: undefined });
  assert.deepEqual(lines, [
    {
      time: '2030-01-01T00:00:00.000Z',
      level: 'warn',
      message: 'this',
      serviceId: 's',
      client: 'c',
      n: 1,
      is: true,
    },
  ]);
});

test('whatever strangers put into a line, it is bounded', () => {
  const { written, lines, logger } = world();
  const long = '\u0001'.repeat(65_535);
  logger.with({ a: long }).info(long, { b: long });
  logger.error('failed', { stack: 'x'.repeat(100_000) });
  for (const line of written) assert.ok(line.length < 20_000, String(line.length));
  assert.equal(lines[0]?.b, `${'\u0001'.repeat(1000)}…`);
  assert.equal(String(lines[1]?.stack).length, 8001);
});

test('of one message so many lines a second are written, and how many were left out is said', async () => {
  const { clock, lines, logger } = world();
  const child = logger.with({ child: true });
  for (let i = 0; i < 1000; i++) (i % 2 ? logger : child).info('refused', { i });
  logger.warn('another');
  assert.equal(lines.filter(({ message }) => message === 'refused').length, 100);
  assert.equal(lines.at(-1)?.message, 'another');
  await clock.advance(1000);
  child.info('refused');
  assert.deepEqual(
    lines.slice(-2).map(({ time: _, ...rest }) => rest),
    [
      { level: 'warn', message: 'log lines were left out', of: 'refused', count: 900 },
      { level: 'info', message: 'refused', child: true },
    ],
  );
  await clock.advance(1000);
  logger.info('quiet');
  assert.equal(lines.at(-2)?.message, 'refused', 'what was not left out is not told');
});

test('what is looked for with the level debug is written however much it is', () => {
  const { lines, logger } = world('debug');
  for (let i = 0; i < 1000; i++) logger.debug('detail', { i });
  assert.equal(lines.length, 1000);
});
