import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { ClusterService } from '../../gen/penstock/v1/cluster_service_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { TokenService } from '../../gen/penstock/v1/token_service_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { onEnd } from '../helpers/on-end.ts';
import { installationForTests } from '../helpers/roles.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const LOGIN = { PENSTOCK_LOGIN: 'required', PENSTOCK_BIND_ADDRESS: '0.0.0.0' };

test('a token made by a command lets its bearer in at every node, until it is revoked', async (t) => {
  const { start, run } = await installationForTests(t);
  const controlPlane = await start('control-plane', 'cp', LOGIN);
  const ingress = await start('ingress', 'in', LOGIN);
  await start('executor', 'ie', { PENSTOCK_BIND_ADDRESS: '0.0.0.0' }); // it has no API
  const made = await run(['admin', 'create-token', '--name', 'first', '--role', 'admin', '--expires', '1h']);
  const token = /^pst_\S{43}$/m.exec(made.output)?.[0];
  assert.ok(token, made.output);
  const client = createClient(IntegrationService, local(controlPlane.address('gRPC')));
  const messages = createClient(MessageService, local(ingress.address('gRPC')));
  const tokens = createClient(TokenService, local(controlPlane.address('gRPC')));
  const cluster = createClient(ClusterService, local(controlPlane.address('gRPC')));
  onEnd(t, () => {
    for (const one of [client, messages, tokens, cluster]) one[Symbol.dispose]();
  });
  const payload = Buffer.from('x');
  const publish = (bearer?: string) =>
    messages.publishMessage({ topicName: 'a', payload }, { token: bearer });

  assert.equal((await rpcRejection(() => publish())).code, Code.UNAUTHENTICATED);
  await waitUntil('the ingress knows it', () =>
    publish(token).then(
      () => true,
      () => false,
    ),
  );
  assert.equal((await cluster.listNodes({}, { token })).nodes.length, 3);
  const http = (headers: Record<string, string>) =>
    fetch(`http://${local(controlPlane.address('HTTP'))}/penstock.v1.IntegrationService/ListIntegrations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"no": "field"}',
    });
  const stranger = await http({});
  assert.equal(stranger.status, 401);
  assert.equal(stranger.headers.get('www-authenticate'), 'Bearer');
  assert.doesNotMatch(await stranger.text(), /field/); // what is asked is not looked at
  assert.equal((await http({ authorization: `Bearer ${token}` })).status, 400);

  await waitUntil('its use is noted', async () => {
    const { tokens: listed } = await tokens.listTokens({}, { token });
    return listed[0]?.lastUsedTime !== undefined;
  });
  const id = (await tokens.listTokens({}, { token })).tokens[0]!.id;
  await tokens.revokeToken({ id }, { token });
  assert.equal((await rpcRejection(() => client.listIntegrations({}, { token }))).code, Code.UNAUTHENTICATED);
  await waitUntil('the ingress knows it', () =>
    publish(token).then(
      () => false,
      () => true,
    ),
  );
});

/** What listens everywhere, by loopback. */
const local = (address: string) => address.replace('0.0.0.0', '127.0.0.1');
