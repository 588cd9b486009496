import type { Frame } from './framer.ts';
import { PacketReader } from './packet-reader.ts';
import { NO_PROPERTIES, type Properties, PUBLISH_PROPERTIES, readProperties } from './properties.ts';
import { MqttError, malformed, type ProtocolVersion, protocolError, ReasonCode } from './protocol.ts';

export type Qos = 0 | 1 | 2;

/** What an alias takes besides its name, about. */
const ALIAS_BYTES = 64;

export interface PublishPacket {
  /** Empty: the topic alias stands for it. */
  readonly topicName: string;
  /** 0 with QoS 0. */
  readonly packetId: number;
  readonly qos: Qos;
  readonly retain: boolean;
  /** It may have been sent before. */
  readonly isDup: boolean;
  readonly properties: Properties;
  /** Aliases the network buffer. */
  readonly payload: Buffer;
}

/** Reads a PUBLISH packet. Throws an `MqttError` where it is not one. */
export function readPublish(frame: Frame, version: ProtocolVersion): PublishPacket {
  const qos = qosOf((frame.flags >> 1) & 3);
  const reader = new PacketReader(frame.body);
  const topicName = reader.string();
  const packetId = qos === 0 ? 0 : reader.packetId();
  const properties = version === 5 ? readProperties(reader, PUBLISH_PROPERTIES) : NO_PROPERTIES;
  const payload = reader.rest();
  const { flags } = frame;
  const [retain, isDup] = [(flags & 1) === 1, (flags & 8) !== 0];
  return { topicName, packetId, qos, retain, isDup, properties, payload };
}

export function qosOf(bits: number): Qos {
  if (bits === 0 || bits === 1 || bits === 2) return bits;
  throw malformed('a QoS of 3');
}

/** The topic aliases of one connection (MQTT 5.0 §3.3.2.3.4). */
export class TopicAliases {
  readonly #maximum: number;
  readonly #names = new Map<number, string>();
  #bytes = 0;

  constructor(maximum: number) {
    this.#maximum = maximum;
  }

  /** What they keep in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The topic name that a PUBLISH means. @throws MqttError when there is none */
  resolve({ topicName, properties: { topicAlias } }: PublishPacket): string {
    if (topicAlias === undefined) {
      if (topicName === '') throw protocolError('an empty topic name without a topic alias'); // MQTT 5.0 §3.3.2.1
      return topicName;
    }
    if (topicAlias === 0 || topicAlias > this.#maximum) {
      throw new MqttError(ReasonCode.TOPIC_ALIAS_INVALID, `topic alias ${topicAlias}`);
    }
    if (topicName !== '') {
      const before = this.#names.get(topicAlias);
      this.#bytes += aliasMemory(topicName) - (before === undefined ? 0 : aliasMemory(before));
      this.#names.set(topicAlias, topicName);
      return topicName;
    }
    const known = this.#names.get(topicAlias);
    if (known === undefined) throw protocolError(`topic alias ${topicAlias} is not known`);
    return known;
  }
}

/** At most two bytes for each character, whatever it took on the wire. */
const aliasMemory = (name: string) => ALIAS_BYTES + 2 * name.length;
