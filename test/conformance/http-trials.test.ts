import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { httpEndpoint, type Respond } from '../helpers/http-endpoint.ts';
import { tried } from '../helpers/trial.ts';

const TOKEN = 'eyJhbGciOiJub25lIn0.e30.an-access-token';

/** What becomes of one message for an endpoint that answers so, with a token of an issuer. */
async function triedAt(t: TestContext, respond: Respond, payload = 'x') {
  const [issuer, endpoint] = [await httpEndpoint(t), await httpEndpoint(t)];
  issuer.respond = (response) => response.writeHead(200).end(JSON.stringify({ access_token: TOKEN }));
  endpoint.respond = respond;
  const oauth2 = { tokenUrl: issuer.url, clientId: 'id', clientSecret: 's3cret-client' };
  return await tried(
    {
      case: 'http',
      value: {
        restEndpointUrl: endpoint.url,
        bodyTemplate: '${payload}',
        credentials: { credentials: { case: 'oauth2', value: oauth2 } },
      },
    },
    payload,
  );
}

test('an access token that an endpoint repeats in its answer is told nowhere', async (t) => {
  const body = JSON.stringify({ error: `the token ${TOKEN} is not known` });
  const { delivered, sent, answer, reason } = await triedAt(t, (response) => {
    response.writeHead(400, { 'x-said': TOKEN }).end(body);
  });
  assert.equal(delivered, false);
  assert.match(reason, /400.*the token \*\*\* is not known/);
  assert.match(answer, /the token \*\*\* is not known/);
  assert.ok(![sent, answer, reason].join().includes(TOKEN));
});

test('an answer that is no text has its status and its headers, and how long it is', async (t) => {
  const { answer } = await triedAt(t, (response) => {
    response.writeHead(400, { 'x-cause': 'encoding' }).end(Buffer.from('caf\xe9 ferm\xe9', 'latin1'));
  });
  assert.match(answer, /^status 400\n/);
  assert.match(answer, /x-cause: encoding/);
  assert.match(answer, /\n\n10 bytes: 636166e920/);
});

test('what was sent is told as it was, whatever words are in it', async (t) => {
  const { sent } = await triedAt(t, (response) => response.writeHead(200).end(), 'basic gold, bearer bonds');
  assert.match(sent, /authorization: \*\*\*/);
  assert.match(sent, /basic gold, bearer bonds/);
});
