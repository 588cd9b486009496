import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { PemCredentialsSchema } from '../../gen/penstock/v1/credentials_pb.ts';
import { FailureClass } from '../../gen/penstock/v1/envelope_pb.ts';
import { DELIVERED } from '../../src/executor/handlers/handler.ts';
import { certificateAuthority, encrypted } from '../helpers/certificates.ts';
import { bound, connected, contextOf, never, outbound } from '../helpers/handler.ts';
import { type HttpEndpoint, httpEndpoint } from '../helpers/http-endpoint.ts';

type Pem = MessageInitShape<typeof PemCredentialsSchema>;

const configuration = (restEndpointUrl: string, pem: Pem) => ({
  case: 'http' as const,
  value: { restEndpointUrl, credentials: { credentials: { case: 'pem' as const, value: pem } } },
});

async function deliver(t: TestContext, endpoint: HttpEndpoint, pem: Pem) {
  const handler = await connected(t, configuration(endpoint.url, pem));
  const [outcome] = await handler.deliver([outbound('hello')], never);
  return outcome;
}

test('a server is trusted by the configured authority, and by no other', async (t) => {
  const authority = await certificateAuthority(t);
  const stranger = await certificateAuthority(t);
  const endpoint = await httpEndpoint(t, authority.issue('server'));
  assert.deepEqual(await deliver(t, endpoint, { caCert: authority.ca }), DELIVERED);
  assert.deepEqual(await deliver(t, endpoint, { caCert: authority.ca.replaceAll('\n', '\\n') }), DELIVERED);
  for (const pem of [{ caCert: stranger.ca }, {}]) {
    const outcome = await deliver(t, endpoint, pem);
    assert.ok(outcome && !outcome.delivered);
    assert.equal(outcome.failureClass, FailureClass.DISCONNECTED);
    assert.match(outcome.reason, /certificate/);
  }
  const { reachable } = await bound(configuration(endpoint.url, {})).check(contextOf(), never);
  assert.equal(reachable, false);
  assert.equal(endpoint.received.length, 2);
});

test('a client shows its certificate, also with an encrypted key', async (t) => {
  const authority = await certificateAuthority(t);
  const tls = { ...authority.issue('server'), ca: authority.ca, requestCert: true, rejectUnauthorized: true };
  const endpoint = await httpEndpoint(t, tls);
  const { cert, key } = authority.issue('device-7');
  const pem = { caCert: authority.ca, cert, privateKey: key };
  assert.deepEqual(await deliver(t, endpoint, pem), DELIVERED);
  const privateKey = await encrypted(t, key, 'pässword');
  assert.deepEqual(
    await deliver(t, endpoint, { ...pem, privateKey, privateKeyPassword: 'pässword' }),
    DELIVERED,
  );
  assert.deepEqual(
    endpoint.received.map(({ clientCn }) => clientCn),
    ['device-7', 'device-7'],
  );
  const refused = await deliver(t, endpoint, { caCert: authority.ca });
  assert.equal(refused?.delivered, false);
});

test('certificates and keys that cannot work are told before they are used', async (t) => {
  const { ca, issue } = await certificateAuthority(t);
  const { cert, key } = issue('one');
  const privateKey = await encrypted(t, key, 'secret');
  const problem = (pem: Pem) => {
    const [violation] = bound(configuration('https://127.0.0.1/', pem)).validate(contextOf().guard);
    if (violation) assert.equal(violation.field, 'credentials.pem');
    return violation?.description;
  };
  assert.equal(problem({ caCert: ca, cert, privateKey: key }), undefined);
  assert.equal(problem({ caCert: ca, cert, privateKey, privateKeyPassword: 'secret' }), undefined);
  assert.match(problem({ cert }) ?? '', /private_key/);
  assert.match(problem({ privateKey: key }) ?? '', /cert/);
  for (const pem of [
    { cert, privateKey: issue('two').key },
    { cert, privateKey, privateKeyPassword: 'wrong' },
    { cert: 'garbage', privateKey: key },
    { caCert: 'garbage' },
    { caCert: ca.replaceAll(/[a-z]/g, 'A') },
  ]) {
    assert.match(problem(pem) ?? '', /cannot be read/);
    assert.doesNotMatch(problem(pem) ?? '', /secret|wrong|PRIVATE/);
  }
});
