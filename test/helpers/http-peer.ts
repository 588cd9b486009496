import type { TestContext } from 'node:test';
import { HttpBatchFormat, HttpVersion } from '../../gen/penstock/v1/http_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { serverCertificate } from './certificates.ts';
import { faultProxy } from './fault-proxy.ts';
import { outbound } from './handler.ts';
import { answer, httpEndpoint } from './http-endpoint.ts';
import type { HttpConfig } from './http-handler.ts';
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

/** How the endpoint is spoken to. */
interface Manner {
  readonly config: HttpConfig;
  readonly payloadsIn: (body: string) => readonly string[];
  readonly speaksHttp2: boolean;
}

const PLAIN: Manner = {
  config: { sendOnlyMsgPayload: true },
  payloadsIn: (body) => [body],
  speaksHttp2: false,
};

const peerType = (manner: Manner): PeerType => ({
  start: (t, options) => start(t, manner, options),
  without: {},
});

/** An HTTP endpoint that answers 200, 422 to what it refuses, and 401 to strangers. */
export const http = peerType(PLAIN);

/** The same, over HTTP/2. */
export const http2 = peerType({
  ...PLAIN,
  config: { ...PLAIN.config, httpVersion: HttpVersion.HTTP_VERSION_2 },
  speaksHttp2: true,
});

/** The same, with several messages in a request, of which it refuses all or none. */
export const httpInBatches = peerType({
  ...PLAIN,
  config: {
    ...PLAIN.config,
    payloadContentType: PayloadContentType.TEXT,
    batching: { format: HttpBatchFormat.NDJSON, maxMessages: 20 },
  },
  payloadsIn: (body) => (body === '' ? [] : body.trim().split('\n')).map((line) => JSON.parse(line)),
});

async function start(t: TestContext, manner: Manner, options: PeerOptions = {}): Promise<Peer> {
  const { password, certificate = manner.speaksHttp2 ? 'valid' : undefined } = options;
  const shown = certificate && (await serverCertificate(t, certificate));
  const endpoint = await httpEndpoint(t, shown, manner.speaksHttp2 ? {} : undefined);
  const network = await faultProxy(t, '127.0.0.1', endpoint.port);
  const taken: string[] = [];
  endpoint.respond = (response, request) => {
    endpoint.received.length = 0; // of thousands only the payloads are kept
    const payloads = manner.payloadsIn(request.body.toString());
    let status = 200;
    if (password && request.headers.authorization !== RIGHT) status = 401;
    else if (payloads.includes(REFUSED)) status = 422;
    else if (request.method !== 'HEAD') taken.push(...payloads);
    answer(status)(response, request);
  };
  const at = (host: string): Configuration => ({
    case: 'http',
    value: {
      restEndpointUrl: `${shown ? 'https' : 'http'}://${host}:${network.port}/in`,
      ...manner.config,
      ...(shown && { tls: { caCert: shown.ca } }),
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
