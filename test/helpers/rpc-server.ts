import type { TestContext } from 'node:test';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { notFound } from '../../src/rpc/error.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { type RpcServerOptions, startRpcServer } from '../../src/rpc/server.ts';
import { type Handlers, rpcService } from '../../src/rpc/service.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { testDeps } from './test-deps.ts';

export const HOST = '127.0.0.1';
export const SECRET_TEXT = 'only for the log';

/** Valid for every RPC that takes an integration. */
export const INTEGRATION = {
  name: 'to http',
  topicFilters: ['sensors/#'],
  configuration: { case: 'http' as const, value: { restEndpointUrl: 'http://127.0.0.1:9999/in' } },
};

type IntegrationHandlers = Handlers<typeof IntegrationService>;

const built: IntegrationHandlers = {
  createIntegration: ({ integration }) => ({
    integration: { ...INTEGRATION, name: integration?.name ?? '' },
  }),
  getIntegration: ({ id }) => {
    throw notFound(`integration ${id}`);
  },
  listIntegrations: () => {
    throw new Error(SECRET_TEXT);
  },
  updateIntegration: () => ({}),
  deleteIntegration: () => ({}),
  enableIntegration: () => ({}),
  disableIntegration: () => ({}),
  restartIntegration: () => ({}),
  checkConnection: () => ({}),
  tryDelivery: () => ({}),
  watchIntegrations: async function* () {},
};

/** A server on free ports with these handlers of IntegrationService, a client for it, and what it logs. */
export async function rpcServerForTests(
  t: TestContext,
  handlers: Partial<IntegrationHandlers> = {},
  options: Partial<RpcServerOptions> = {},
) {
  const { clock, metrics, authenticate } = testDeps();
  const logged: string[] = [];
  const server = await startRpcServer({
    services: [rpcService(IntegrationService, { ...built, ...handlers })],
    host: HOST,
    grpcPort: 0,
    httpPort: 0,
    logger: createLogger('info', clock, (line) => logged.push(line)),
    metrics,
    clock,
    authenticate,
    ...options,
  });
  t.after(() => server[Symbol.asyncDispose]());
  const client = createClient(IntegrationService, server.grpcAddress);
  t.after(() => client[Symbol.dispose]());
  return { server, client, logged, url: `http://${server.httpAddress}` };
}
