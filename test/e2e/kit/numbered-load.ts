import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';
import { onEnd } from '../../helpers/on-end.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import type { Message } from './oracle.ts';

/** Messages of one client that are not acknowledged, at most. */
const WINDOW = 50;
const RECONNECT_PAUSE = 200;

export interface Acknowledged extends Message {
  /** Milliseconds of the test's monotonic clock. */
  readonly at: number;
}

export interface LoadOptions {
  /** Where to publish: `host:port` of an ingress, asked before each connecting. */
  readonly address: () => string;
  readonly integrations: readonly string[];
  /** MQTT clients an integration. */
  readonly clients: number;
  /** Messages a second of one client. */
  readonly rate: number;
}

/**
 * Publishes numbered messages with QoS 1 to `load/<integration>` until it is stopped. A client whose connection ends makes
 * another one and goes on with the next number: what was not acknowledged by then is never sent again.
 */
export class NumberedLoad {
  readonly acknowledged: Acknowledged[] = [];
  sent = 0;
  #inFlight = 0;
  readonly #options: LoadOptions;
  readonly #isOver = new AbortController();
  readonly #lanes: Promise<void>[];

  /** It ends with the test at last. */
  constructor(t: TestContext, options: LoadOptions) {
    this.#options = options;
    this.#lanes = options.integrations.flatMap((integration) =>
      Array.from({ length: options.clients }, (_, i) => this.#lane(integration, `${integration}-c${i}`)),
    );
    onEnd(t, () => this.#end());
  }

  /** Publishes nothing new; answers when all is acknowledged, or lost with its connection. */
  async stop(): Promise<void> {
    this.#isOver.abort();
    await waitUntil('everything is acknowledged', () => this.#inFlight === 0, 60_000);
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#isOver.abort();
    await Promise.all(this.#lanes);
  }

  async #lane(integration: string, client: string): Promise<void> {
    const { signal } = this.#isOver;
    for (let n = 0; !signal.aborted; ) {
      const connection = await this.#connect(client);
      if (!connection) {
        await sleep(RECONNECT_PAUSE);
        continue;
      }
      const pending = new Set<number>();
      while (connection.connected && !signal.aborted) {
        if (pending.size < WINDOW) this.#publish(connection, integration, { client, n: n++ }, pending);
        await sleep(1000 / this.#options.rate);
      }
      while (connection.connected && pending.size > 0) await sleep(20);
      this.#inFlight -= pending.size;
      pending.clear();
      await connection.endAsync(true);
    }
  }

  #publish(connection: MqttClient, integration: string, message: Message, pending: Set<number>): void {
    const { n } = message;
    this.sent++;
    this.#inFlight++;
    pending.add(n);
    connection.publish(`load/${integration}`, JSON.stringify(message), { qos: 1 }, (error) => {
      if (!pending.delete(n)) return; // given up with its connection
      this.#inFlight--;
      if (!error) this.acknowledged.push({ ...message, at: performance.now() });
    });
  }

  async #connect(clientId: string): Promise<MqttClient | undefined> {
    const url = `mqtt://${this.#options.address()}`;
    try {
      const options = { protocolVersion: 5, clientId, reconnectPeriod: 0, connectTimeout: 5000 } as const;
      const connection = await mqtt.connectAsync(url, options, false);
      connection.on('error', () => {}); // its end follows
      return connection;
    } catch {
      return undefined;
    }
  }
}
