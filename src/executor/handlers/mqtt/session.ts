import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { type IConnackPacket, MqttClient, Store } from 'mqtt';
import type { MqttConfiguration } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import type { HandlerContext } from '../handler.ts';
import { type ConnectionError, Course, connectTimeoutOf } from './course.ts';
import type { Identity } from './identities.ts';
import { type BrokerLimits, LARGEST_PACKET, type Publication } from './publication.ts';
import { REASON_NAMES, type Words } from './reason-code.ts';
import { openStream, protocolOf } from './stream.ts';

/** How long an end waits until the broker closes the connection. */
const END_GRACE = 500;
const KEEP_ALIVE = 60_000;

/**
 * mqtt.js takes a PUBACK with a code that MQTT 5.0 does not list for it as the end of the connection. mosquitto answers
 * "packet too large" like that, and the message would come again and end the next connection, too.
 */
const { MQTT5_PUBACK_PUBREC_CODES } = createRequire(import.meta.url)('mqtt-packet/constants') as {
  readonly MQTT5_PUBACK_PUBREC_CODES: Record<number, string>;
};
for (const [code, name] of REASON_NAMES) MQTT5_PUBACK_PUBREC_CODES[code] ??= name;

/** What a broker answers to a message: nothing, or the code of its refusal. */
export type Answered = (error?: AnswerError, packet?: { readonly properties?: Words }) => void;
type AnswerError = Error & { readonly code?: number | string };

/** One connection to a broker, from its CONNACK to its end. What it has not acknowledged goes down with it. */
export class Session {
  readonly limits: BrokerLimits;
  /** Why it was lost; undefined: it is open. */
  lost: ConnectionError | undefined;
  /** Called when it is lost. */
  onLost: (error: ConnectionError) => void = () => {};
  readonly #client: MqttClient;
  readonly #stream: Duplex;
  readonly #course: Course;

  private constructor(client: MqttClient, stream: Duplex, course: Course, limits: BrokerLimits) {
    this.limits = limits;
    this.#client = client;
    this.#stream = stream;
    this.#course = course;
    client.once('close', () => {
      this.lost = course.error();
      this.onLost(this.lost);
    });
  }

  /** Rejects with a `ConnectionError`, or with the signal's reason when it aborts. */
  static async open(
    config: MqttConfiguration,
    identity: Identity,
    { guard }: Pick<HandlerContext, 'guard'>,
    signal: AbortSignal,
  ): Promise<Session> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<Session>();
    const course = new Course(config, identity);
    const build = (client: MqttClient) => {
      const stream = openStream(config, guard, client, (socket) => course.watch(socket));
      return stream.on('error', (error) => course.failed(error));
    };
    const client = new MqttClient(build, clientOptions(config, identity));
    const stream = client.stream as Duplex;
    const abort = () => {
      reject(signal.reason);
      stream.destroy();
    };
    signal.addEventListener('abort', abort, { once: true });
    client.once('packetreceive', (packet) => {
      if (packet.cmd !== 'connack') return;
      course.answered(packet);
      // The broker's holds, whatever the client's own is (MQTT 5.0 section 3.2.2.3.14): for mqtt.js only without a 0.
      const { serverKeepAlive } = packet.properties ?? {};
      if (serverKeepAlive !== undefined) client.options.keepalive = serverKeepAlive;
    });
    client.on('disconnect', (packet) => course.disconnected(packet));
    client.on('error', (error) => {
      course.failed(error);
      stream.destroy(); // what breaks the protocol does not always end the connection
    });
    client.once('connect', (packet) => {
      signal.removeEventListener('abort', abort);
      resolve(new Session(client, stream, course, limitsOf(packet)));
    });
    client.once('close', () => {
      signal.removeEventListener('abort', abort);
      reject(course.error());
    });
    return await promise;
  }

  /** Calls back with the broker's answer, or for QoS 0 when it is on its way. Not at all when it is lost before. */
  publish({ topic, payload, options }: Publication, answered: Answered): void {
    this.#client.publish(topic, payload, options, answered as never);
  }

  /** Cuts the connection; `why` is told with its loss. */
  cut(why: string): void {
    this.#course.failed(new Error(why));
    this.#stream.destroy();
  }

  /** Says goodbye, and cuts the connection when the broker does not close it. */
  async end({ clock }: Pick<HandlerContext, 'clock'>): Promise<void> {
    if (this.lost) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#client.once('close', resolve);
    const cancel = clock.setTimer(() => this.#stream.destroy(), END_GRACE);
    this.#client.outgoing = {}; // the end would wait for them
    this.#client.end();
    await promise;
    cancel();
  }
}

/** Nothing is sent again over another connection: what is tried again is not the client's to decide. */
class NoStore extends Store {
  override put(...[, done]: Parameters<Store['put']>): this {
    done();
    return this;
  }

  override del(...[packet, done]: Parameters<Store['del']>): this {
    done(undefined, packet as never);
    return this;
  }
}

function clientOptions(config: MqttConfiguration, identity: Identity) {
  const { keepAlive } = config;
  return {
    ...identity,
    ...protocolOf(config),
    clean: true,
    keepalive: Math.ceil((keepAlive ? durationMs(keepAlive) : KEEP_ALIVE) / 1000),
    reschedulePings: false, // that would be a timer for each acknowledgement
    connectTimeout: connectTimeoutOf(config),
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    outgoingStore: new NoStore(),
    log: () => {},
  };
}

function limitsOf({ properties }: IConnackPacket): BrokerLimits {
  return {
    receiveMaximum: properties?.receiveMaximum ?? 65_535,
    maximumPacketSize: properties?.maximumPacketSize ?? LARGEST_PACKET,
    maximumQos: (properties?.maximumQoS ?? 2) as BrokerLimits['maximumQos'],
    retainAvailable: properties?.retainAvailable ?? true,
  };
}
