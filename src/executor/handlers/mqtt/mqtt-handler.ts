import type { MqttConfiguration } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import type { Handler, HandlerContext, Outbound, Outcome } from '../handler.ts';
import { Connection } from './connection.ts';
import { identitiesOf } from './identities.ts';
import { publicationWriter } from './publication.ts';

/** Publishes each message to an MQTT broker, over one connection or a pool of them. */
export class MqttHandler implements Handler {
  readonly parallel: number;
  readonly #config: MqttConfiguration;
  readonly #context: HandlerContext;
  #connections: readonly Connection[] = [];

  constructor(config: MqttConfiguration, context: HandlerContext) {
    this.#config = config;
    this.#context = context;
    const { maxInFlight = context.maxInFlight, poolSize = 1, staticClientIds } = config;
    this.parallel = Math.min(context.maxInFlight, maxInFlight * (staticClientIds.length || poolSize));
  }

  /** Rejects with the reason when one of the connections cannot be made. */
  async connect(signal: AbortSignal): Promise<void> {
    const write = publicationWriter(this.#config, this.#context);
    this.#connections = identitiesOf(this.#config, this.#context).map(
      (identity) => new Connection(this.#config, identity, this.#context, write),
    );
    await Promise.all(this.#connections.map((connection) => connection.connect(signal)));
  }

  async deliver(pack: readonly Outbound[], signal: AbortSignal): Promise<readonly Outcome[]> {
    if (pack.length === 1) return [await this.#deliverOne(pack[0]!, signal)];
    return await Promise.all(pack.map((message) => this.#deliverOne(message, signal)));
  }

  #deliverOne(message: Outbound, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
    const connection = this.#connectionFor(message);
    const abort = () => {
      reject(signal.reason);
      connection.abandon(sending);
    };
    const settle = (outcome: Outcome) => {
      signal.removeEventListener('abort', abort);
      resolve(outcome);
    };
    const sending = { message, settle };
    signal.addEventListener('abort', abort, { once: true });
    connection.send(sending);
    return promise;
  }

  /** That of the message's client; while it is lost, the next one that is up. */
  #connectionFor({ envelope }: Outbound): Connection {
    const connections = this.#connections;
    const first = connections.length === 1 ? 0 : hashOf(envelope.clientId) % connections.length;
    for (let i = 0; i < connections.length; i++) {
      const connection = connections[(first + i) % connections.length]!;
      if (connection.isUp) return connection;
    }
    return connections[first]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection[Symbol.asyncDispose]()));
  }
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
