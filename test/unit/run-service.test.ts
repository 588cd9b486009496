import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const SOURCES = new URL('../../src/runtime/', import.meta.url);

/** Runs a service in a process of its own. `start` is its code; `signal` sends a signal to the process. */
function runService(start: string, more = '') {
  const code = `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { runService } from '${new URL('run-service.ts', SOURCES)}';
    import { createLogger } from '${new URL('logger.ts', SOURCES)}';
    import { systemClock } from '${new URL('clock.ts', SOURCES)}';
    import { UserError } from '${new URL('user-error.ts', SOURCES)}';
    const say = (line) => console.log(line);
    const complain = (line) => console.error(line);
    const logger = createLogger('error', systemClock, () => {});
    const signal = () => process.emit('SIGINT', 'SIGINT');
    const service = (over = () => {}) => ({ [Symbol.asyncDispose]: async () => { await over(); say('stopped'); } });
    await runService(async (stopping) => { ${start} }, { say, complain, logger, ${more} });
    say('over');`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, said: stdout.trim().split('\n'), errors: stderr.trim() };
}

const STOPPING = 'SIGINT: stopping (once more ends it at once)';

test('a signal stops the service in order, also one that comes twice at once', () => {
  const expected = { status: 0, said: [STOPPING, 'stopped', 'over'], errors: '' };
  assert.deepEqual(runService('setTimeout(signal, 50); return service();'), expected);
  const twice = 'setTimeout(() => { signal(); signal(); }, 50); return service(() => sleep(100));';
  assert.deepEqual(runService(twice), expected);
});

test('a second signal, later, ends it at once', () => {
  const start = 'setTimeout(signal, 50); setTimeout(signal, 1000); return service(() => sleep(20_000));';
  assert.deepEqual(runService(start), { status: 130, said: [STOPPING], errors: '' });
});

test('a stop that takes too long is ended, and that is no failure', () => {
  const start =
    'setTimeout(signal, 50); return service(() => new Promise((ended) => setTimeout(ended, 20_000)));';
  const expected = { status: 0, said: [STOPPING], errors: '' };
  assert.deepEqual(runService(start, 'stopWithin: 500'), expected);
});

test('a signal stops also a start', () => {
  const start =
    'setTimeout(signal, 50); await sleep(20_000, 0, { signal: stopping }).catch(() => {}); throw stopping.reason;';
  assert.deepEqual(runService(start), { status: 0, said: [STOPPING, 'over'], errors: '' });
});

test('what fails is told in a line on stderr', () => {
  assert.deepEqual(runService("throw new UserError('do this');"), {
    status: 1,
    said: ['over'],
    errors: 'penstock: do this',
  });
  assert.deepEqual(
    runService("return { ...service(), failed: Promise.resolve(new Error('Kafka ended')) };"),
    {
      status: 1,
      said: ['stopped', 'over'],
      errors: 'penstock: Kafka ended',
    },
  );
});

test('a client that goes on trying does not keep the process', () => {
  const start = 'setInterval(() => {}, 1000); setTimeout(signal, 50); return service();';
  assert.deepEqual(runService(start).status, 0);
});

test('what nobody caught stops the service in order, with exit code 1', () => {
  const expected = {
    status: 1,
    said: ['stopping after an unexpected error', 'stopped', 'over'],
    errors: 'penstock: a defect',
  };
  const thrown = "setTimeout(() => { throw new Error('a defect'); }, 50); return service();";
  assert.deepEqual(runService(thrown), expected);
  const rejected = "setTimeout(() => { void Promise.reject(new Error('a defect')); }, 50); return service();";
  assert.deepEqual(runService(rejected), expected);
  const starting = `setTimeout(() => { throw new Error('a defect'); }, 50);
    await sleep(20_000, 0, { signal: stopping }).catch(() => {}); throw stopping.reason;`;
  assert.deepEqual(runService(starting), { ...expected, said: [expected.said[0], 'over'] });
});

test('what fails while it stops does not cut the stop short, nor make it last for ever', () => {
  const again = `const fails = () => { throw new Error('a defect'); };
    setTimeout(fails, 50); return service(() => { setTimeout(fails, 50); return sleep(200); });`;
  assert.deepEqual(runService(again), {
    status: 1,
    said: ['stopping after an unexpected error', 'stopped', 'over'],
    errors: 'penstock: a defect\npenstock: a defect',
  });
  const hangs = `setTimeout(() => { throw new Error('a defect'); }, 50);
    return service(() => new Promise((ended) => setTimeout(ended, 20_000)));`;
  assert.equal(runService(hangs, 'stopWithin: 500').status, 1);
  const asked = `setTimeout(signal, 50);
    return service(() => { setTimeout(() => { throw new Error('a defect'); }, 50); return sleep(200); });`;
  assert.deepEqual(runService(asked), {
    status: 1,
    said: [STOPPING, 'stopped', 'over'],
    errors: 'penstock: a defect',
  });
});
