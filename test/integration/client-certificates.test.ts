import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Agent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSecureContext, type TLSSocket } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { authenticator } from '../../src/access/access.ts';
import { Certificates } from '../../src/access/certificates.ts';
import { roleList } from '../../src/access/role-list.ts';
import { hashOfToken } from '../../src/contract/api-token.ts';
import type { Caller } from '../../src/rpc/caller.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { TlsFiles } from '../../src/rpc/tls-files.ts';
import { type Certificate, certificateAuthority } from '../helpers/certificates.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { settableClock } from '../helpers/oidc.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const LOOK = 5000;
const TOKEN = 'a-token-of-the-settings-that-is-long';
const ROLES = ['spiffe://example/pipeline=editor', 'reports.example=viewer', 'old name=admin'];
const PATH = '/penstock.v1.IntegrationService/CreateIntegration';

interface Options {
  readonly roles?: readonly string[];
  readonly isClientOptional?: boolean;
}

/** A server that lets in by certificates, and ways to call it. */
async function setUp(t: TestContext, { roles = ROLES, isClientOptional = false }: Options = {}) {
  const servers = await certificateAuthority(t);
  const clients = await certificateAuthority(t);
  const directory = await temporaryDirectory(t);
  const [cert, key, clientCa] = ['crt', 'key', 'ca'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const shown = servers.issue('server');
  await writeFile(cert, shown.cert);
  await writeFile(key, shown.key);
  await writeFile(clientCa, clients.ca);
  const { logger, metrics } = testDeps();
  const fileClock = new FakeClock();
  const tls = new TlsFiles({ cert, key, clientCa, isClientOptional }, { clock: fileClock, logger, metrics });
  t.after(() => tls[Symbol.dispose]());
  const { clock, leap } = settableClock();
  const certificates = new Certificates(roleList(roles, 'PENSTOCK_TLS_CLIENT_ROLES'), clock);
  const access = { isLoginRequired: true, bootstrapHash: () => hashOfToken(TOKEN) };
  const callers: Caller[] = [];
  const { server } = await rpcServerForTests(
    t,
    {
      createIntegration: (_, { caller }) => {
        callers.push(caller);
        return {};
      },
    },
    { tls, metrics, authenticate: authenticator(access, { ...access, certificates }) },
  );
  const { ca } = servers;

  const clientOf = (own?: Certificate, options: { maxVersion?: 'TLSv1.2' } = {}) => {
    const context = createSecureContext({ ca, ...own, ...options });
    const client = createClient(
      IntegrationService,
      server.grpcAddress,
      undefined,
      grpc.credentials.createFromSecureContext(context),
    );
    t.after(() => client[Symbol.dispose]());
    return async (token?: string) => {
      const call = client.createIntegration({ integration: INTEGRATION }, { token, deadline: 3000 });
      return call.then(
        () => Code.OK,
        async (error) => (await rpcRejection(() => Promise.reject(error))).code,
      );
    };
  };
  const overHttp = async (agent: Agent, headers: Readonly<Record<string, string>> = {}) => {
    const { name, topicFilters, configuration } = INTEGRATION;
    const body = JSON.stringify({ integration: { name, topicFilters, http: configuration.value } });
    const asking = httpsRequest(`https://${server.httpAddress}${PATH}`, {
      agent,
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
    }).end(body);
    const [response] = await once(asking, 'response');
    const isResumed = (response.socket as TLSSocket).isSessionReused();
    response.resume();
    await once(response, 'end');
    return { status: response.statusCode as number, isResumed };
  };
  const agentOf = (own: Partial<Certificate> = {}, options = {}) => {
    const agent = new Agent({ keepAlive: false, ca, ...own, ...options });
    t.after(() => agent.destroy());
    return agent;
  };
  /** Over gRPC and HTTP: as what, or why not. */
  const call = async (own?: Certificate, token?: string) => {
    const code = await clientOf(own)(token);
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const { status } = await overHttp(agentOf(own), headers);
    assert.equal(status, HTTP_STATUS.get(code), `gRPC answers ${code}, HTTP ${status}`);
    return code;
  };
  const trust = async (authority: string) => {
    await writeFile(clientCa, authority);
    await waitUntil('it is read', async () => {
      await fileClock.advance(LOOK);
      return tls.material.ca === authority;
    });
  };
  return { clients, callers, call, clientOf, overHttp, agentOf, trust, leap };
}

const HTTP_STATUS: ReadonlyMap<Code, number> = new Map([
  [Code.OK, 200],
  [Code.UNAUTHENTICATED, 401],
  [Code.UNAVAILABLE, 401], // over gRPC there is no connection
  [Code.PERMISSION_DENIED, 403],
]);

test('a certificate lets a service in, as the settings name it', async (t) => {
  const { clients, call, callers } = await setUp(t);
  const names = 'DNS:some.example,URI:spiffe://example/pipeline,DNS:reports.example';
  assert.equal(await call(clients.issue('x', { names })), Code.OK);
  assert.deepEqual(
    callers.map(({ name, kind, role, address }) => [name, kind, role, address]),
    Array(2).fill(['spiffe://example/pipeline', CallerKind.CERTIFICATE, Role.EDITOR, '127.0.0.1']),
  );
  assert.equal(await call(clients.issue('y', { names: 'DNS:reports.example' })), Code.PERMISSION_DENIED);
  assert.equal(await call(clients.issue('old name')), Code.OK);
  assert.equal(await call(clients.issue('z', { names: 'DNS:sub.reports.example' })), Code.UNAUTHENTICATED);
  assert.equal(
    await call(clients.issue('reports.example.', { names: 'email:reports.example' })),
    Code.UNAUTHENTICATED,
  );
});

test('a star stands for every other certificate, and for no name that is one', async (t) => {
  const { clients, call, callers } = await setUp(t, { roles: ['*=editor', 'boss=admin'] });
  assert.equal(await call(clients.issue('anything', { names: 'DNS:a.example' })), Code.OK);
  assert.deepEqual([callers[0]!.name, callers[0]!.role], ['a.example', Role.EDITOR]);
  assert.equal(await call(clients.issue('boss')), Code.OK);
  assert.equal(callers.at(-1)!.role, Role.ADMIN);
  assert.equal(await call(clients.issue('*')), Code.UNAUTHENTICATED);
});

test('where a certificate is required nobody calls without one, whatever else is shown', async (t) => {
  const { clients, call } = await setUp(t);
  const strangers = await certificateAuthority(t);
  for (const token of [undefined, TOKEN]) {
    assert.equal(await call(undefined, token), Code.UNAVAILABLE);
    assert.equal(await call(strangers.issue('old name'), token), Code.UNAVAILABLE);
    assert.equal(await call(clients.issue('old name', { expired: true }), token), Code.UNAVAILABLE);
  }
  assert.equal(await call(clients.issue('nobody'), TOKEN), Code.OK);
});

test('where it is optional a token does as well, and a certificate that is not trusted is none', async (t) => {
  const { clients, call } = await setUp(t, { isClientOptional: true });
  const strangers = await certificateAuthority(t);
  for (const shown of [
    undefined,
    strangers.issue('old name'),
    clients.issue('old name', { expired: true }),
  ]) {
    assert.equal(await call(shown), Code.UNAUTHENTICATED);
    assert.equal(await call(shown, TOKEN), Code.OK);
  }
  assert.equal(await call(clients.issue('old name')), Code.OK);
});

test('a wrong token is refused also with a good certificate', async (t) => {
  for (const isClientOptional of [false, true]) {
    const { clients, call, overHttp, agentOf } = await setUp(t, { isClientOptional });
    const own = clients.issue('old name');
    assert.equal(await call(own, `${TOKEN}x`), Code.UNAUTHENTICATED);
    assert.equal((await overHttp(agentOf(own), { authorization: 'Basic eDp5' })).status, 401);
    assert.equal((await overHttp(agentOf(own), { authorization: '' })).status, 401);
  }
});

test('whoever resumes a session is who it was of, with TLS 1.2 and 1.3', async (t) => {
  for (const isClientOptional of [false, true]) {
    const { clients, overHttp, agentOf, clientOf } = await setUp(t, { isClientOptional });
    const strangers = await certificateAuthority(t);
    const own = clients.issue('old name');
    assert.equal(await clientOf(own, { maxVersion: 'TLSv1.2' })(), Code.OK);
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      for (const [shown, status] of [
        [own, 200],
        [strangers.issue('old name'), 401],
        [{}, 401],
      ] as const) {
        const agent = agentOf(shown, { maxVersion });
        const [first, second] = [await overHttp(agent), await overHttp(agent)];
        assert.deepEqual([first.isResumed, second.isResumed], [false, true], maxVersion);
        assert.deepEqual([first.status, second.status], [status, status], maxVersion);
      }
    }
  }
});

test('a session of a certificate whose authority is trusted no more is not resumed', async (t) => {
  const { clients, overHttp, agentOf, trust } = await setUp(t, { isClientOptional: true });
  const next = await certificateAuthority(t);
  const agents = ['TLSv1.2', 'TLSv1.3'].map((maxVersion) =>
    agentOf(clients.issue('old name'), { maxVersion }),
  );
  for (const agent of agents) assert.equal((await overHttp(agent)).status, 200);
  await trust(next.ca);
  for (const agent of agents) assert.deepEqual(await overHttp(agent), { status: 401, isResumed: false });
  assert.equal((await overHttp(agentOf(next.issue('old name')))).status, 200);
});

test('a certificate whose time is over lets nobody in any more, also over a connection from before', async (t) => {
  const { clients, clientOf, overHttp, agentOf, leap } = await setUp(t);
  const own = clients.issue('old name');
  const call = clientOf(own);
  const agent = agentOf(own, { keepAlive: true, maxSockets: 1 });
  assert.equal(await call(), Code.OK);
  assert.equal((await overHttp(agent)).status, 200);
  leap(3 * 86_400_000); // it is for two days
  assert.equal(await call(), Code.UNAUTHENTICATED);
  assert.equal((await overHttp(agent)).status, 401);
});
