import type { TestContext } from 'node:test';
import { mqttWebSocket } from '../../src/ingress/mqtt-web-socket.ts';
import type { RpcServerOptions } from '../../src/rpc/server.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { LISTENER, listenerForTests } from './mqtt-listener.ts';
import { rpcServerForTests } from './rpc-server.ts';

/** A listener as `listenerForTests` has it, also behind the HTTP port of a server; `trouble` may be set. */
export async function webSocketListenerForTests(
  t: TestContext,
  {
    limits = {},
    clock,
    server: options = {},
  }: {
    readonly limits?: Parameters<typeof listenerForTests>[1];
    readonly clock?: Clock;
    readonly server?: Partial<RpcServerOptions>;
  } = {},
) {
  const world = await listenerForTests(t, limits, clock);
  const state: { trouble: string | undefined } = { trouble: undefined };
  const service = mqttWebSocket(
    { ...LISTENER, ...limits },
    { listener: () => world.listener, trouble: () => state.trouble },
  );
  const { metrics } = world;
  const { server } = await rpcServerForTests(t, {}, { metrics, webSockets: [service], ...options });
  return { ...world, server, state, httpAddress: server.httpAddress, url: `ws://${server.httpAddress}/mqtt` };
}
