import type { Frame } from './framer.ts';
import { PacketReader } from './packet-reader.ts';
import {
  CONNECT_PROPERTIES,
  checkUserProperties,
  NO_PROPERTIES,
  type Properties,
  readProperties,
  WILL_PROPERTIES,
} from './properties.ts';
import {
  MqttError,
  malformed,
  PacketType,
  type ProtocolVersion,
  protocolError,
  ReasonCode,
} from './protocol.ts';
import { checkTopicName, qosOf } from './publish-packet.ts';
import type { Will } from './wills.ts';

export interface ConnectPacket {
  readonly version: ProtocolVersion;
  /** Empty: the server shall make one. */
  readonly clientId: string;
  /** Clean Start, or Clean Session. */
  readonly isClean: boolean;
  /** Seconds; 0: none. */
  readonly keepAlive: number;
  /** Seconds. */
  readonly sessionExpiry: number;
  readonly username: string | undefined;
  /** Its client id is the packet's. */
  readonly will: Will | undefined;
}

/** The client is to be told no with a CONNACK. */
export class ConnectRefusal extends MqttError {
  readonly version: ProtocolVersion;
  constructor(version: ProtocolVersion, reasonCode: ReasonCode, message: string) {
    super(reasonCode, message);
    this.version = version;
  }
}

/** The Session Expiry Interval of a session that never ends, which is what 3.1 and 3.1.1 have. */
const NEVER = 0xffff_ffff;
/** A bridge sets it in the protocol level to say that it is one. */
const BRIDGE = 0x80;

/** Reads a CONNECT packet; throws an `MqttError` where it is not one, a `ConnectRefusal` where it is owed an answer. */
export function readConnect(frame: Frame): ConnectPacket {
  if (frame.type !== PacketType.CONNECT || frame.flags !== 0) throw protocolError('no CONNECT');
  const reader = new PacketReader(frame.body);
  const version = versionOf(reader.string(), reader.byte() & ~BRIDGE);
  const flags = flagsOf(reader.byte(), version);
  const keepAlive = reader.uint16();
  const properties = version === 5 ? readProperties(reader, CONNECT_PROPERTIES) : NO_PROPERTIES;
  checkBounds(properties);
  if (properties.authenticationMethod !== undefined) {
    throw new ConnectRefusal(version, ReasonCode.BAD_AUTHENTICATION_METHOD, 'enhanced authentication');
  }
  const clientId = reader.string();
  if (clientId === '' && (version === 3 || (version === 4 && !flags.isClean))) {
    throw new ConnectRefusal(version, ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 'an empty client id');
  }
  const will = flags.will && readWill(reader, version, flags.will);
  const username = flags.username ? reader.string() : undefined;
  if (flags.password) reader.binary();
  if (!reader.isAtEnd) throw malformed('a CONNECT that goes on after its end');
  const unset = version === 5 || flags.isClean ? 0 : NEVER;
  return {
    version,
    clientId,
    isClean: flags.isClean,
    keepAlive,
    sessionExpiry: properties.sessionExpiryInterval ?? unset,
    username,
    will: will && { ...will, message: { ...will.message, clientId, username } },
  };
}

function versionOf(name: string, level: number): ProtocolVersion {
  if (name === 'MQIsdp' && level === 3) return 3;
  if (name === 'MQTT' && (level === 4 || level === 5)) return level;
  if (name !== 'MQTT' && name !== 'MQIsdp') throw protocolError('a protocol that is not MQTT');
  const refused = level > 5 ? 5 : 4;
  throw new ConnectRefusal(refused, ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, `protocol level ${level}`);
}

interface WillFlags {
  readonly qos: number;
  readonly retain: boolean;
}

function flagsOf(byte: number, version: ProtocolVersion) {
  const will: WillFlags = { qos: qosOf((byte >> 3) & 3), retain: (byte & 0x20) !== 0 };
  const hasWill = (byte & 0x04) !== 0;
  const username = (byte & 0x80) !== 0;
  const password = (byte & 0x40) !== 0;
  if ((byte & 0x01) !== 0) throw malformed('the reserved CONNECT flag is set');
  if (!hasWill && (will.qos !== 0 || will.retain)) throw malformed('will flags without a will');
  if (password && !username && version !== 5) throw malformed('a password without a user name');
  return { isClean: (byte & 0x02) !== 0, will: hasWill ? will : undefined, username, password };
}

/** The will outlives the packet: nothing of it aliases the network buffer. */
function readWill(reader: PacketReader, version: ProtocolVersion, { qos, retain }: WillFlags) {
  const properties = version === 5 ? readProperties(reader, WILL_PROPERTIES) : NO_PROPERTIES;
  checkBounds(properties);
  const topicName = reader.string();
  checkTopicName(topicName);
  const payload = Buffer.from(reader.binary());
  const { willDelayInterval = 0, correlationData } = properties;
  const message = {
    ...properties,
    ...(correlationData && { correlationData: Buffer.from(correlationData) }),
    topicName,
    payload,
    qos,
    retain,
  };
  return { message, delay: willDelayInterval };
}

/** Only 5.0 has properties, so it can be told. */
function checkBounds(properties: Properties): void {
  try {
    checkUserProperties(properties);
  } catch (error) {
    if (error instanceof MqttError) throw new ConnectRefusal(5, error.reasonCode, error.message);
    throw error;
  }
}
