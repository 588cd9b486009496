// The story of story.mts as JSON over HTTP with fetch, as from a browser.
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, connect, PayloadContentType, PenstockError } from 'penstock/client/web';

const { PENSTOCK_URL = 'http://127.0.0.1:8080', PENSTOCK_TOKEN } = process.env;
const { ENDPOINT = 'http://127.0.0.1:9999/in' } = process.env;

const { integrations, messages } = connect({ url: PENSTOCK_URL, token: PENSTOCK_TOKEN });

const configuration = {
  case: 'http',
  value: { restEndpointUrl: ENDPOINT, payloadContentType: PayloadContentType.JSON },
};
const integration = { name: 'web', enabled: true, topicFilters: ['web/#'], configuration };
const created = await integrations.createIntegration({ integration });
const { id } = created.integration;
console.log('created', id);

const payload = new TextEncoder().encode('{"temperature": 25}');
const { matchedIntegrations } = await messages.publishMessage({ topicName: 'web/1', payload });
console.log('published for', matchedIntegrations, 'integration');

const signal = AbortSignal.timeout(60_000);
for (;;) {
  const { integration } = await integrations.getIntegration({ id });
  if (integration.status?.lastDeliveredTime) break;
  await sleep(200, undefined, { signal });
}
console.log('delivered');

const list = await integrations.listIntegrations({ filter: { text: 'web' } });
console.log('listed', list.integrations.map(({ name }) => name).join());

for await (const { integration } of integrations.watchIntegrations({ filter: { text: 'web' } }, { signal })) {
  if (integration.id !== id) continue;
  if (!integration.enabled) break;
  await integrations.disableIntegration({ id });
}
console.log('seen to be disabled');

try {
  await integrations.updateIntegration({
    integration: { ...created.integration, topicFilters: ['web/#/1'] },
  });
} catch (error) {
  if (!(error instanceof PenstockError) || error.code !== Code.INVALID_ARGUMENT) throw error;
  for (const { path, description } of error.violations) console.log('refused', path, description);
}

await integrations.deleteIntegration({ id });
console.log('deleted');
