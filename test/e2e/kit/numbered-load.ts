import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { onEnd } from '../../helpers/on-end.ts';
import { waitUntil } from '../../helpers/wait-until.ts';
import type { Message, Sent } from './oracle.ts';
import { PersistentClient } from './persistent-client.ts';

/** Messages of one client that are not acknowledged, at most. */
const WINDOW = 50;
/** How often a client looks what is due. Milliseconds. */
const TICK = 20;

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
 * another one and sends first what was not acknowledged, as clients with a persistent session do.
 */
export class NumberedLoad {
  /** Each message once, when it was sent first. */
  readonly sent: Sent[] = [];
  /** Each time one was sent again. */
  readonly resent: Sent[] = [];
  readonly acknowledged: Sent[] = [];
  readonly #options: LoadOptions;
  readonly #isOver = new AbortController();
  readonly #isClosed = new AbortController();
  readonly #clients: PersistentClient[] = [];
  readonly #lanes: Promise<unknown>[] = [];

  /** It ends with the test at last. */
  constructor(t: TestContext, options: LoadOptions) {
    this.#options = options;
    for (const integration of options.integrations) {
      for (let i = 0; i < options.clients; i++) this.#start(integration, `${integration}-c${i}`);
    }
    onEnd(t, () => this.#end());
  }

  /** Publishes nothing new; answers when all is acknowledged. */
  async stop(): Promise<void> {
    this.#isOver.abort();
    const isAcknowledged = () => this.#clients.every(({ inFlight }) => inFlight === 0);
    await waitUntil('everything is acknowledged', isAcknowledged, 60_000);
    await this.#end();
  }

  async #end(): Promise<void> {
    this.#isOver.abort();
    this.#isClosed.abort();
    await Promise.all(this.#lanes);
  }

  #start(integration: string, clientId: string): void {
    const client = new PersistentClient(clientId, this.#options.address);
    this.#clients.push(client);
    this.#lanes.push(client.run(this.#isClosed.signal), this.#publish(client, integration, clientId));
  }

  async #publish(connection: PersistentClient, integration: string, client: string): Promise<void> {
    const { signal } = this.#isOver;
    const { rate } = this.#options;
    let due = 0;
    for (let n = 0, last = performance.now(); !signal.aborted; await sleep(TICK)) {
      const now = performance.now();
      // What could not be sent when it was due is not made up for.
      due = Math.min(due + ((now - last) / 1000) * rate, WINDOW);
      last = now;
      for (; due >= 1 && connection.isConnected && connection.inFlight < WINDOW; due--) {
        this.#send(connection, integration, { client, n: n++ });
      }
    }
  }

  #send(connection: PersistentClient, integration: string, message: Message): void {
    const keepIn = (list: Sent[]) => () => list.push({ ...message, at: performance.now() });
    keepIn(this.sent)();
    connection.publish(`load/${integration}`, JSON.stringify(message), {
      onAcknowledged: keepIn(this.acknowledged),
      onResent: keepIn(this.resent),
    });
  }
}
