import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { EnvelopeSchema } from '../../gen/penstock/v1/envelope_pb.ts';

/** One MQTT message as a client published it; see `Envelope`. */
export interface PublishedMessage {
  readonly topicName: string;
  /** May alias a network buffer: valid during the call that it is handed to. */
  readonly payload: Uint8Array;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly clientCertCn?: string | undefined;
  readonly qos: number;
  readonly retain: boolean;
  /** In order, with repeats. */
  readonly userProperties: readonly { readonly key: string; readonly value: string }[];
  readonly contentType?: string | undefined;
  readonly responseTopic?: string | undefined;
  readonly correlationData?: Uint8Array | undefined;
  /** Seconds. */
  readonly messageExpiryInterval?: number | undefined;
  readonly payloadFormatIndicator?: number | undefined;
  /** How many integrations it has passed through already. */
  readonly hopCount?: number | undefined;
  /** The 16 bytes of the UUID that its publisher gave it. */
  readonly id?: Uint8Array | undefined;
}

/** Where and when a message was taken in. */
export interface Reception {
  /** Milliseconds since 1970. */
  readonly receivedTime: number;
  /** The service id of the ingress node. */
  readonly node: string;
  /** The 16 bytes of a UUID. */
  readonly id: Uint8Array;
}

const { field } = EnvelopeSchema;
const tag = (one: { readonly number: number }, type: WireType) => ((one.number << 3) | type) >>> 0;
const TAG = {
  topicName: tag(field.topicName, WireType.LengthDelimited),
  payload: tag(field.payload, WireType.LengthDelimited),
  clientId: tag(field.clientId, WireType.LengthDelimited),
  username: tag(field.username, WireType.LengthDelimited),
  clientCertCn: tag(field.clientCertCn, WireType.LengthDelimited),
  qos: tag(field.qos, WireType.Varint),
  retain: tag(field.retain, WireType.Varint),
  userProperties: tag(field.userProperties, WireType.LengthDelimited),
  contentType: tag(field.contentType, WireType.LengthDelimited),
  responseTopic: tag(field.responseTopic, WireType.LengthDelimited),
  correlationData: tag(field.correlationData, WireType.LengthDelimited),
  messageExpiryInterval: tag(field.messageExpiryInterval, WireType.Varint),
  payloadFormatIndicator: tag(field.payloadFormatIndicator, WireType.Varint),
  receivedTime: tag(field.receivedTime, WireType.LengthDelimited),
  node: tag(field.node, WireType.LengthDelimited),
  hopCount: tag(field.hopCount, WireType.Varint),
  id: tag(field.id, WireType.LengthDelimited),
};
/** Field 1 and field 2 of `UserProperty` (key, value) and of `Timestamp` (seconds, nanos). */
const FIRST_TEXT = tag({ number: 1 }, WireType.LengthDelimited);
const SECOND_TEXT = tag({ number: 2 }, WireType.LengthDelimited);
const FIRST_NUMBER = tag({ number: 1 }, WireType.Varint);
const SECOND_NUMBER = tag({ number: 2 }, WireType.Varint);

/** A larger envelope leaves a buffer behind that is not worth keeping. */
const KEPT_BYTES = 65_536;

/**
 * Encodes envelopes, to the bytes that toBinary makes. Written by hand because every message passes here: toBinary goes by
 * reflection and takes three times as long. One writer is used again and again, which is most of the gain.
 */
export function createEnvelopeEncoder(): (message: PublishedMessage, reception: Reception) => Uint8Array {
  let spare: BinaryWriter | undefined;
  return (message, reception) => {
    const writer = spare ?? new BinaryWriter();
    spare = undefined; // a writer that throws is left in the middle of something
    write(writer, message, reception);
    const encoded = writer.finish();
    if (encoded.length <= KEPT_BYTES) spare = writer;
    return encoded;
  };
}

function write(writer: BinaryWriter, message: PublishedMessage, reception: Reception): void {
  text(writer, TAG.topicName, message.topicName || undefined);
  bytes(writer, TAG.payload, message.payload.length === 0 ? undefined : message.payload);
  text(writer, TAG.clientId, message.clientId || undefined);
  text(writer, TAG.username, message.username);
  text(writer, TAG.clientCertCn, message.clientCertCn);
  number(writer, TAG.qos, message.qos || undefined);
  if (message.retain) writer.uint32(TAG.retain).bool(true);
  for (const { key, value } of message.userProperties) {
    writer.uint32(TAG.userProperties).fork();
    text(writer, FIRST_TEXT, key || undefined);
    text(writer, SECOND_TEXT, value || undefined);
    writer.join();
  }
  text(writer, TAG.contentType, message.contentType);
  text(writer, TAG.responseTopic, message.responseTopic);
  bytes(writer, TAG.correlationData, message.correlationData);
  number(writer, TAG.messageExpiryInterval, message.messageExpiryInterval);
  number(writer, TAG.payloadFormatIndicator, message.payloadFormatIndicator);
  writeTime(writer, reception.receivedTime);
  text(writer, TAG.node, reception.node || undefined);
  number(writer, TAG.hopCount, message.hopCount || undefined);
  bytes(writer, TAG.id, reception.id);
}

function text(writer: BinaryWriter, fieldTag: number, value: string | undefined): void {
  if (value !== undefined) writer.uint32(fieldTag).string(value);
}

function bytes(writer: BinaryWriter, fieldTag: number, value: Uint8Array | undefined): void {
  if (value !== undefined) writer.uint32(fieldTag).bytes(value);
}

function number(writer: BinaryWriter, fieldTag: number, value: number | undefined): void {
  if (value !== undefined) writer.uint32(fieldTag).uint32(value);
}

function writeTime(writer: BinaryWriter, time: number): void {
  const seconds = Math.floor(time / 1000);
  const nanos = Math.floor(time - seconds * 1000) * 1_000_000;
  writer.uint32(TAG.receivedTime).fork();
  if (seconds !== 0) writer.uint32(FIRST_NUMBER).int64(seconds);
  if (nanos !== 0) writer.uint32(SECOND_NUMBER).int32(nanos);
  writer.join();
}
