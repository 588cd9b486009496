import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import type { WatchIntegrationsResponse } from '../../gen/penstock/v1/integration_service_pb.ts';
import { controlPlaneForTests, downlinkForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

test('integrations have labels, and are found and watched by them', { timeout: 120_000 }, async (t) => {
  const controlPlane = await controlPlaneForTests(t);
  const { client } = controlPlane;
  await executorForTests(t, controlPlane);
  const downlink = await downlinkForTests(t, controlPlane);
  const create = async (name: string, labels: Record<string, string>) =>
    (await client.createIntegration({ integration: { ...HTTP, name, labels } })).integration!;
  const label = async (id: string, labels: Record<string, string>) =>
    (await client.updateIntegration({ integration: { id, labels }, updateMask: { paths: ['labels'] } }))
      .integration!;
  const listed = async (labels: Record<string, string>, orderBy = '') => {
    const page = await client.listIntegrations({ filter: { labels }, orderBy });
    assert.equal(page.totalSize, page.integrations.length);
    return page.integrations.map(({ name }) => name);
  };

  const north = await create('north', { team: 'energy', site: 'north' });
  await create('south', { team: 'energy', site: 'south' });
  const other = await create('a third', { team: 'water' });
  assert.deepEqual(north.labels, { team: 'energy', site: 'north' });
  assert.deepEqual(await listed({ team: 'energy' }), ['north', 'south']);
  assert.deepEqual(await listed({ site: 'north', team: 'energy' }), ['north']);
  assert.deepEqual(await listed({ team: 'water', site: 'north' }), []);
  assert.deepEqual(await listed({}, 'name'), ['a third', 'north', 'south']);

  const { got } = collect(t, (options) =>
    client.watchIntegrations({ filter: { labels: { team: 'energy' } } }, options),
  );
  const brief = ({ integration }: WatchIntegrationsResponse) =>
    `${integration?.name} ${integration?.labels.team}`;
  await waitUntil('both are told', () => got.length === 2);
  await label(other.id, { team: 'energy' });
  await waitUntil('it comes in', () => got.length === 3);
  const changed = await label(north.id, { team: 'water', site: 'north' });
  await waitUntil('it goes', () => got.length === 4);
  assert.deepEqual(got.map(brief), ['north energy', 'south energy', 'a third energy', 'north water']);

  assert.equal(changed.generation, 2n);
  assert.equal((await label(north.id, { site: 'north', team: 'water' })).generation, 2n, 'nothing changes');
  assert.deepEqual(await listed({ team: 'energy' }), ['south', 'a third']);
  assert.deepEqual(await listed({ team: 'energy' }, 'update_time desc'), ['a third', 'south']);
  await waitUntil('executors have it', () => downlink.generations(north.id).includes(2));
  const record = downlink.records.get(north.id)!.at(-1);
  assert.deepEqual(record?.integration?.labels, changed.labels);

  const description = { paths: ['description'] };
  await client.updateIntegration({
    integration: { id: north.id, description: 'x' },
    updateMask: description,
  });
  assert.deepEqual(await listed({ team: 'water', site: 'north' }), ['north'], 'another change keeps them');

  const wrong = await rpcRejection(() => create('wrong', { Team: 'x', b: 'a\n' }));
  assert.equal(wrong.code, Code.INVALID_ARGUMENT);
  assert.deepEqual(wrong.fields, ['integration.labels["Team"]', 'integration.labels["b"]']);
  const filter = await rpcRejection(() => listed({ 'a=b': '' }));
  assert.deepEqual(filter.fields, ['filter.labels["a=b"]']);
});
