import mqtt, { type MqttClient } from 'mqtt';
import { newRequestId } from '../../api/request-id.ts';
import { reasonText } from './reason-codes.ts';

/** One line of what was sent and answered. */
export interface LogLine {
  readonly time: Date;
  readonly text: string;
  readonly isBad: boolean;
}

export interface Outgoing {
  readonly topic: string;
  readonly payload: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

/** How long an answer may take, in milliseconds. */
const PATIENCE = 10_000;

/** A connection of this page to an ingress, which tells all that happens with it. */
export class MqttSession {
  readonly clientId = `penstock-ui-${newRequestId().slice(0, 8)}`;
  readonly #client: MqttClient;
  /** How many were taken in, by their topics. */
  readonly #published = new Map<string, number>();
  readonly #url: string;
  readonly #tell: (text: string, isBad?: boolean) => void;

  /** @param tell is called for each line of the log */
  constructor(
    url: string,
    tell: (text: string, isBad?: boolean) => void,
    onChange: (isOpen: boolean) => void,
  ) {
    this.#url = url;
    this.#tell = tell;
    tell(`connecting to ${url}`);
    this.#client = mqtt.connect(url, {
      protocolVersion: 5,
      clientId: this.clientId,
      connectTimeout: PATIENCE,
      reconnectPeriod: 0,
      timerVariant: 'native', // another one would start a worker, which the page's policy forbids
    });
    this.#client.on('connect', ({ reasonCode = 0 }) => {
      tell(`connected: ${reasonText(reasonCode)}`);
      onChange(true);
    });
    // A publish that succeeds does not tell the code that it was acknowledged with.
    this.#client.on('packetreceive', (packet) => {
      if (packet.cmd !== 'puback' && packet.cmd !== 'pubrec' && packet.cmd !== 'pubcomp') return;
      const { reasonCode = 0 } = packet;
      tell(`${packet.cmd.toUpperCase()} ${reasonText(reasonCode)}`, reasonCode >= 0x80);
    });
    this.#client.on('error', (error) => tell(this.#failure(error), true));
    this.#client.on('disconnect', ({ reasonCode = 0 }) =>
      tell(`the server ends it: ${reasonText(reasonCode)}`, true),
    );
    this.#client.on('close', () => {
      tell('the connection is closed');
      onChange(false);
      this.close(); // what was not acknowledged fails then, and is not waited for
    });
  }

  /**
   * Resolves when it is acknowledged, or with QoS 0 sent.
   * @returns how many that is on this topic so far; undefined: it was refused, or nobody answered
   */
  async publish({ topic, payload, qos, retain }: Outgoing): Promise<number | undefined> {
    const size = new TextEncoder().encode(payload).length;
    this.#tell(`PUBLISH ${topic}, QoS ${qos}${retain ? ', retained' : ''}, ${size} bytes`);
    const began = performance.now();
    try {
      await inTime(this.#client.publishAsync(topic, payload, { qos, retain }));
      const took = Math.round(performance.now() - began);
      this.#tell(qos === 0 ? 'sent: with QoS 0 nobody answers' : `done after ${took} ms`);
      const count = (this.#published.get(topic) ?? 0) + 1;
      this.#published.set(topic, count);
      return count;
    } catch (error) {
      this.#tell(this.#failure(error), true);
      return undefined;
    }
  }

  close(): void {
    this.#client.end(true);
  }

  #failure(error: unknown): string {
    const { code, message } = error as { readonly code?: unknown; readonly message?: string };
    if (typeof code === 'number') return `refused: ${reasonText(code)}`;
    return `no connection with ${this.#url}: ${message || 'it was not let in, or nobody is there'}`;
  }
}

/** @throws Error when it takes longer than somebody waits */
async function inTime(sent: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const text = `no answer within ${PATIENCE / 1000} s: whether it was taken in is not known`;
    timer = setTimeout(() => reject(new Error(text)), PATIENCE);
  });
  await Promise.race([sent, late]).finally(() => clearTimeout(timer));
}
