import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { test } from 'node:test';
import { createSecureContext } from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { Code } from '../../gen/google/rpc/code_pb.ts';
import { CallerKind, Role } from '../../gen/penstock/v1/access_pb.ts';
import { AuthService } from '../../gen/penstock/v1/auth_service_pb.ts';
import { startProcess } from '../../src/process.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { readSettings } from '../../src/runtime/settings.ts';
import { type Certificate, certificateAuthority } from '../helpers/certificates.ts';
import { kafkaForTests } from '../helpers/kafka.ts';
import { oidcProvider } from '../helpers/oidc-provider.ts';
import { onEnd } from '../helpers/on-end.ts';
import { databaseForTests } from '../helpers/postgres.ts';
import { rpcRejection } from '../helpers/rpc-rejection.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { testDeps } from '../helpers/test-deps.ts';

test('a node lets in by a provider, by certificates and by a page, as its settings say', {
  timeout: 120_000,
}, async (t) => {
  const authority = await certificateAuthority(t);
  const provider = await oidcProvider(t, authority.issue('login'));
  const directory = await temporaryDirectory(t);
  const put = async (name: string, text: string) => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const { cert, key } = authority.issue('node');
  const settings = readSettings({
    TB_KAFKA_SERVERS: await kafkaForTests(),
    PENSTOCK_KAFKA_PREFIX: `t${randomBytes(5).toString('hex')}`,
    PENSTOCK_POSTGRES_URL: await databaseForTests(t),
    PENSTOCK_GRPC_PORT: '0',
    PENSTOCK_HTTP_PORT: '0',
    PENSTOCK_TLS_CERT_FILE: await put('node.crt', cert),
    PENSTOCK_TLS_KEY_FILE: await put('node.key', key),
    PENSTOCK_TLS_CLIENT_CA_FILE: await put('clients.crt', authority.ca),
    PENSTOCK_TLS_CLIENT_CERT: 'optional',
    PENSTOCK_TLS_CLIENT_ROLES: 'pipeline=operator',
    PENSTOCK_OIDC_ISSUER: provider.issuer,
    PENSTOCK_OIDC_CA_FILE: await put('login.crt', authority.ca),
    PENSTOCK_OIDC_CLIENT_ID: 'penstock',
    PENSTOCK_OIDC_CLIENT_SECRET_FILE: await put('secret', 'secret\n'),
    PENSTOCK_OIDC_NAME: 'Example',
    PENSTOCK_OIDC_ROLES: 'admins=editor',
  });
  const node = await startProcess(['control-plane'], settings, testDeps(), new AbortController().signal);
  onEnd(t, () => node[Symbol.asyncDispose]());

  const clientWith = (own?: Certificate) => {
    const context = grpc.credentials.createFromSecureContext(
      createSecureContext({ ca: authority.ca, ...own }),
    );
    const client = createClient(AuthService, node.grpcAddress, undefined, context);
    t.after(() => client[Symbol.dispose]());
    return client;
  };
  const plain = clientWith();
  const methods = await plain.getLoginMethods({});
  assert.deepEqual([methods.loginRequired, methods.oidc, methods.oidcName], [true, true, 'Example']);
  assert.equal((await rpcRejection(() => plain.getSelf({}))).code, Code.UNAUTHENTICATED);
  const byToken = await plain.getSelf({}, { token: await provider.token() });
  assert.deepEqual([byToken.self?.kind, byToken.self?.role], [CallerKind.OIDC, Role.EDITOR]);
  const byCertificate = await clientWith(authority.issue('pipeline')).getSelf({});
  assert.deepEqual(
    [byCertificate.self?.kind, byCertificate.self?.role],
    [CallerKind.CERTIFICATE, Role.OPERATOR],
  );

  const asking = request(`https://${node.httpAddress}/login/oidc`, { ca: authority.ca, agent: false }).end();
  const [answer] = await once(asking, 'response');
  answer.resume();
  assert.equal(answer.statusCode, 302);
  assert.match(String(answer.headers['set-cookie']), /^__Host-penstock_login=/);
  const to = new URL(answer.headers.location);
  assert.equal(to.origin, provider.issuer);
  assert.equal(to.searchParams.get('redirect_uri'), `https://${node.httpAddress}/login/oidc/callback`);
});
