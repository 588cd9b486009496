import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampNow } from '@bufbuild/protobuf/wkt';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { DownlinkRecordSchema } from '../../gen/penstock/v1/downlink_pb.ts';
import { IntegrationSchema, IntegrationState } from '../../gen/penstock/v1/integration_pb.ts';
import type { IncomingRecord } from '../../src/bus/bus.ts';
import { Database } from '../../src/control-plane/store/database.ts';
import { controlPlaneForTests, executorForTests, HTTP } from '../helpers/control-plane.ts';
import { follow } from '../helpers/follow.ts';
import { contains, field, joined, NEW_FIELD, NEW_TYPE } from '../helpers/newer.ts';
import { onEnd } from '../helpers/on-end.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const CONFIGURATION = field(NEW_TYPE, field(1, 'postgres://user:canary@host'));

test('an integration of a type that only a newer control plane knows', async (t) => {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  const { client, bus, topics } = system;
  const db = new Database(system.postgresUrl, system);
  onEnd(t, () => db[Symbol.asyncDispose]());
  const id = randomUUID();
  const init = { id, name: 'newer', enabled: true, topicFilters: ['a'], generation: 1n, etag: 'x' };
  const times = { createTime: timestampNow(), updateTime: timestampNow() };
  const integration = create(IntegrationSchema, { ...init, ...times });
  await db.query(
    `insert into integrations (id, name, description, type, enabled, enabled_change_time, generation, config,
       create_time, update_time, published_generation)
     values ($1, 'newer', '', 'postgres', true, now(), 1, $2, now(), now(), 1)`,
    [id, Buffer.from(joined(toBinary(IntegrationSchema, integration), CONFIGURATION))],
  );
  const downlink = topics.downlink('postgres');
  await bus.createTopics([downlink]); // as the newer one did
  const records: (Uint8Array | null)[] = [];
  const onRecord = ({ value }: IncomingRecord) => void records.push(value && Uint8Array.from(value));
  const followed = await follow(bus, [downlink.name], onRecord);
  onEnd(t, () => followed[Symbol.dispose]());

  const { integration: known } = await client.createIntegration({ integration: HTTP });
  const { integrations } = await client.listIntegrations({});
  assert.deepEqual(integrations.map((one) => one.id).toSorted(), [id, known!.id].toSorted());
  const { integration: shown } = await client.getIntegration({ id });
  assert.equal(shown?.configuration.case, undefined);
  assert.equal(shown?.$unknown, undefined, 'what is not known may be a secret');
  assert.equal(shown?.status?.state, IntegrationState.PENDING);
  assert.match(shown!.status!.reason, /type postgres.*newer versions.*upgrade/);

  const update = () =>
    client.updateIntegration({ integration: { id, name: 'x' }, updateMask: { paths: ['name'] } });
  const check = () => client.checkConnection({ target: { case: 'id', value: id } });
  for (const call of [update, check]) {
    const { code, reason } = await rpcRejection(call);
    assert.deepEqual([code, reason], [Code.FAILED_PRECONDITION, 'UNKNOWN_TYPE']);
  }

  const { integration: disabled } = await client.disableIntegration({ id });
  assert.equal(disabled?.status?.state, IntegrationState.DISABLED);
  assert.match(disabled!.status!.reason, /type postgres/);
  await waitUntil('it is told', () => records.length === 1);
  assert.ok(contains(records[0]!, CONFIGURATION), 'with all that is not known');
  const told = fromBinary(DownlinkRecordSchema, records[0]!).integration;
  assert.deepEqual([told?.enabled, told?.generation], [false, 2n]);
  const [row] = await db.query<{ config: Buffer }>('select config from integrations where id = $1', [id]);
  assert.ok(contains(row!.config, CONFIGURATION));

  const { got } = collect(t, (options) => client.watchIntegrations({ filter: { text: 'newer' } }, options));
  await waitUntil('it is shown to who watches', () => got.length === 1);
  await client.deleteIntegration({ id });
  await waitUntil('who watches is told of its deletion', () => got.at(-1)!.deleted);
  const { integration: deleted } = got.at(-1)!;
  assert.deepEqual([deleted?.id, deleted?.$unknown], [id, undefined]);
  await waitUntil('its deletion is told', () => records.length === 3);
  const { integration: nothing, gone } = fromBinary(DownlinkRecordSchema, records[1]!);
  assert.deepEqual([nothing, gone?.generation], [undefined, 2n]);
  assert.equal(records[2], null);
});

test('an update by an older control plane keeps what a newer one wrote', async (t) => {
  const system = await controlPlaneForTests(t);
  await executorForTests(t, system);
  const { client } = system;
  const db = new Database(system.postgresUrl, system);
  onEnd(t, () => db[Symbol.asyncDispose]());
  const { integration } = await client.createIntegration({ integration: HTTP });
  const { id } = integration!;
  const added = field(100, field(NEW_FIELD, 'new'));
  await db.query('update integrations set config = config || $2 where id = $1', [id, Buffer.from(added)]);
  const shown = (await client.getIntegration({ id })).integration!;
  assert.ok(!contains(toBinary(IntegrationSchema, shown), field(NEW_FIELD, 'new')));
  await client.updateIntegration({ integration: { ...shown, name: 'changed' } });
  const [row] = await db.query<{ config: Buffer; name: string }>(
    'select config, name from integrations where id = $1',
    [id],
  );
  assert.equal(row?.name, 'changed');
  assert.ok(contains(row!.config, field(NEW_FIELD, 'new')));
});
