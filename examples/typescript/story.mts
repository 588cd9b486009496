// The story of an integration over gRPC: made, published to, delivered, listed, watched, refused a change, deleted.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, connect, PayloadContentType, PenstockError } from 'penstock/client';

const { PENSTOCK_ADDRESS = '127.0.0.1:9090', PENSTOCK_TOKEN } = process.env;
const { ENDPOINT = 'http://127.0.0.1:9999/in' } = process.env;

const penstock = connect({ address: PENSTOCK_ADDRESS, token: PENSTOCK_TOKEN });

const { integration: created } = await penstock.integrations.createIntegration({
  requestId: randomUUID(), // the same request makes no second integration
  integration: {
    name: 'typescript',
    enabled: true,
    topicFilters: ['typescript/#'],
    configuration: {
      case: 'http',
      value: { restEndpointUrl: ENDPOINT, payloadContentType: PayloadContentType.JSON },
    },
  },
});
if (created === undefined) throw new Error('the answer has no integration');
const { id } = created;
console.log('created', id);

const { matchedIntegrations } = await penstock.messages.publishMessage({
  topicName: 'typescript/1',
  payload: new TextEncoder().encode('{"temperature": 25}'),
});
console.log('published for', matchedIntegrations, 'integration');

const end = AbortSignal.timeout(60_000);
const isDelivered = async () => {
  const { integration } = await penstock.integrations.getIntegration({ id }, { timeoutMs: 5000 });
  return integration?.status?.lastDeliveredTime !== undefined;
};
while (!(await isDelivered())) await sleep(200, undefined, { signal: end });
console.log('delivered');

const { integrations } = await penstock.integrations.listIntegrations({ filter: { text: 'typescript' } });
console.log('listed', integrations.map(({ name }) => name).join());

// First as it is, then after each change. Leaving the loop ends the call.
const watched = penstock.integrations.watchIntegrations({ filter: { text: 'typescript' } }, { signal: end });
for await (const { integration } of watched) {
  if (integration?.id !== id) continue;
  if (!integration.enabled) break;
  await penstock.integrations.disableIntegration({ id });
}
console.log('seen to be disabled');

try {
  await penstock.integrations.updateIntegration({
    integration: { id, topicFilters: ['typescript/#/1'] },
    updateMask: { paths: ['topic_filters'] },
  });
} catch (error) {
  if (!(error instanceof PenstockError) || error.code !== Code.INVALID_ARGUMENT) throw error;
  for (const { path, description } of error.violations) console.log('refused', path, description);
}

await penstock.integrations.deleteIntegration({ id });
console.log('deleted');
penstock.close();
