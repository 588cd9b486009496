import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';
import { judge } from './kit/judge.ts';
import { ownPostgres } from './kit/own-servers.ts';
import { isLong, System } from './kit/system.ts';

const AWAY = isLong ? 60_000 : 15_000;
const HANGS = isLong ? 20_000 : 6000;
const ANSWER = 3000;
const RECOVERY = 5000;
const BLACK_HOLE = { upstream: { timeout: true }, downstream: { timeout: true } };

const postgres = ownPostgres();

test(`PostgreSQL down for ${AWAY} ms: delivery goes on, the API says UNAVAILABLE, and recovers`, async (t) => {
  const database = await postgres();
  const system = await System.start(t, {
    integrations: 4,
    executors: 2,
    servers: { postgresUrl: database.url },
  });
  using client = createClient(IntegrationService, system.controlPlane.address('gRPC'));
  const [id = ''] = system.integrations.values();
  const load = system.load();
  await system.delivers();

  /** Arrivals a second for some time. */
  const rate = async (ms: number, meanwhile: () => Promise<void> = async () => {}) => {
    const [before, began] = [system.sink.arrivals.length, performance.now()];
    await Promise.all([sleep(ms), meanwhile()]);
    return ((system.sink.arrivals.length - before) * 1000) / (performance.now() - began);
  };
  let slowest = 0;
  const isUnavailable = async () => {
    const calls = {
      list: () => client.listIntegrations({}),
      get: () => client.getIntegration({ id }),
      disable: () => client.disableIntegration({ id }),
    };
    for (const [name, call] of Object.entries(calls)) {
      const began = performance.now();
      const { code } = await rpcRejection(call);
      const took = performance.now() - began;
      slowest = Math.max(slowest, took);
      assert.equal(code, Code.UNAVAILABLE, name);
      assert.ok(took <= ANSWER, `${name} was answered after ${Math.round(took)} ms`);
    }
  };
  const unavailableFor = (ms: number) => async () => {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(500)) await isUnavailable();
  };
  /** Milliseconds until reading and writing work again. */
  const recovers = async () => {
    const began = performance.now();
    const works = async () => {
      try {
        await client.listIntegrations({});
        await client.updateIntegration({
          integration: { id, description: `${began}` },
          updateMask: { paths: ['description'] },
        });
        return true;
      } catch {
        return false;
      }
    };
    await waitUntil('the API works again', works, 30_000);
    return performance.now() - began;
  };

  const usual = await rate(4000);
  await database.kill();
  const without = await rate(AWAY, unavailableFor(AWAY - 1000));
  await database.start();
  const afterKill = await recovers();
  await database.link.set(BLACK_HOLE);
  const hanging = await rate(HANGS, unavailableFor(HANGS - 1000));
  await database.link.set({});
  const afterHanging = await recovers();
  t.diagnostic(
    `${usual.toFixed()} msg/s before, ${without.toFixed()} while it was down, ${hanging.toFixed()} while it hung; ` +
      `slowest answer ${slowest.toFixed()} ms; recovered after ${afterKill.toFixed()} and ${afterHanging.toFixed()} ms`,
  );
  await judge(t, system, load, []);
  for (const during of [without, hanging]) assert.ok(during > usual * 0.8, 'delivery became slower');
  for (const took of [afterKill, afterHanging]) assert.ok(took <= RECOVERY, `recovery took ${took} ms`);
});
