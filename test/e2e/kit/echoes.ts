import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { onEnd } from '../../helpers/on-end.ts';
import { plant, plantToken } from './planted.ts';

/** The ways in which targets tell what they were sent. */
const ECHOES: Readonly<Record<string, (header: string) => string>> = {
  'as it came': (header) => `you sent ${header}`,
  'without its scheme': (header) => JSON.stringify({ credentials: header.split(' ').at(-1) }),
  decoded: (header) => `login of ${decoded(header)} failed`,
  'decoded, as JSON': (header) => JSON.stringify({ login: decoded(header) }),
  'with percents': (header) => encodeURIComponent(decoded(header)),
  'in base64url': (header) => Buffer.from(decoded(header)).toString('base64url'),
  'in hex': (header) => Buffer.from(decoded(header)).toString('hex'),
  'cut off': (header) => decoded(header).padStart(210, '.'),
  'cut off in base64': (header) => Buffer.from(decoded(header)).toString('base64').padStart(212, '.'),
};

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;
export const decoded = (header: string) => Buffer.from(header.split(' ').at(-1) ?? '', 'base64').toString();

/** Answers 500 and tells what it was sent; the path says how. As a token endpoint it does so in the way of OAuth. */
export async function echoing(t: TestContext): Promise<string> {
  const answerOf = async (request: IncomingMessage) => {
    const body = await text(request);
    const url = new URL(request.url ?? '/', 'http://localhost');
    const echo = ECHOES[url.searchParams.get('as') ?? ''] ?? String;
    const secretHeader = request.headers['x-secret'];
    const header =
      secretHeader === undefined ? (request.headers.authorization ?? '') : basic(String(secretHeader));
    if (url.pathname !== '/token') return echo(header);
    const secret = new URLSearchParams(body).get('client_secret');
    const sent = secret === null ? header : basic(secret);
    return JSON.stringify({ error: 'invalid_client', error_description: echo(sent) });
  };
  const server = createServer(async (request, response) => {
    const answer = await answerOf(request);
    response.writeHead(500, { 'content-type': 'text/plain' }).end(answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const FAILING = { ackStrategy: 'ACK_STRATEGY_SKIP_ALL' };

/** Integrations whose targets tell what they were sent. */
export function echoed(url: string, mqttPort: number) {
  const http = (name: string, configuration: object) => ({
    name,
    enabled: true,
    topicFilters: ['a/#'],
    delivery: FAILING,
    http: { sendOnlyMsgPayload: true, ...configuration },
  });
  const rows = Object.keys(ECHOES).flatMap((as) => {
    const at = (path: string) => `${url}${path}?${new URLSearchParams({ as })}`;
    const login = { basic: { username: 'me', password: plant(`a password, told ${as}`) } };
    const header = { name: 'x-secret', value: plantToken(`a header, told ${as}`) };
    const client = (clientAuthentication: string) => ({
      tokenUrl: at('/token'),
      clientId: 'client',
      clientSecret: plant(`a client's secret, told ${as}, ${clientAuthentication}`),
      clientAuthentication,
    });
    return [
      http(`basic ${as}`, { restEndpointUrl: at('/in'), credentials: login }),
      http(`header ${as}`, { restEndpointUrl: at('/in'), secretHeaders: [header] }),
      ...['CLIENT_AUTHENTICATION_BASIC', 'CLIENT_AUTHENTICATION_BODY'].map((authentication) =>
        http(`oauth2 ${as} ${authentication}`, {
          restEndpointUrl: at('/in'),
          credentials: { oauth2: client(authentication) },
        }),
      ),
    ];
  });
  const mqtt = (version: string) => ({
    name: `mqtt ${version}`,
    enabled: true,
    topicFilters: ['a/#'],
    delivery: FAILING,
    mqtt: {
      host: '127.0.0.1',
      port: mqttPort,
      topicName: 'out',
      mqttVersion: version,
      credentials: { basic: { username: 'me', password: plant(`a password of MQTT ${version}`) } },
    },
  });
  const reference = { basic: { username: 'me', password: `\${env:INTEGRATION_SECRET_CANARY}` } };
  const referring = Object.keys(ECHOES).map((as) =>
    http(`reference ${as}`, {
      restEndpointUrl: `${url}/in?${new URLSearchParams({ as })}`,
      credentials: reference,
    }),
  );
  return [...rows, ...referring, mqtt('MQTT_VERSION_5_0'), mqtt('MQTT_VERSION_3_1_1')];
}
