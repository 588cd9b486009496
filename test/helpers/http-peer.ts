import type { TestContext } from 'node:test';
import { serverCertificate } from './certificates.ts';
import { faultProxy } from './fault-proxy.ts';
import { outbound } from './handler.ts';
import { answer, httpEndpoint } from './http-endpoint.ts';
import {
  type Configuration,
  PASSWORDS,
  type Peer,
  type PeerOptions,
  type PeerType,
  USERNAME,
} from './peer.ts';

const REFUSED = 'refused';
const RIGHT = `Basic ${Buffer.from(`${USERNAME}:${PASSWORDS.right}`).toString('base64')}`;

/** An HTTP endpoint that answers 200, 422 to what it refuses, and 401 to strangers. */
export const http: PeerType = { start, without: {} };

async function start(t: TestContext, { certificate, password }: PeerOptions = {}): Promise<Peer> {
  const shown = certificate && (await serverCertificate(t, certificate));
  const endpoint = await httpEndpoint(t, shown);
  const network = await faultProxy(t, '127.0.0.1', endpoint.port);
  const taken: string[] = [];
  endpoint.respond = (response, request) => {
    endpoint.received.length = 0; // of thousands only the payloads are kept
    const payload = request.body.toString();
    let status = 200;
    if (password && request.headers.authorization !== RIGHT) status = 401;
    else if (payload === REFUSED) status = 422;
    else if (request.method !== 'HEAD') taken.push(payload);
    answer(status)(response, request);
  };
  const at = (host: string): Configuration => ({
    case: 'http',
    value: {
      restEndpointUrl: `${shown ? 'https' : 'http'}://${host}:${network.port}/in`,
      sendOnlyMsgPayload: true,
      ...(shown && { credentials: { credentials: { case: 'pem', value: { caCert: shown.ca } } } }),
      ...(password && {
        credentials: {
          credentials: { case: 'basic', value: { username: USERNAME, password: PASSWORDS[password] } },
        },
      }),
    },
  });
  return {
    configuration: at('127.0.0.1'),
    at,
    network,
    payloads: async () => taken,
    refused: outbound(REFUSED),
    stop: () => endpoint.stop(),
    start: () => endpoint.start(),
  };
}
