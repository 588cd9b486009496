import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Database } from '../../src/control-plane/store/database.ts';
import { Locks } from '../../src/control-plane/store/locks.ts';
import { migrate } from '../../src/control-plane/store/migrate.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { type Certificate, certificateAuthority } from '../helpers/certificates.ts';
import { onEnd } from '../helpers/on-end.ts';
import { serverForTests } from '../helpers/server-for-tests.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';
import { startTlsPostgres } from '../helpers/tls-postgres.ts';
import { waitUntil } from '../helpers/wait-until.ts';

/** In its certificate, beside 127.0.0.1; a name that no DNS has. */
const NAME = 'db.example.test';
const NAMES = `IP:127.0.0.1,DNS:${NAME}`;
/** Every name is this machine. */
const resolver = { lookUp: async () => [{ address: '127.0.0.1', family: 4 }] };

interface Certificates {
  readonly ca: string;
  readonly server: Certificate;
  readonly client: Certificate;
}
let certificates: Certificates | undefined;
const postgres = serverForTests((dataDir) =>
  startTlsPostgres(dataDir, certificates!.ca, certificates!.server),
);

async function certificatesFor(t: TestContext): Promise<Certificates> {
  const { ca, issue } = await certificateAuthority(t);
  return { ca, server: issue('server', { names: NAMES }), client: issue('client') };
}

/** A PostgreSQL that takes TLS alone, and the files that one needs for it. */
async function world(t: TestContext) {
  certificates ??= await certificatesFor(t);
  const server = await postgres();
  const other = await certificatesFor(t);
  const directory = await temporaryDirectory(t);
  const put = async (name: string, text: string) => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const files = { ca: await put('ca.crt', certificates.ca), other: await put('other.crt', other.ca) };
  const at = (parameters: Record<string, string>, host = '127.0.0.1', user = 'penstock') => {
    const url = new URL(server.url);
    url.hostname = host;
    url.username = user;
    url.search = String(new URLSearchParams(parameters));
    return url.href;
  };
  return { server, certificates, other, put, files, at };
}

/** Whether the connection is encrypted; rejects with why there is none. */
async function isEncrypted(url: string): Promise<boolean> {
  const deps = { ...testDeps(), resolver };
  await migrate(url, 20_000, deps);
  await using db = new Database(url, deps);
  await using locks = new Locks(url, deps);
  await using lock = await locks.tryLock('a lock');
  assert.ok(lock);
  const [row] = await db.query<{ ssl: boolean }>('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
  return row!.ssl;
}

test('each sslmode checks what PostgreSQL users expect of it', async (t) => {
  const { files, at } = await world(t);
  const { ca, other } = files;
  const good: readonly string[] = [
    at({ sslmode: 'require' }),
    at({ sslmode: 'require', sslrootcert: ca }, 'unnamed.example.test'),
    at({ sslmode: 'verify-ca', sslrootcert: ca }, 'unnamed.example.test'),
    at({ sslmode: 'verify-full', sslrootcert: ca }),
    at({ sslmode: 'verify-full', sslrootcert: ca }, NAME),
    at({ sslmode: 'verify-full', sslrootcert: ca, sslnegotiation: 'direct' }, NAME),
    at({ sslmode: 'verify-full', sslrootcert: ca }, `${NAME}.`),
  ];
  for (const url of good) assert.equal(await isEncrypted(url), true, url);
  const untrusted = /(self-signed|unable to verify).*: name a file with the authority .* in sslrootcert/;
  const bad: readonly (readonly [url: string, expected: RegExp])[] = [
    [at({ sslmode: 'disable' }), /no encryption: it may want TLS: say sslmode=verify-full/],
    [at({}), /no encryption: it may want TLS/],
    [at({ sslmode: 'require', sslrootcert: other }), untrusted],
    [at({ sslmode: 'verify-ca', sslrootcert: other }), untrusted],
    [at({ sslmode: 'verify-full', sslrootcert: other }), untrusted],
    [at({ sslmode: 'verify-full' }), untrusted],
    [at({ sslmode: 'verify-full', sslrootcert: 'system' }), untrusted],
    [
      at({ sslmode: 'verify-full', sslrootcert: ca }, 'unnamed.example.test'),
      /does not match certificate.*: name it as its certificate does/,
    ],
  ];
  for (const [url, expected] of bad) {
    const begin = performance.now();
    await assert.rejects(isEncrypted(url), (error: Error) => {
      assert.equal(error.name, 'UserError');
      assert.match(error.message, expected, url);
      assert.match(error.message, /set PENSTOCK_POSTGRES_URL\.$/);
      return true;
    });
    assert.ok(performance.now() - begin < 5000, 'waiting does not cure it');
  }
});

test('a certificate of the client is shown where PostgreSQL wants one', async (t) => {
  const { certificates, put, files, at } = await world(t);
  const { cert, key } = certificates.client;
  const tls = { sslmode: 'verify-full', sslrootcert: files.ca };
  const own = { sslcert: await put('client.crt', cert), sslkey: await put('client.key', key) };
  assert.equal(await isEncrypted(at({ ...tls, ...own }, '127.0.0.1', 'certified')), true);
  await assert.rejects(
    isEncrypted(at(tls, '127.0.0.1', 'certified')),
    /requires a valid client certificate: name a certificate that it trusts in sslcert and sslkey/,
  );
});

test('another authority is trusted once it is in the file; until then a node says why it is not ready', async (t) => {
  const { server, certificates, other, put, at } = await world(t);
  onEnd(t, () => server.present(certificates.server));
  const file = await put('rotating.crt', certificates.ca);
  const lines: string[] = [];
  const logger = createLogger('info', testDeps().clock, (line) => lines.push(line));
  const deps = { ...testDeps(), logger, resolver };
  await using db = new Database(at({ sslmode: 'verify-full', sslrootcert: file }), deps);
  assert.equal(await db.trouble(), undefined);
  await server.present(other.server);
  const cutOff = async () => {
    await using admin = new Database(at({ sslmode: 'require' }), deps);
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name = 'penstock'",
    );
  };
  await cutOff();
  await waitUntil('it is not trusted', async () => /sslrootcert$/.test((await db.trouble()) ?? ''));
  await put('rotating.crt', `${other.ca.slice(0, 300)}`);
  assert.match((await db.trouble()) ?? '', /sslrootcert$/);
  assert.match(lines.at(-1) ?? '', /files have changed, but cannot be used.*rotating\.crt/);
  await put('rotating.crt', other.ca);
  await waitUntil('it is trusted', async () => (await db.trouble()) === undefined);
  assert.match(lines.at(-1) ?? '', /files have changed, and were read anew.*rotating\.crt/);
});
