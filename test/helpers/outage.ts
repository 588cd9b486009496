import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectAsync } from 'mqtt';
import { DeadLetterService } from '../../gen/penstock/v1/dead_letter_service_pb.ts';
import type { AckStrategy } from '../../gen/penstock/v1/delivery_pb.ts';
import { IntegrationService } from '../../gen/penstock/v1/integration_service_pb.ts';
import { MessageService } from '../../gen/penstock/v1/message_service_pb.ts';
import { PayloadContentType } from '../../gen/penstock/v1/payload_pb.ts';
import { createClient } from '../../src/rpc/grpcjs.ts';
import { waitUntil } from './wait-until.ts';

const CLIENTS = 20;
/** Publishes until ingress knows the filter; its messages do not count. */
const PROBE = 'probe';

export interface Outage {
  readonly messages: number;
  /** How long the endpoint is away, from when half of the messages have arrived. */
  readonly seconds: number;
  readonly strategy: AckStrategy;
}

export interface OutageResult {
  /** Messages that arrived without any redrive. */
  readonly arrived: number;
  /** Messages that arrived in the end. */
  readonly arrivedAtLast: number;
  readonly duplicates: number;
  /** First deliveries of a client that came after a later message of it, before any redrive. */
  readonly outOfOrder: number;
  readonly deadLetters: number;
  /** From the endpoint's return to when everything was delivered or given up. */
  readonly drainSeconds: number;
}

/** An HTTP endpoint that can go away and come back on its port, and knows what came to it. */
class Endpoint {
  readonly seen = new Set<string>();
  duplicates = 0;
  outOfOrder = 0;
  readonly #last = new Map<string, number>();
  #server: Server | undefined;
  #port = 0;

  async listen(): Promise<string> {
    this.#server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      this.#take(JSON.parse(Buffer.concat(chunks).toString()));
      response.end();
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
    return `http://127.0.0.1:${this.#port}/`;
  }

  #take({ client, n }: { client: string; n: number }): void {
    if (client === PROBE) return;
    const id = `${client}/${n}`;
    if (this.seen.has(id)) {
      this.duplicates++;
      return;
    }
    this.seen.add(id);
    if (n < (this.#last.get(client) ?? -1)) this.outOfOrder++;
    else this.#last.set(client, n);
  }

  /** Cuts every connection; until it listens again, connecting is refused. */
  async close(): Promise<void> {
    const closed = once(this.#server!, 'close');
    this.#server!.close();
    this.#server!.closeAllConnections();
    await closed;
  }
}

/** Publishes through a running penstock to an endpoint that goes away in the middle, and redrives what was given up. */
export async function runOutage(
  grpcAddress: string,
  mqttAddress: string,
  outage: Outage,
): Promise<OutageResult> {
  const { messages, seconds, strategy } = outage;
  const endpoint = new Endpoint();
  const id = await createIntegration(grpcAddress, await endpoint.listen(), strategy);
  using deadLetters = createClient(DeadLetterService, grpcAddress);
  const countDeadLetters = async () => {
    const { totalSize } = await deadLetters.listDeadLetters(
      { integrationId: id, pageSize: 1 },
      { deadline: 60_000 },
    );
    return Number(totalSize);
  };
  try {
    const published = publish(mqttAddress, messages);
    await waitUntil('half arrived', () => endpoint.seen.size >= messages / 2, 120_000);
    await endpoint.close();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    await endpoint.listen();
    const returned = performance.now();
    await published;
    // Delivered and given up may overlap: an answer that was cut off counts as both.
    const settled = async () =>
      endpoint.seen.size >= messages || endpoint.seen.size + (await countDeadLetters()) >= messages;
    await waitUntil('all is delivered or given up', settled, 120_000);
    const drainSeconds = (performance.now() - returned) / 1000;
    const arrived = endpoint.seen.size;
    const { outOfOrder } = endpoint;
    const given = await countDeadLetters();
    for await (const _ of deadLetters.redriveDeadLetters({ integrationId: id, maxRate: 20_000 }));
    await waitUntil('all arrived', () => endpoint.seen.size >= messages, 120_000);
    return {
      arrived,
      arrivedAtLast: endpoint.seen.size,
      duplicates: endpoint.duplicates,
      outOfOrder,
      deadLetters: given,
      drainSeconds,
    };
  } finally {
    await endpoint.close();
  }
}

async function createIntegration(
  grpcAddress: string,
  url: string,
  ackStrategy: AckStrategy,
): Promise<string> {
  using integrations = createClient(IntegrationService, grpcAddress);
  const name = `outage-${ackStrategy}`;
  const { integration } = await integrations.createIntegration(
    {
      integration: {
        name,
        enabled: true,
        topicFilters: ['outage/#'],
        configuration: {
          case: 'http',
          value: {
            restEndpointUrl: url,
            sendOnlyMsgPayload: true,
            payloadContentType: PayloadContentType.JSON,
          },
        },
        delivery: {
          ackStrategy,
          retries: 0,
          pauseBetweenRetries: { nanos: 200_000_000 },
          maxPause: { seconds: 2n },
        },
      },
    },
    { deadline: 25_000 },
  );
  using publisher = createClient(MessageService, grpcAddress);
  const payload = Buffer.from(JSON.stringify({ client: PROBE, n: 0 }));
  const isMatched = async () =>
    (await publisher.publishMessage({ topicName: 'outage/probe', payload })).matchedIntegrations > 0;
  await waitUntil('ingress knows the filter', isMatched);
  return integration!.id;
}

/** From several MQTT clients at once; resolves when every message is acknowledged. */
async function publish(mqttAddress: string, messages: number): Promise<void> {
  const lanes = Array.from({ length: CLIENTS }, async (_, lane) => {
    const clientId = `client-${lane}`;
    const client = await connectAsync(`mqtt://${mqttAddress}`, { protocolVersion: 5, clientId });
    let acknowledgements: Promise<unknown>[] = [];
    for (let n = 0; n < messages / CLIENTS; n++) {
      const body = JSON.stringify({ client: clientId, n });
      acknowledgements.push(client.publishAsync(`outage/${lane}`, body, { qos: 1 }));
      if (acknowledgements.length < 50) continue;
      await Promise.all(acknowledgements);
      acknowledgements = [];
    }
    await Promise.all(acknowledgements);
    await client.endAsync();
  });
  await Promise.all(lanes);
}
