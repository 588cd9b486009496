import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import {
  type Integration,
  IntegrationSchema,
  IntegrationType,
} from '../../gen/penstock/v1/integration_pb.ts';
import { IntegrationView } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MissingValue } from '../../gen/penstock/v1/template_pb.ts';
import { controlPlaneForTests, executorForTests, HTTP_WITH_SECRET } from '../helpers/control-plane.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { collect } from '../helpers/stream.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const { BASIC, FULL, UNSPECIFIED } = IntegrationView;

/** With something in every field that a caller may set. */
const WHOLE = {
  ...HTTP_WITH_SECRET,
  description: 'what it is for',
  delivery: { ackStrategy: AckStrategy.SKIP_ALL },
  metadata: { a: 'b' },
  labels: { team: 'energy' },
  templates: { missing: MissingValue.EMPTY },
};
const ROW = [
  ...[
    'create_time',
    'description',
    'enabled',
    'etag',
    'generation',
    'id',
    'labels',
    'name',
    'status',
    'topic_filters',
  ],
  ...['type', 'update_time'],
];
const REST = ['delivery', 'http', 'metadata', 'set_secrets', 'templates'];

/** The names of the fields that it has. */
function fieldsOf(integration: Integration | undefined): string[] {
  const values = integration as unknown as Record<string, unknown>;
  const isSet = (value: unknown) =>
    value instanceof Object ? Object.keys(value).length > 0 : Boolean(value);
  const isThere = (name: string) => name === integration?.configuration.case || isSet(values[name]);
  return IntegrationSchema.fields
    .filter(({ localName }) => isThere(localName))
    .map(({ name }) => name)
    .toSorted();
}

test('how much of an integration is told', { timeout: 120_000 }, async (t) => {
  const system = await controlPlaneForTests(t);
  const { client } = system;
  await executorForTests(t, system);
  const { integration } = await client.createIntegration({ integration: WHOLE });
  const { id } = integration!;
  const mqtt = { configuration: { case: 'mqtt' as const, value: { host: 'localhost' } } };
  await client.createIntegration({ integration: { ...WHOLE, ...mqtt, type: IntegrationType.KAFKA } });

  await t.test('lists have all of it, or what a row shows', async () => {
    for (const [view, fields] of [
      [BASIC, ROW],
      [FULL, [...ROW, ...REST].toSorted()],
      [UNSPECIFIED, [...ROW, ...REST].toSorted()],
    ] as const) {
      const { integrations } = await client.listIntegrations({ view, pageSize: 1 });
      assert.deepEqual(fieldsOf(integrations[0]), fields, `view ${view}`);
    }
  });

  await t.test('a list goes on in another view', async () => {
    const first = await client.listIntegrations({ view: BASIC, pageSize: 1 });
    const { integrations } = await client.listIntegrations({ pageSize: 1, pageToken: first.nextPageToken });
    assert.equal(integrations[0]?.configuration.case, 'mqtt');
  });

  await t.test('so do watches, whatever others ask for, and of what is deleted, too', async () => {
    const watch = (view: IntegrationView) =>
      collect(t, (options) =>
        client.watchIntegrations({ view, filter: { labels: { team: 'energy' } } }, options),
      );
    const all = [watch(BASIC), watch(FULL), watch(BASIC)];
    await waitUntil('all have both', () => all.every(({ got }) => got.length === 2));
    await client.updateIntegration({
      integration: { id, metadata: { a: 'c' } },
      updateMask: { paths: ['metadata'] },
    });
    await waitUntil('all have the change', () => all.every(({ got }) => got.length === 3));
    await client.deleteIntegration({ id });
    await waitUntil('all have the deletion', () => all.every(({ got }) => got.at(-1)?.deleted));
    for (const [n, fields] of [ROW, [...ROW, ...REST].toSorted(), ROW].entries()) {
      const ofId = all[n]!.got.filter((one) => one.integration?.id === id);
      assert.equal(ofId.length, 3);
      for (const one of ofId) {
        const isThere = (name: string) => !one.deleted || name !== 'status';
        assert.deepEqual(fieldsOf(one.integration).filter(isThere), fields.filter(isThere));
      }
    }
  });

  await t.test('the type is the server’s to tell', async () => {
    const { integrations } = await client.listIntegrations({ view: BASIC });
    assert.deepEqual(
      integrations.map(({ type }) => type),
      [IntegrationType.MQTT],
    );
    const { reason, fields } = await rpcRejection(() =>
      client.updateIntegration({
        integration: { id: integrations[0]!.id, type: IntegrationType.HTTP },
        updateMask: { paths: ['type'] },
      }),
    );
    assert.deepEqual([reason, fields], [undefined, ['update_mask']]);
  });
});
