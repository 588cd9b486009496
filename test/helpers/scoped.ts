import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { Role, Scope } from '../../gen/penstock/v1/access_pb.ts';
import type { UplinkRecord } from '../../gen/penstock/v1/uplink_pb.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import { Warnings } from '../../src/runtime/warnings.ts';
import { controlPlaneForTests, executorForTests, HTTP } from './control-plane.ts';
import { nodeForTests } from './nodes.ts';
import { encodedReport } from './reports.ts';

const BOOTSTRAP = 'a-token-of-the-settings,-long-enough';
const ACCESS = { isLoginRequired: true, bootstrapHash: () => hashOfToken(BOOTSTRAP) };
export const asAdmin = { token: BOOTSTRAP };

/** What a node warns of, which may name any integration. */
export const WARNING = 'secrets of "South 1" cannot be decrypted';

/** A caller's scope, and integrations in it and not in it, each for another reason. */
export const SCOPE = { namePrefix: 'North ', labels: { team: 'energy' } };
export const INSIDE = { ...HTTP, name: 'North 1', labels: { team: 'energy', site: 'a' } };
export const OUTSIDE = { ...HTTP, name: 'South 1', labels: { team: 'energy' } };
export const OF_ANOTHER_TEAM = { ...HTTP, name: 'North 2', labels: { team: 'water' } };

/** A control plane with an executor, whose callers have scopes. */
export async function scopedSystem(t: TestContext, more: Parameters<typeof controlPlaneForTests>[1] = {}) {
  const system = await controlPlaneForTests(t, { access: ACCESS, ...more });
  const executor = await executorForTests(t, system);
  const warnings = new Warnings();
  warnings.set('test', WARNING);
  nodeForTests(t, { ...system, warnings });
  const { client, tokens, bus, topics } = system;
  return {
    ...system,
    executor,
    /** What a caller with this role and scope shows. */
    async tokenOf(role: Role, scope: Partial<Pick<Scope, 'namePrefix' | 'labels'>> = SCOPE) {
      const { value } = await tokens.createToken({ token: { name: randomUUID(), role, scope } }, asAdmin);
      return { token: value };
    },
    async made(integration: object = INSIDE) {
      return (await client.createIntegration({ integration }, asAdmin)).integration!;
    },
    rename: (id: string, { name, labels }: Pick<typeof INSIDE, 'name'> & { labels: object }) =>
      client.updateIntegration(
        { integration: { id, name, labels: { ...labels } }, updateMask: { paths: ['name', 'labels'] } },
        asAdmin,
      ),
    said: (record: UplinkRecord) =>
      bus.send(topics.uplink.name, { key: record.integrationId, value: encodedReport(record) }),
  };
}

export type ScopedSystem = Awaited<ReturnType<typeof scopedSystem>>;

/** Everything that a stream sends. */
export async function drained<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of stream) all.push(one);
  return all;
}
