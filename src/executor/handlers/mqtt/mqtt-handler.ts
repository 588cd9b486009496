import { FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import type { MqttConfiguration } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import { qosWriter } from '../../../contract/mqtt-publication.ts';
import type { Handler, HandlerContext, Outbound, Outcome } from '../handler.ts';
import { BrokerConnection } from './broker-connection.ts';
import { checkIdentities, identitiesOf } from './identities.ts';
import { Lane } from './lane.ts';
import { publicationWriter } from './publication.ts';

/** Publishes each message to an MQTT broker, over one connection or a pool of them. */
export class MqttHandler implements Handler {
  readonly parallel: number;
  readonly #config: MqttConfiguration;
  readonly #context: HandlerContext;
  readonly #qosOf: ReturnType<typeof qosWriter>;
  readonly #lanes = new Map<string, Lane>();
  #connections: readonly BrokerConnection[] = [];

  constructor(config: MqttConfiguration, context: HandlerContext) {
    this.#config = config;
    this.#context = context;
    this.#qosOf = qosWriter(config);
    const { maxInFlight = context.maxInFlight, poolSize = 1, staticClientIds } = config;
    this.parallel = Math.min(context.maxInFlight, maxInFlight * (staticClientIds.length || poolSize));
  }

  /** Rejects with the reason when one of the connections cannot be made. */
  async connect(signal: AbortSignal): Promise<void> {
    const write = publicationWriter(this.#config, this.#context);
    const isTrial = this.#context.record !== undefined;
    // What is tried must not cut the connection of what runs: one connection, under a client id of its own.
    const identities = isTrial
      ? checkIdentities(this.#config, this.#context).slice(0, 1)
      : identitiesOf(this.#config, this.#context);
    this.#connections = identities.map(
      (identity) => new BrokerConnection(this.#config, identity, this.#context, write),
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
    const lane = this.#laneOf(message);
    const qos = this.#qosOf(message.envelope);
    const held = lane?.enter(qos);
    // Not within this turn: it may leave again at once, and be held again.
    if (held) return new Promise((answer) => setImmediate(answer, held));
    const connection = lane?.connection ?? this.#connectionFor(message);
    const abort = () => {
      reject(signal.reason);
      connection.abandon(sending);
      lane?.leave(qos, ABORTED);
    };
    const settle = (outcome: Outcome) => {
      signal.removeEventListener('abort', abort);
      resolve(outcome);
      lane?.leave(qos, outcome);
    };
    const sending = { message, settle, before: undefined, after: undefined };
    signal.addEventListener('abort', abort, { once: true });
    connection.send(sending);
    return promise;
  }

  #laneOf(message: Outbound): Lane | undefined {
    const { key } = message;
    if (key === null) return undefined;
    let lane = this.#lanes.get(key);
    if (!lane) {
      lane = new Lane(this.#connectionFor(message), key, () => this.#lanes.delete(key));
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  /** That of the message's order key, or else its client; while it is lost, the next one that is up. */
  #connectionFor({ key, envelope }: Outbound): BrokerConnection {
    const connections = this.#connections;
    const first = connections.length === 1 ? 0 : hashOf(key ?? envelope.clientId) % connections.length;
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

const ABORTED = {
  delivered: false,
  failureClass: FailureClass.TIMEOUT,
  reason: 'its time was over',
} as const;

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
