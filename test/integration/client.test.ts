import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, connect, PenstockError } from '../../src/client/node.ts';
import type { CallDefaults, Services } from '../../src/client/services.ts';
import { connect as connectWeb } from '../../src/client/web.ts';
import { failed } from '../../src/rpc/error.ts';
import { TlsFiles } from '../../src/rpc/tls-files.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { FaultProxy, type Faults } from '../helpers/fault-proxy.ts';
import { INTEGRATION, rpcServerForTests } from '../helpers/rpc-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { waitUntil } from '../helpers/wait-until.ts';

const ID = '0197b6a4-7d53-7b6e-9f3c-3d1f0c9a2e11';

type Addresses = { readonly grpcAddress: string; readonly httpAddress: string };
type Protocol = 'gRPC' | 'JSON';

function client(
  t: TestContext,
  protocol: Protocol,
  { grpcAddress, httpAddress }: Addresses,
  defaults: CallDefaults = {},
): Services {
  if (protocol === 'JSON') return connectWeb({ url: `http://${httpAddress}`, ...defaults });
  const penstock = connect({ address: grpcAddress, ...defaults });
  t.after(() => penstock.close());
  return penstock;
}

/** Reads a stream to its end; `each` sees every message. */
async function read<T>(
  messages: AsyncIterable<T>,
  each: (message: T) => unknown = () => {},
): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const message of messages) {
    all.push(message);
    await each(message);
  }
  return all;
}

/** The error a call fails with. */
async function failure(call: Promise<unknown>): Promise<PenstockError> {
  const error = await call.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof PenstockError, String(error));
  return error;
}

/** Both ports behind a proxy, which breaks their connections. */
async function behindProxies(t: TestContext, { grpcAddress, httpAddress }: Addresses) {
  const proxies: FaultProxy[] = [];
  const through = async (address: string) => {
    const { hostname, port } = new URL(`http://${address}`);
    const proxy = await FaultProxy.start(hostname, Number(port));
    t.after(() => proxy[Symbol.asyncDispose]());
    proxies.push(proxy);
    return `127.0.0.1:${proxy.port}`;
  };
  const addresses = { grpcAddress: await through(grpcAddress), httpAddress: await through(httpAddress) };
  const set = (faults: Faults) => Promise.all(proxies.map((proxy) => proxy.set(faults)));
  return { addresses, set, cut: () => set({ down: true }) };
}

for (const protocol of ['gRPC', 'JSON'] as const) {
  test(`${protocol}: the token goes along, one that a function gives anew with each call`, async (t) => {
    const shown: (string | null)[] = [];
    const { server } = await rpcServerForTests(t, {
      getIntegration: ({ id }, { requestHeader }) => {
        shown.push(requestHeader.get('authorization'));
        return { integration: { ...INTEGRATION, id } };
      },
      watchIntegrations: async function* (_, { requestHeader }) {
        shown.push(requestHeader.get('authorization'));
        yield { deleted: true };
      },
    });
    const none = client(t, protocol, server);
    assert.equal((await none.integrations.getIntegration({ id: ID })).integration?.name, INTEGRATION.name);
    const fixed = client(t, protocol, server, { token: 'one' });
    await fixed.integrations.getIntegration({ id: ID });
    let count = 0;
    const asked = client(t, protocol, server, { token: async () => `asked ${++count}` });
    await asked.integrations.getIntegration({ id: ID });
    const [seen] = await read(asked.integrations.watchIntegrations({}));
    assert.equal(seen?.deleted, true);
    assert.deepEqual(shown, [null, 'Bearer one', 'Bearer asked 1', 'Bearer asked 2']);
  });

  test(`${protocol}: an error has its code, its reason, and the path of each wrong field`, async (t) => {
    const { server } = await rpcServerForTests(t, {
      deleteIntegration: () => {
        throw failed(Code.ABORTED, 'ETAG_MISMATCH', 'it has changed: read it again');
      },
      watchIntegrations: async function* () {
        yield {};
        throw failed(Code.RESOURCE_EXHAUSTED, 'SLOW_READER', 'read faster');
      },
    });
    const { integrations } = client(t, protocol, server);
    const wrong = await failure(
      integrations.createIntegration({ integration: { ...INTEGRATION, name: '', topicFilters: ['a/#/b'] } }),
    );
    assert.equal(wrong.code, Code.INVALID_ARGUMENT);
    assert.deepEqual(
      wrong.violations.map(({ path, reason }) => [path, reason]),
      [
        ['integration.name', 'REQUIRED'],
        ['integration.topic_filters[0]', 'INTEGRATION_TOPIC_FILTERS'],
      ],
    );
    assert.match(wrong.violations[1]!.description, /must be an MQTT topic filter/);
    const aborted = await failure(integrations.deleteIntegration({ id: ID }));
    const { code, reason, message, violations } = aborted;
    assert.deepEqual(
      { code, reason, message, violations },
      {
        code: Code.ABORTED,
        reason: 'ETAG_MISMATCH',
        message: 'it has changed: read it again',
        violations: [],
      },
    );
    const slow = await failure(read(integrations.watchIntegrations({})));
    assert.deepEqual([slow.code, slow.reason], [Code.RESOURCE_EXHAUSTED, 'SLOW_READER']);
    const unknown = await failure(integrations.getIntegration({ id: ID }));
    assert.equal(unknown.code, Code.NOT_FOUND);
  });

  test(`${protocol}: a call ends with its deadline, the client's, and the caller's signal`, async (t) => {
    const ended: string[] = [];
    const { server } = await rpcServerForTests(t, {
      getIntegration: async (_, { signal }) => {
        await sleep(60_000, undefined, { signal }).catch(() => ended.push('call'));
        return {};
      },
      watchIntegrations: async function* (_, { signal }) {
        yield {};
        await sleep(60_000, undefined, { signal }).catch(() => ended.push('stream'));
      },
    });
    const { integrations } = client(t, protocol, server);
    const late = await failure(integrations.getIntegration({ id: ID }, { timeoutMs: 50 }));
    assert.equal(late.code, Code.DEADLINE_EXCEEDED);
    const hasty = client(t, protocol, server, { timeoutMs: 50 });
    const alsoLate = await failure(hasty.integrations.getIntegration({ id: ID }));
    assert.equal(alsoLate.code, Code.DEADLINE_EXCEEDED);
    const controller = new AbortController();
    const { signal } = controller;
    const cancelled = failure(integrations.getIntegration({ id: ID }, { signal }));
    const watched = failure(
      read(hasty.integrations.watchIntegrations({}, { signal }), () => controller.abort()),
    );
    assert.equal((await cancelled).code, Code.CANCELLED);
    assert.equal((await watched).code, Code.CANCELLED);
    await waitUntil('the server has noticed', () => ended.length === 4);
  });

  test(`${protocol}: a stream that is left ends at the server`, async (t) => {
    let ended = 0;
    const { server } = await rpcServerForTests(t, {
      watchIntegrations: async function* (_, { signal }) {
        yield { deleted: true };
        await sleep(60_000, undefined, { signal }).catch(() => {});
        ended++;
      },
    });
    const { integrations } = client(t, protocol, server);
    for await (const { deleted } of integrations.watchIntegrations({})) {
      assert.equal(deleted, true);
      break;
    }
    await waitUntil('it ended', () => ended === 1);
  });

  test(`${protocol}: a server that is gone, or goes, is UNAVAILABLE`, async (t) => {
    let cutNow = async () => {};
    const { server } = await rpcServerForTests(t, {
      getIntegration: async () => {
        await cutNow();
        return {};
      },
      watchIntegrations: async function* (_, { signal }) {
        yield {};
        await sleep(60_000, undefined, { signal }).catch(() => {});
      },
    });
    const { addresses, cut } = await behindProxies(t, server);
    const { integrations } = client(t, protocol, addresses);
    const watched = await failure(read(integrations.watchIntegrations({}), () => cut()));
    assert.equal(watched.code, Code.UNAVAILABLE, watched.message);
    const refused = await failure(integrations.getIntegration({ id: ID }));
    assert.equal(refused.code, Code.UNAVAILABLE);
    assert.match(refused.message, /^no answer from the server: .*ECONNREFUSED/);

    const later = await behindProxies(t, server);
    cutNow = async () => void (await later.cut());
    const lost = client(t, protocol, later.addresses);
    const error = await failure(lost.integrations.getIntegration({ id: ID }));
    assert.equal(error.code, Code.UNAVAILABLE, error.message);
  });
}

test('over TLS the client trusts the authority it is given, and shows its own certificate', async (t) => {
  const authority = await certificateAuthority(t);
  const directory = await temporaryDirectory(t);
  const paths = {
    cert: join(directory, 'cert'),
    key: join(directory, 'key'),
    clientCa: join(directory, 'ca'),
  };
  const own = authority.issue('server');
  await writeFile(paths.cert, own.cert);
  await writeFile(paths.key, own.key);
  await writeFile(paths.clientCa, authority.ca);
  const tls = new TlsFiles(paths, { ...testDeps() });
  t.after(() => tls[Symbol.dispose]());
  const { server } = await rpcServerForTests(t, {}, { tls });
  const create = async (options: { ca?: string; cert?: string; key?: string }) => {
    using penstock = connect({ address: server.grpcAddress, tls: options });
    return await penstock.integrations.createIntegration({ integration: INTEGRATION });
  };
  const { integration } = await create({ ca: authority.ca, ...authority.issue('client') });
  assert.equal(integration?.name, INTEGRATION.name);
  const stranger = await failure(create({ ca: authority.ca }));
  assert.equal(stranger.code, Code.UNAVAILABLE, stranger.message);
  const distrusted = await failure(create(authority.issue('client')));
  assert.equal(distrusted.code, Code.UNAVAILABLE, distrusted.message);
  assert.match(distrusted.message, /unable to verify|self-signed/);
});

test('closing the client ends its calls', async (t) => {
  const { server } = await rpcServerForTests(t, {
    watchIntegrations: async function* (_, { signal }) {
      yield {};
      await sleep(60_000, undefined, { signal }).catch(() => {});
    },
  });
  const penstock = connect({ address: server.grpcAddress });
  const watched = await failure(read(penstock.integrations.watchIntegrations({}), () => penstock.close()));
  assert.equal(watched.code, Code.CANCELLED);
});

test('gRPC: a watch over a connection that is dead, and does not say so, ends', async (t) => {
  const { server } = await rpcServerForTests(t, {
    watchIntegrations: async function* (_, { signal }) {
      yield {};
      await sleep(60_000, undefined, { signal }).catch(() => {});
    },
  });
  const { addresses, set, cut } = await behindProxies(t, server);
  const { integrations } = client(t, 'gRPC', addresses);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const watched = failure(
    read(integrations.watchIntegrations({}), () =>
      set({ upstream: { timeout: true }, downstream: { timeout: true } }),
    ),
  );
  let ended = false;
  void watched.finally(() => {
    ended = true;
  });
  for (let ticks = 0; !ended && ticks < 1000; ticks++) {
    t.mock.timers.tick(1000);
    await new Promise(setImmediate);
  }
  assert.ok(ended, 'it goes on');
  assert.equal((await watched).code, Code.UNAVAILABLE);
  t.mock.timers.reset();
  await cut();
});
