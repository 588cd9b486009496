import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { eachOf } from '../helpers/api-faces.ts';
import { tableContents } from '../helpers/at-rest.ts';
import { type BadCredential, badCookies, badJwts, badTokens } from '../helpers/bad-credentials.ts';
import { certificateAuthority } from '../helpers/certificates.ts';
import { type Asked, facesOf } from '../helpers/guarded-faces.ts';
import { BOOTSTRAP, credentialsAt, METRICS_TOKEN, securedInstallation } from '../helpers/secured-node.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
/** Without garbage: what sockets had lets go of more, once it is gone itself. */
async function heapUsed(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage().heapUsed;
}

const REFUSED = {
  gRPC: /"grpc-status":"16","grpc-message":"this%20call%20needs%20a%20login/,
  HTTP: /^HTTP\/1\.1 401 Unauthorized\r\n.*\{"code":"unauthenticated","message":"this call needs a login[^}]*\}\n$/s,
};

/** Shows everything bad everywhere, and holds the answers against the one that there may be. Answers how many there were. */
async function matrix(credentials: readonly BadCredential[], asked: readonly Asked[]): Promise<number> {
  const [{ headers } = { headers: {} }] = credentials;
  const expected = {
    gRPC: await asked.find(({ face }) => face === 'gRPC')!.ask(headers, 0),
    HTTP: await asked.find(({ face }) => face === 'HTTP')!.ask(headers, 0),
  };
  for (const face of ['gRPC', 'HTTP'] as const) assert.match(expected[face], REFUSED[face]);
  const calls = credentials.flatMap((credential, i) =>
    asked
      .filter(({ isRead = false }) => !(isRead && credential.isForWrites))
      .map((one, j) => ({ ...one, credential, index: i + j })),
  );
  await eachOf(calls, 16, async ({ credential, face, what, ask, index }) => {
    const answer = await ask(credential.headers, index).catch((error) => String(error));
    if (answer === expected[face]) return; // thousands: a message is made for none of these
    assert.fail(`${credential.name}, ${what} is answered ${answer.slice(0, 500)}`);
  });
  return calls.length;
}

/** What nobody who is not let in may change, as it lies in PostgreSQL. */
async function stored(postgresUrl: string) {
  const names = [
    ...['integrations', 'integration_revisions', 'deleted_integrations', 'outbox', 'events', 'jobs'],
    ...['tokens', 'access_version', 'users', 'topic_deletions', 'redriven_dead_letters'],
  ];
  const tables = [...(await tableContents(postgresUrl))].filter(
    ([name]) => names.includes(name) || name.startsWith('audit'),
  );
  assert.ok(tables.length >= names.length, `${tables.map(([name]) => name)}`);
  return new Map(tables.map(([name, bytes]) => [name, bytes.toString('latin1')]));
}

test('whatever is wrong with what a caller shows, everything answers the same, and nothing is done or kept', {
  timeout: 300_000,
}, async (t) => {
  const { provider, withdrawn, postgresUrl, start } = await securedInstallation(t);
  const node = await start();
  const good = await credentialsAt(t, node, postgresUrl);
  const faces = await facesOf(t, node, { token: BOOTSTRAP, id: good.integrationId });
  const credentials = [...badTokens(good), ...(await badJwts(provider, withdrawn)), ...badCookies(good)];
  assert.equal(new Set(credentials.map(({ name }) => name)).size, credentials.length);
  assert.ok(credentials.length >= 60, `${credentials.length}`);
  const before = await stored(postgresUrl);
  const count = await matrix(credentials, faces);
  assert.deepEqual(await stored(postgresUrl), before);

  const heap = await heapUsed();
  await matrix(credentials, faces);
  const grown = (await heapUsed()) - heap;
  t.diagnostic(`${credentials.length} credentials, ${count} calls, ${grown} bytes`);
  assert.ok(grown < 400 * count, `${grown} bytes of ${count} calls`);
});

test('certificates that are wrong let nobody in, neither with a token that is wrong, nor the token for the figures', {
  timeout: 300_000,
}, async (t) => {
  const { postgresUrl, start } = await securedInstallation(t);
  const good = await credentialsAt(t, await start(), postgresUrl);
  const [servers, clients, strangers] = [
    await certificateAuthority(t),
    await certificateAuthority(t),
    await certificateAuthority(t),
  ];
  const directory = await temporaryDirectory(t);
  const put = async (name: string, text: string) => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const { cert, key } = servers.issue('node');
  const node = await start({
    TB_SERVICE_ID: 'with-tls',
    PENSTOCK_TLS_CERT_FILE: await put('node.crt', cert),
    PENSTOCK_TLS_KEY_FILE: await put('node.key', key),
    PENSTOCK_TLS_CLIENT_CA_FILE: await put('clients.crt', clients.ca),
    PENSTOCK_TLS_CLIENT_CERT: 'optional',
    PENSTOCK_TLS_CLIENT_ROLES: 'pipeline=admin',
    PENSTOCK_METRICS_TOKEN: METRICS_TOKEN,
  });
  const own = clients.issue('pipeline');
  const cookie = good.sessions.good.cookie!;
  const rows: readonly (readonly [name: string, shown: object, headers: Record<string, string>])[] = [
    ['no certificate', {}, {}],
    ['one of another authority', strangers.issue('pipeline'), {}],
    ['one whose time is over', clients.issue('pipeline', { expired: true }), {}],
    ['one of a name without a role', clients.issue('nobody'), {}],
    ['a good one with a token that is wrong', own, { authorization: 'Bearer pst_x' }],
    ['a good one with a password', own, { authorization: 'Basic eDp5' }],
    ['a good one with the token for the figures', own, { authorization: `Bearer ${METRICS_TOKEN}` }],
    ['a session without TLS', {}, { cookie, origin: `https://${node.httpAddress}` }],
  ];
  for (const [name, shown, headers] of rows) {
    const tls = { ca: servers.ca, ...shown };
    const faces = await facesOf(t, node, { token: BOOTSTRAP, id: good.integrationId, tls });
    const guarded = faces.filter(({ what }) => !/^GET \/metrics/.test(what));
    await matrix([{ name, headers }], guarded);
  }
});
