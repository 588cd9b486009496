import { fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { TimestampSchema } from '@bufbuild/protobuf/wkt';
import { type Envelope, EnvelopeSchema, type UserProperty } from '../../gen/penstock/v1/envelope_pb.ts';
import { MAX_USER_PROPERTIES, MAX_USER_PROPERTY_BYTES } from './message-memory.ts';

/** What a decoder that is written by hand does not know: fromBinary is to judge the record. */
const UNUSUAL = Symbol('unusual');

const NO_BYTES = new Uint8Array();

/** More user properties than a message may have: decoded they would take many times the memory of their bytes. */
class TooManyProperties extends Error {
  override readonly name = 'TooManyProperties';
  constructor() {
    super(
      `it has more than ${MAX_USER_PROPERTIES} user properties, or ${MAX_USER_PROPERTY_BYTES} bytes of them`,
    );
  }
}

/**
 * Decodes an envelope to what fromBinary makes of it, or throws as fromBinary does, and where there are too many user
 * properties. Written by hand because every message passes here, and fromBinary goes by reflection. The payload is a part of
 * `bytes`, not a copy.
 */
export function decodeEnvelope(bytes: Buffer): Envelope {
  try {
    return read(new BinaryReader(bytes), bytes);
  } catch (error) {
    if (error instanceof TooManyProperties) throw error;
    const envelope = fromBinary(EnvelopeSchema, bytes);
    let characters = 0;
    for (const property of envelope.userProperties) characters += charactersOf(property);
    checkProperties(envelope.userProperties.length, characters);
    return envelope;
  }
}

/** Each case is the tag of a field: its number << 3 | its wire type. */
function read(reader: BinaryReader, bytes: Buffer): Envelope {
  const envelope: Envelope = {
    $typeName: 'penstock.v1.Envelope',
    topicName: '',
    payload: NO_BYTES,
    clientId: '',
    qos: 0,
    retain: false,
    userProperties: [],
    node: '',
    hopCount: 0,
    id: NO_BYTES,
  };
  let characters = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 10) envelope.topicName = text(reader, bytes);
    else if (tag === 18) envelope.payload = reader.bytes();
    else if (tag === 26) envelope.clientId = text(reader, bytes);
    else if (tag === 34) envelope.username = text(reader, bytes);
    else if (tag === 42) envelope.clientCertCn = text(reader, bytes);
    else if (tag === 48) envelope.qos = reader.uint32();
    else if (tag === 56) envelope.retain = reader.bool();
    else if (tag === 66) {
      const property = userProperty(reader, bytes);
      characters += charactersOf(property);
      checkProperties(envelope.userProperties.push(property), characters);
    } else if (tag === 74) envelope.contentType = text(reader, bytes);
    else if (tag === 82) envelope.responseTopic = text(reader, bytes);
    else if (tag === 90) envelope.correlationData = reader.bytes();
    else if (tag === 96) envelope.messageExpiryInterval = reader.uint32();
    else if (tag === 104) envelope.payloadFormatIndicator = reader.uint32();
    else if (tag === 114 && !envelope.receivedTime) envelope.receivedTime = timestamp(reader);
    else if (tag === 122) envelope.node = text(reader, bytes);
    else if (tag === 128) envelope.hopCount = reader.uint32();
    else if (tag === 138) envelope.id = reader.bytes();
    else throw UNUSUAL;
  }
  return envelope;
}

const charactersOf = ({ key, value }: UserProperty) => key.length + value.length;

/** There are no more characters than bytes, so nothing is refused here that was taken in. */
function checkProperties(count: number, characters: number): void {
  if (count > MAX_USER_PROPERTIES || characters > MAX_USER_PROPERTY_BYTES) throw new TooManyProperties();
}

function text(reader: BinaryReader, bytes: Buffer): string {
  const length = reader.uint32();
  const start = reader.pos;
  reader.pos += length;
  if (reader.pos > reader.len) throw UNUSUAL;
  const decoded = bytes.toString('utf8', start, reader.pos);
  if (decoded.includes('\uFFFD')) throw UNUSUAL; // what is not UTF-8 becomes this
  return decoded;
}

function userProperty(reader: BinaryReader, bytes: Buffer): UserProperty {
  const property: UserProperty = { $typeName: 'penstock.v1.UserProperty', key: '', value: '' };
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 10) property.key = text(reader, bytes);
    else if (tag === 18) property.value = text(reader, bytes);
    else throw UNUSUAL;
  }
  if (reader.pos !== end) throw UNUSUAL;
  return property;
}

function timestamp(reader: BinaryReader): MessageShape<typeof TimestampSchema> {
  const time = { $typeName: 'google.protobuf.Timestamp' as const, seconds: 0n, nanos: 0 };
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === 8) time.seconds = BigInt(reader.int64());
    else if (tag === 16) time.nanos = reader.int32();
    else throw UNUSUAL;
  }
  if (reader.pos !== end) throw UNUSUAL;
  return time;
}
