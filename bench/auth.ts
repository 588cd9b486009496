import { setTimeout as sleep } from 'node:timers/promises';
import { toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { Role } from '../gen/penstock/v1/access_pb.ts';
import {
  GetIntegrationResponseSchema,
  IntegrationService,
} from '../gen/penstock/v1/integration_service_pb.ts';
import { TokenService } from '../gen/penstock/v1/token_service_pb.ts';
import { createClient } from '../src/rpc/grpcjs.ts';
import { storeIntegrations } from './api-store.ts';
import { MeasuredChild } from './child.ts';
import { openControlPlane, openServices } from './control-plane.ts';
import { median } from './rig.ts';

/** The first is disabled. */
const STORED = 2;
const WARM_UP = 10_000;
const CALLS = 5000;
const ROUNDS = 3;
const AT_A_TIME = 16;
/** How long the server is watched while nobody calls: what it does then is not the calls'. In milliseconds. */
const IDLE = 3000;
/** CPU of a Get beyond a bare call, in microseconds. */
const GOAL = 150;
const BOOTSTRAP = 'bench-bootstrap-token-of-32-and-more';

interface Measured {
  readonly server: MeasuredChild;
  readonly call: () => Promise<unknown>;
}

/** CPU of the server's process for a GetIntegration with an API token, without login, and for a bare call of grpc-js. */
export async function measureAuth(): Promise<object> {
  await using stack = new AsyncDisposableStack();
  const services = await openServices(stack);
  const open = await openControlPlane(stack, services);
  const [, id = ''] = await storeIntegrations(services.client, STORED);
  const login = await openControlPlane(stack, services, {
    PENSTOCK_BOOTSTRAP_TOKEN: BOOTSTRAP,
    TB_SERVICE_ID: 'bench-login',
  });
  const tokens = stack.use(createClient(TokenService, login.address));
  const token = { name: 'bench', role: Role.VIEWER };
  const { value } = await tokens.createToken({ token }, { token: BOOTSTRAP });
  const [openClient, loginClient] = [open, login].map(({ address }) =>
    stack.use(createClient(IntegrationService, address)),
  );
  const response = await openClient!.getIntegration({ id });
  const bytes = toBinary(GetIntegrationResponseSchema, response).length;
  const measured: Record<string, Measured> = {
    'bare call': await echo(stack, id.length + 2, bytes),
    'Get without login': { server: open.node, call: () => openClient!.getIntegration({ id }) },
    'Get with a token': {
      server: login.node,
      call: () => loginClient!.getIntegration({ id }, { token: value }),
    },
  };
  const costs = await costsOf(Object.values(measured));
  const bare = costs[0]!;
  return Object.fromEntries(
    Object.keys(measured).map((name, i) => {
      const beyond = Math.round(costs[i]! - bare);
      const goal = i === 0 ? {} : { 'beyond the bare call': beyond, goal: GOAL, isMet: beyond <= GOAL };
      return [name, { 'CPU µs a call': Math.round(costs[i]!), ...goal }];
    }),
  );
}

/** In turns, so that what else the machine does meets all of them. */
async function costsOf(all: readonly Measured[]): Promise<number[]> {
  for (const { call } of all) await many(call, WARM_UP);
  const costs: number[][] = all.map(() => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { server, call }] of all.entries()) {
      const before = server.cpuSeconds;
      const begun = performance.now();
      await many(call, CALLS);
      const seconds = (performance.now() - begun) / 1000;
      const used = server.cpuSeconds - before;
      costs[i]!.push(((used - seconds * (await idleShare(server, round))) / CALLS) * 1e6);
    }
  }
  return costs.map(median);
}

const idle = new Map<MeasuredChild, number>();

async function idleShare(server: MeasuredChild, round: number): Promise<number> {
  if (round === 0) {
    const before = server.cpuSeconds;
    await sleep(IDLE);
    idle.set(server, (server.cpuSeconds - before) / (IDLE / 1000));
  }
  return idle.get(server) ?? 0;
}

async function many(call: () => Promise<unknown>, count: number): Promise<void> {
  let left = count;
  const one = async () => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, one));
}

async function echo(stack: AsyncDisposableStack, request: number, response: number): Promise<Measured> {
  const server = stack.use(new MeasuredChild('./grpc-echo.ts', [String(response)]));
  const { port } = await server.message<{ port: number }>('port');
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  stack.defer(() => client.close());
  const same = (bytes: Buffer) => bytes;
  const message = Buffer.alloc(request, 120);
  const call = () =>
    new Promise<unknown>((resolve, reject) => {
      client.makeUnaryRequest('/bench.Echo/Get', same, same, message, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  return { server, call };
}
