import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import type { DescFile } from '@bufbuild/protobuf';
import { HealthCheckResponse_ServingStatus as Serving } from '../../gen/grpc/health/v1/health_pb.ts';
import { CallerKind, Role, RoleSchema } from '../../gen/penstock/v1/access_pb.ts';
import { authorized, refusalOf } from '../../src/rpc/authorized.ts';
import { stranger } from '../../src/rpc/caller.ts';
import { createHealth } from '../../src/rpc/health.ts';
import { POLICY } from '../../src/rpc/policy.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { ManualClock } from '../helpers/manual-clock.ts';

const GEN = new URL('../../gen/penstock/v1/', import.meta.url);
const files = await Promise.all(
  readdirSync(GEN).map((name) => import(new URL(name, GEN).href) as Promise<Record<string, DescFile>>),
);
const services = files
  .flatMap((file) => Object.values(file).filter((one) => one?.kind === 'file'))
  .flatMap((file) => file.services);

test('the policy names every RPC of the schema', () => {
  const methods = services.flatMap((service) => service.methods);
  assert.ok(methods.length > 20);
  const missing = methods.filter((method) => !POLICY.has(method));
  assert.deepEqual(
    missing.map(({ parent, name }) => `${parent.typeName}/${name}`),
    [],
  );
});

test('a service that the policy does not name cannot be served', () => {
  const foreign = { ...services[0]!, methods: [{ ...services[0]!.methods[0]! }] };
  const handlers = { [foreign.methods[0]!.localName]: () => ({}) };
  assert.throws(() => authorized({ service: foreign, handlers }, systemClock), /policy\.ts: add it/);
});

test('each role may what those before it may, and a caller with a scope nothing that concerns all', () => {
  const roles = RoleSchema.values.map(({ number }) => number as Role);
  for (const [method, rule] of POLICY) {
    for (const role of roles) {
      const caller = { name: 'x', kind: CallerKind.TOKEN, role, address: '' };
      const isLetIn = refusalOf(method, caller) === undefined;
      assert.equal(isLetIn, role >= (rule.role ?? Role.UNSPECIFIED), `${method.name} as ${role}`);
      const scope = { $typeName: 'penstock.v1.Scope', namePrefix: 'a', labels: {} } as const;
      const isLetInScoped = refusalOf(method, { ...caller, scope }) === undefined;
      assert.equal(isLetInScoped, isLetIn && !rule.isWhole, `${method.name} as ${role} with a scope`);
    }
  }
});

test('a stream that is open to all goes on, whoever reads it', async () => {
  const clock = new ManualClock();
  const health = createHealth();
  const { handlers } = authorized(health.service, clock);
  const context = { caller: stranger(''), isLetIn: async () => false, signal: new AbortController().signal };
  const watch = handlers.watch as (request: object, context: object) => AsyncIterable<{ status: number }>;
  const stream = watch({ service: '' }, context)[Symbol.asyncIterator]();
  assert.equal((await stream.next()).value?.status, Serving.SERVICE_UNKNOWN);
  clock.advance(60_000);
  await immediate();
  health.set('', true);
  assert.equal((await stream.next()).value?.status, Serving.SERVING);
});
