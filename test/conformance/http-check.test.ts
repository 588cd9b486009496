import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { HttpCheckMethod } from '../../gen/penstock/v1/http_pb.ts';
import { certificateAuthority, type ServerCertificate, serverCertificate } from '../helpers/certificates.ts';
import { answer, httpEndpoint } from '../helpers/http-endpoint.ts';
import { check, type HttpConfig } from '../helpers/http-handler.ts';
import { onEnd } from '../helpers/on-end.ts';

test('a check asks with HEAD or the configured method, without a body, before the first placeholder', async (t) => {
  const endpoint = await httpEndpoint(t);
  for (const [name, checkMethod] of Object.entries(HttpCheckMethod)) {
    const config: HttpConfig = {
      restEndpointUrl: `${endpoint.url}/v1/\${topic}`,
      headers: { 'X-Fixed': '1', 'X-Topic': '${topic}' },
      bodyTemplate: '{}',
      idempotencyKeyHeader: 'x-key',
      batching: {},
      checkMethod,
    };
    const method = name === 'UNSPECIFIED' ? 'HEAD' : name;
    assert.deepEqual(await check(config), {
      reachable: true,
      message: `the endpoint answers 200 to ${method}`,
      isAuthenticated: false, // it had nothing to show
    });
    const request = endpoint.received.at(-1);
    assert.equal(request?.method, method);
    assert.equal(request?.path, '/in/v1/');
    assert.equal(request?.body.length, 0);
    assert.equal(request?.headers['x-fixed'], '1');
    assert.equal(request?.headers['x-topic'], undefined);
    assert.equal(request?.headers['x-key'], undefined);
  }
});

test('what the answer says is told, with what to do about it', async (t) => {
  const endpoint = await httpEndpoint(t);
  const advice: [number, RegExp, boolean][] = [
    [200, /HEAD$/, true],
    [401, /; check the credentials$/, false],
    [403, /; check the credentials$/, false],
    [404, /; check the path/, true],
    [405, /; it is there but takes no HEAD: check_method/, true],
    [302, /; redirects are not followed/, true],
    [500, /; it is there but in trouble$/, true],
    [418, /HEAD$/, true],
  ];
  for (const [status, told, isReachable] of advice) {
    endpoint.respond = answer(status);
    const { reachable, message } = await check({ restEndpointUrl: endpoint.url });
    assert.equal(reachable, isReachable, `${status}`);
    assert.match(message, told);
    assert.match(message, new RegExp(`^the endpoint answers ${status} to HEAD`));
  }
  endpoint.respond = answer(404);
  const { message } = await check({ restEndpointUrl: endpoint.url, successCodes: ['404'] });
  assert.match(message, /HEAD$/);
});

/** The port of a server that says this to whoever connects. */
async function talker(t: TestContext, text: string): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(text));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, () => server.close());
  return (server.address() as AddressInfo).port;
}

test('why an endpoint was not reached is told, with what to do about it', async (t) => {
  const says = async (config: HttpConfig, told: RegExp) => {
    const { reachable, message } = await check(config);
    assert.equal(reachable, false);
    assert.match(message, /^the endpoint was not reached: /);
    assert.match(message, told);
  };
  const gone = await httpEndpoint(t);
  await gone.stop();
  await says({ restEndpointUrl: gone.url }, /ECONNREFUSED.*; nothing listens there/);
  await says(
    { restEndpointUrl: gone.url.replace('127.0.0.1', 'localhost') },
    /ECONNREFUSED.*; nothing listens/,
  );
  const proxyUrl = gone.url.replace('/in', '');
  await says(
    { restEndpointUrl: 'http://penstock.invalid/', proxyUrl },
    /the proxy .*; nothing listens there/,
  );
  await says(
    { restEndpointUrl: 'http://penstock.invalid/' },
    /penstock\.invalid: .*; check the host, and the DNS of this executor/,
  );
  const smtp = await talker(t, '220 smtp.example.com ESMTP\r\n');
  await says({ restEndpointUrl: `http://127.0.0.1:${smtp}/` }, /; it does not speak HTTP\/1\.1/);
  await says({ restEndpointUrl: `https://127.0.0.1:${smtp}/` }, /; the TLS handshake failed/);
  const plain = await httpEndpoint(t);
  await says(
    { restEndpointUrl: plain.url.replace('http', 'https') },
    /; (the TLS handshake failed|it hangs up)/,
  );
  const certificates: [ServerCertificate, boolean, RegExp][] = [
    ['expired', true, /; its certificate has expired/],
    ['of another name', true, /; its certificate is for another name/],
    ['of another authority', true, /; its certificate is not trusted: .*tls\.ca_cert/],
    ['valid', false, /; its certificate is not trusted/],
  ];
  for (const [kind, trusts, told] of certificates) {
    const shown = await serverCertificate(t, kind);
    const endpoint = await httpEndpoint(t, shown);
    const tls = trusts ? { tls: { caCert: shown.ca } } : {};
    await says({ restEndpointUrl: endpoint.url, ...tls }, told);
  }
  const { ca, issue } = await certificateAuthority(t);
  const server = issue('server');
  const strict = await httpEndpoint(t, { ...server, ca, requestCert: true, rejectUnauthorized: true });
  await says({ restEndpointUrl: strict.url, tls: { caCert: ca } }, /; .*client certificate/);
});
