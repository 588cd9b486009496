import type { TestContext } from 'node:test';
import mqtt, { type MqttClient } from 'mqtt';
import { serverCertificate } from './certificates.ts';
import { faultProxy } from './fault-proxy.ts';
import { outbound } from './handler.ts';
import { mosquitto, passwordFile } from './mosquitto.ts';
import { toBroker } from './mqtt-handler.ts';
import { onEnd } from './on-end.ts';
import { PASSWORDS, type Peer, type PeerOptions, type PeerType, USERNAME } from './peer.ts';
import { waitUntil } from './wait-until.ts';

/** mosquitto takes no larger payload, without announcing it. */
const LARGEST = 100_000;

/** A mosquitto, with a subscriber of the test's own that sees what it takes. */
export const mqttBroker: PeerType = { start, without: {} };

async function start(t: TestContext, { certificate, password }: PeerOptions = {}): Promise<Peer> {
  const shown = certificate && (await serverCertificate(t, certificate));
  const broker = await mosquitto(t, {
    isQuiet: true,
    general: [
      `message_size_limit ${LARGEST}`,
      ...(password ? ['password_file %dir%/passwords'] : ['allow_anonymous true']),
    ],
    listeners: [shown ? ['certfile %dir%/cert', 'keyfile %dir%/key'] : [], []],
    files: {
      ...shown,
      ...(password && { passwords: await passwordFile(t, USERNAME, PASSWORDS.right) }),
    },
  });
  const network = await faultProxy(t, '127.0.0.1', broker.port);
  const subscriber = await subscribed(t, broker.ports[1]!);
  const at = (host: string) =>
    toBroker(network.port, {
      host,
      mqttVersion: 5,
      reconnectPeriod: { nanos: 10_000_000 },
      ...(shown && { ssl: true, tls: { caCert: shown.ca } }),
      ...(password && {
        credentials: {
          credentials: {
            case: 'basic' as const,
            value: { username: USERNAME, password: PASSWORDS[password] },
          },
        },
      }),
    });
  return {
    configuration: at('127.0.0.1'),
    at,
    network,
    payloads: () => subscriber.payloads(),
    refused: outbound('refused '.repeat(LARGEST / 4)),
    stop: () => broker.stop(),
    start: () => broker.start(),
  };
}

/** A subscriber to everything, with a session that outlives restarts. */
async function subscribed(t: TestContext, port: number): Promise<Subscriber> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, {
    clientId: 'subscriber',
    username: USERNAME,
    password: PASSWORDS.right,
    clean: false,
    reconnectPeriod: 20,
  });
  onEnd(t, () => client.endAsync(true));
  client.on('error', () => {}); // it connects again
  await client.subscribeAsync('#', { qos: 1 });
  return new Subscriber(client);
}

class Subscriber {
  readonly #client: MqttClient;
  readonly #payloads: string[] = [];
  #marks = 0;
  #seen = 0;

  constructor(client: MqttClient) {
    this.#client = client;
    client.on('message', (topic, payload) => {
      if (topic === 'mark') this.#seen = Math.max(this.#seen, Number(payload));
      else this.#payloads.push(payload.toString());
    });
  }

  /** Everything that the broker had before this call: it has handed it on when it hands a mark on that comes after it. */
  async payloads(): Promise<readonly string[]> {
    const mark = ++this.#marks;
    await this.#client.publishAsync('mark', `${mark}`, { qos: 1 });
    await waitUntil('the subscriber is up to date', () => this.#seen >= mark);
    return this.#payloads;
  }
}
