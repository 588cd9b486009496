import type { Frame } from './framer.ts';
import { PacketReader } from './packet-reader.ts';
import {
  DISCONNECT_PROPERTIES,
  PUBREL_PROPERTIES,
  readProperties,
  SUBSCRIBE_PROPERTIES,
  UNSUBSCRIBE_PROPERTIES,
} from './properties.ts';
import {
  malformed,
  PacketType,
  type ProtocolVersion,
  protocolError,
  ReasonCode,
  tooLarge,
} from './protocol.ts';
import { checkTopicFilter } from './topic-rules.ts';

/** The largest packet that is not a message: nothing is done with what it says, but reading it takes many times its bytes. */
const MAX_CONTROL_BYTES = 65_536;
/** The flags of PUBREL, SUBSCRIBE and UNSUBSCRIBE: 3.1 sends these with QoS 1, and again with DUP. */
const QOS_1 = 0b0010;
const DUP = 0b1000;
const WITH_QOS_1: ReadonlySet<number> = new Set([
  PacketType.PUBREL,
  PacketType.SUBSCRIBE,
  PacketType.UNSUBSCRIBE,
]);
const PUBREL_CODES: ReadonlySet<number> = new Set([
  ReasonCode.SUCCESS,
  ReasonCode.PACKET_IDENTIFIER_NOT_FOUND,
]);
/** What a client may say with its DISCONNECT (MQTT 5.0 §3.14.2.1); the others are for servers. */
const DISCONNECT_CODES: ReadonlySet<number> = new Set([
  0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
]);

/** @throws MqttError when the header of a packet that is no message is not as it must be, or it is too large */
export function checkHeader({ type, flags, whole }: Frame, version: ProtocolVersion): void {
  const expected = WITH_QOS_1.has(type) ? QOS_1 : 0;
  const again = version === 3 ? expected && expected | DUP : expected;
  if (flags !== expected && flags !== again) throw malformed(`flags ${flags} of a packet of type ${type}`);
  const { length } = whole;
  if (length > MAX_CONTROL_BYTES) throw tooLarge(`a packet of ${length} bytes that is no message`);
}

/** @throws MqttError when a packet has more than its header */
export function checkEmpty({ body }: Frame): void {
  if (body.length > 0) throw malformed('a packet that goes on after its header');
}

/** The packet identifier of a PUBREL. */
export function readPubrel({ body }: Frame, version: ProtocolVersion): number {
  const reader = new PacketReader(body);
  const packetId = reader.packetId();
  if (version === 5) readReason(reader, PUBREL_CODES, PUBREL_PROPERTIES);
  reader.expectEnd();
  return packetId;
}

export interface Goodbye {
  readonly reasonCode: number;
  /** Seconds; unset: as CONNECT has said. */
  readonly sessionExpiry: number | undefined;
}

export function readDisconnect({ body }: Frame, version: ProtocolVersion): Goodbye {
  const reader = new PacketReader(body);
  const goodbye =
    version === 5
      ? readReason(reader, DISCONNECT_CODES, DISCONNECT_PROPERTIES)
      : { reasonCode: ReasonCode.SUCCESS, sessionExpiry: undefined };
  reader.expectEnd();
  return goodbye;
}

/** A reason code and properties; both may be left out at the end (MQTT 5.0 §3.6.2.1, §3.14.2.1). */
function readReason(reader: PacketReader, codes: ReadonlySet<number>, allowed: ReadonlySet<number>): Goodbye {
  const reasonCode = reader.isAtEnd ? ReasonCode.SUCCESS : reader.byte();
  if (!codes.has(reasonCode)) throw protocolError(`reason code ${reasonCode} where it must not be`);
  const properties = reader.isAtEnd ? undefined : readProperties(reader, allowed);
  return { reasonCode, sessionExpiry: properties?.sessionExpiryInterval };
}

export interface FilterList {
  readonly packetId: number;
  /** How many filters there are. */
  readonly count: number;
}

/** The topic filters of a SUBSCRIBE or UNSUBSCRIBE: checked, and no more, as nobody gets a subscription. */
export function readFilters({ type, body }: Frame, version: ProtocolVersion): FilterList {
  const isSubscribe = type === PacketType.SUBSCRIBE;
  const reader = new PacketReader(body);
  const packetId = reader.packetId();
  if (version === 5) readProperties(reader, isSubscribe ? SUBSCRIBE_PROPERTIES : UNSUBSCRIBE_PROPERTIES);
  let count = 0;
  for (; !reader.isAtEnd; count++) {
    const filter = reader.string();
    checkTopicFilter(filter);
    if (isSubscribe) checkOptions(reader.byte(), version, filter);
  }
  if (count === 0) throw protocolError('no topic filter');
  return { packetId, count };
}

/** The Subscription Options (MQTT 5.0 §3.8.3.1); before, the Requested QoS. */
function checkOptions(options: number, version: ProtocolVersion, filter: string): void {
  const reserved = version === 5 ? 0b1100_0000 : 0b1111_1100;
  if ((options & reserved) !== 0) throw malformed('reserved bits of a subscription');
  if ((options & 0b11) === 3) throw malformed('a QoS of 3');
  if (version !== 5) return;
  if ((options & 0b11_0000) === 0b11_0000) throw protocolError('a Retain Handling of 3');
  const isNoLocal = (options & 0b100) !== 0;
  if (isNoLocal && filter.startsWith('$share/')) throw protocolError('No Local on a shared subscription');
}
