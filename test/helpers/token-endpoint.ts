import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { onEnd } from './on-end.ts';

/** An OAuth 2.0 token endpoint whose tokens are JSON Web Tokens without a signature, as a Kafka of the tests takes them. */
export async function tokenEndpoint(t: TestContext, clientId: string, clientSecret: string) {
  const endpoint = { url: '', asked: 0, lifetime: 300, scopes: '' };
  const basic = `Basic ${Buffer.from(`${clientId}:${new URLSearchParams({ '': clientSecret }).toString().slice(1)}`).toString('base64')}`;
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    endpoint.asked++;
    endpoint.scopes = new URLSearchParams(body).get('scope') ?? '';
    const isKnown = request.headers.authorization === basic;
    const answer = isKnown
      ? {
          access_token: token(clientId, endpoint.lifetime),
          token_type: 'Bearer',
          expires_in: endpoint.lifetime,
        }
      : { error: 'invalid_client' };
    response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  endpoint.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return endpoint;
}

function token(subject: string, lifetime: number): string {
  const now = Math.floor(Date.now() / 1000);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now, exp: now + lifetime })}.`;
}
