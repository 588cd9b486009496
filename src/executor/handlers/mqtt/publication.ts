import { timestampMs } from '@bufbuild/protobuf/wkt';
import type { IClientPublishOptions } from 'mqtt';
import { type Envelope, FailureClass } from '../../../../gen/penstock/v1/envelope_pb.ts';
import { type MqttConfiguration, MqttVersion } from '../../../../gen/penstock/v1/mqtt_pb.ts';
import { UnencodableError } from '../../../contract/body.ts';
import {
  payloadWriter,
  type Qos,
  qosWriter,
  retainWriter,
  topicWriter,
} from '../../../contract/mqtt-publication.ts';
import type { Failure, HandlerContext, Outbound } from '../handler.ts';
import { bufferOf, propertiesBytes, propertiesOf } from './properties.ts';

/** What a broker takes, by its CONNACK. */
export interface BrokerLimits {
  /** Messages of QoS 1 and 2 on their way at a time. */
  readonly receiveMaximum: number;
  readonly maximumPacketSize: number;
  readonly maximumQos: Qos;
  readonly retainAvailable: boolean;
}

/** A message as it leaves. */
export interface Publication {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly options: IClientPublishOptions;
}

/** The message, as this configuration has it published to a broker with these limits; or why it cannot be. */
export type PublicationWriter = (message: Outbound, limits: BrokerLimits) => Publication | Failure;

export function publicationWriter(config: MqttConfiguration, context: HandlerContext): PublicationWriter {
  const topicOf = topicWriter(config, context);
  const bodyOf = payloadWriter(config, context);
  const qosOf = qosWriter(config);
  const isRetained = retainWriter(config);
  const is5 = config.mqttVersion === MqttVersion.MQTT_VERSION_5_0;
  const { clock } = context;

  const write = (message: Outbound, limits: BrokerLimits): Publication | Failure => {
    const { envelope } = message;
    const expiry = is5 ? remainingExpiry(envelope, clock.now()) : undefined;
    if (expiry === 0) return EXPIRED;
    const qos = qosOf(envelope);
    if (qos > 0 && limits.maximumQos === 0) return NO_QOS;
    const retain = isRetained(envelope);
    if (retain && !limits.retainAvailable) return NO_RETAIN;
    const topic = topicOf(message);
    const { payload: content, type } = bodyOf(message);
    const payload = typeof content === 'string' ? content : bufferOf(content);
    const options: IClientPublishOptions = { qos: Math.min(qos, limits.maximumQos) as Qos, retain };
    if (is5) options.properties = propertiesOf(envelope, type, expiry);
    const publication = { topic, payload, options };
    const bytes = packetBytes(publication);
    return bytes > limits.maximumPacketSize ? tooLarge(bytes, limits) : publication;
  };
  return (message, limits) => {
    try {
      return write(message, limits);
    } catch (error) {
      if (!(error instanceof UnencodableError)) throw error;
      return { delivered: false, failureClass: FailureClass.UNENCODABLE, reason: error.message };
    }
  };
}

/** The seconds that are left of a message's expiry interval; undefined: it has none. */
function remainingExpiry(envelope: Envelope, now: number): number | undefined {
  const { messageExpiryInterval: seconds, receivedTime } = envelope;
  if (seconds === undefined || receivedTime === undefined) return seconds;
  const waited = Math.max(0, Math.floor((now - timestampMs(receivedTime)) / 1000));
  return Math.max(0, seconds - waited);
}

/** The size of the PUBLISH packet (MQTT 5.0 section 3.3). */
function packetBytes({ topic, payload, options: { qos, properties } }: Publication): number {
  let remaining = 2 + Buffer.byteLength(topic) + Buffer.byteLength(payload) + (qos === 0 ? 0 : 2);
  if (properties) {
    const bytes = propertiesBytes(properties);
    remaining += bytes + variableLength(bytes);
  }
  return 1 + variableLength(remaining) + remaining;
}

/** How many bytes a Variable Byte Integer takes (MQTT 5.0 section 1.5.5). */
const variableLength = (value: number) => (value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4);

/** The largest packet that MQTT can describe. */
export const LARGEST_PACKET = 268_435_460;

const failure = (failureClass: FailureClass, reason: string): Failure => ({
  delivered: false,
  failureClass,
  reason,
});

const tooLarge = (bytes: number, { maximumPacketSize }: BrokerLimits) =>
  failure(
    FailureClass.TOO_LARGE,
    `the packet would have ${bytes} bytes, more than the ${maximumPacketSize} that the broker takes`,
  );
const EXPIRED = failure(FailureClass.EXPIRED, 'the message expiry interval has passed');
// Other limits are mended by a change of the broker or of the integration, not by giving messages up.
const NO_QOS = failure(
  FailureClass.UNAVAILABLE,
  'the broker takes QoS 0 only: set use_msg_qos to false and qos to 0, or let the broker take more',
);
const NO_RETAIN = failure(
  FailureClass.UNAVAILABLE,
  'the broker retains no messages: set use_msg_retain to false, or let the broker retain',
);
