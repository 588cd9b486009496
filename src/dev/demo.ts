import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectAsync } from 'mqtt';
import { connect, PayloadContentType } from '../client/node.ts';
import type { PenstockProcess } from '../process.ts';
import type { Clock } from '../runtime/clock.ts';

const NAME = 'penstock demo';
const TOPIC = 'demo/room-1/temperature';
const MESSAGES = 10;
const PAUSE = 300;
const CREATE_DEADLINE = 25_000;

interface Deps {
  say(line: string): void;
  readonly clock: Clock;
}

/**
 * The story of a message in the terminal: an HTTP endpoint, an integration to it made over gRPC, messages published by an
 * MQTT client, and each of them as it arrives. The endpoint stays up until it is disposed.
 */
export async function startDemo(
  dev: PenstockProcess,
  deps: Deps,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const { say } = deps;
  await using stack = new AsyncDisposableStack();
  const { server, url } = await startReceiver(deps);
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  say(`\ndemo: an HTTP endpoint listens on ${url}`);
  const id = await createIntegration(dev.grpcAddress, url, signal);
  say(`demo: the integration "${NAME}" (${id}) forwards demo/# to it`);
  await publish(dev.mqttAddress!, deps, signal);
  const { hostname, port } = new URL(`mqtt://${dev.mqttAddress}`);
  say(`\ndemo: it stays up; publish more to demo/…:
  mosquitto_pub -h ${hostname} -p ${port} -t demo/you -q 1 -m '{"hello": "world"}'
  curl -s -H 'content-type: application/json' -d '{"filter": {"integration_id": "${id}"}}' http://${dev.httpAddress}/penstock.v1.EventService/ListEvents`);
  return stack.move();
}

async function startReceiver({ say, clock }: Deps): Promise<{ server: Server; url: string }> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const now = clock.now();
    response.writeHead(200).end();
    if (request.method === 'POST') say(`demo: arrived  ${describe(Buffer.concat(chunks).toString(), now)}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

/** A body as a line: the envelope's topic name and payload, and how old a message of the demo itself is. */
function describe(body: string, now: number): string {
  try {
    const { topicName, payload } = JSON.parse(body) as {
      topicName: string;
      payload: { sentAt?: number } | null;
    };
    const sentAt = payload?.sentAt;
    const age = typeof sentAt === 'number' ? `   ${now - sentAt} ms after it was published` : '';
    return `${topicName}  ${JSON.stringify(payload)}${age}`;
  } catch {
    return body;
  }
}

/** The integration of an earlier run is pointed at the new endpoint. */
async function createIntegration(grpcAddress: string, url: string, signal: AbortSignal): Promise<string> {
  using client = connect({ address: grpcAddress });
  const options = { timeoutMs: CREATE_DEADLINE, signal };
  const integration = {
    name: NAME,
    enabled: true,
    topicFilters: ['demo/#'],
    configuration: {
      case: 'http' as const,
      value: { restEndpointUrl: url, payloadContentType: PayloadContentType.JSON },
    },
  };
  const { integrations } = await client.integrations.listIntegrations({ filter: { text: NAME } }, options);
  const known = integrations.find(({ name }) => name === NAME);
  if (!known) return (await client.integrations.createIntegration({ integration }, options)).integration!.id;
  await client.integrations.updateIntegration({ integration: { ...integration, id: known.id } }, options);
  return known.id;
}

const NO_MATCHING_SUBSCRIBERS = 0x10;

async function publish(mqttAddress: string, { say, clock }: Deps, signal: AbortSignal): Promise<void> {
  const client = await connectAsync(`mqtt://${mqttAddress}`, {
    protocolVersion: 5,
    clientId: 'penstock-demo',
    connectTimeout: 5000,
    reconnectPeriod: 0,
  });
  let reasonCode: number | undefined; // of the last PUBACK; publishAsync does not tell
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'puback') reasonCode = packet.reasonCode;
  });
  try {
    say(`demo: an MQTT client publishes ${MESSAGES} messages to ${TOPIC}\n`);
    for (let n = 1; n <= MESSAGES; n++) {
      const payload = { n, temperature: 20 + n / 10, sentAt: clock.now() };
      // Right after it was made, ingress may not know the integration yet, and says so: MQTT 5.0 section 3.4.2.1.
      for (;;) {
        await client.publishAsync(TOPIC, JSON.stringify(payload), { qos: 1 });
        if (reasonCode !== NO_MATCHING_SUBSCRIBERS) break;
        await clock.sleep(PAUSE, signal);
        payload.sentAt = clock.now();
      }
      await clock.sleep(PAUSE, signal);
    }
  } finally {
    await client.endAsync(true);
  }
}
